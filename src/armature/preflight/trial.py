"""A few steps on the real first batches, and one prediction: what a step takes, and that it can be taken."""

from __future__ import annotations

import itertools
import math
import multiprocessing
import re
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from armature.building import build
from armature.data.datamodule import KeypointData
from armature.data.dataset import collate
from armature.module import PoseModule
from armature.structures import Batch

#: Batches that are drawn and trained on at most; the seconds after which no further one is begun, but for the second:
#: the first one takes what later ones do not (kernels are chosen, or compiled).
STEPS, PATIENCE = 5, 4.0


@dataclass(frozen=True)
class Trial:
    """What was measured; seconds are per batch and process, bytes of one process.

    Attributes:
        device: on which the steps were taken. steps: how many. first: seconds of the first one.
        load: for a batch, by the loader alone. step: a training step. predict: for one image. load_one: an image.
        peak: memory that the process held at its highest. workers: of the loader's processes, shared pages divided.
        queued: batches that loader processes have ready at most. batch: bytes of one.
        cuda: memory at its highest, None without a GPU.
        weights, optimizer, average: bytes of the network, of the optimizer's state and of the averaged weights.
        checkpoint: bytes of a checkpoint file. losses: of the last step. metrics: names that validation gives.
    """

    device: str
    precision: str
    steps: int
    first: float
    load: float
    step: float
    predict: float
    load_one: float
    peak: int
    workers: int
    cuda: int | None
    queued: int
    batch: int
    weights: int
    optimizer: int
    average: int
    checkpoint: int
    losses: dict[str, float]
    metrics: tuple[str, ...]

    @property
    def finite(self) -> bool:
        return all(math.isfinite(value) for value in self.losses.values())

    def plain(self) -> dict[str, Any]:
        return asdict(self) | {"metrics": list(self.metrics)}


def trial(config: Mapping[str, Any], module: PoseModule, data: KeypointData) -> Trial:
    """Trains ``module`` for a few batches in this process alone and predicts a few images; writes nothing.

    Args:
        config: of the trainer, plain. Processes and nodes are left out, and a GPU that this machine does not have.
    """
    batches, load, workers, queued = _draw(data)
    watch = _Watch()
    trainer: pl.Trainer = build(_alone(config, len(batches)), callbacks=[watch], logger=False)
    size = _batch_bytes(batches[0])
    trainer.fit(module, train_dataloaders=DataLoader(_Drawn(batches), batch_size=None))
    optimizer = sum(_bytes(state.values()) for o in trainer.optimizers for state in o.state.values())
    losses = {name: float(value) for name, value in module.losses.items()}
    predict, load_one, metrics = _judged(module, trainer, data)
    average = _bytes(module.average.module.state_dict().values()) if module.average is not None else 0
    return Trial(
        device=str(trainer.strategy.root_device),
        precision=str(trainer.precision),
        steps=len(watch.seconds),
        first=watch.seconds[0],
        load=load,
        step=statistics.median(watch.seconds[1:] or watch.seconds),
        predict=predict,
        load_one=load_one,
        peak=_peak(),
        workers=workers,
        cuda=torch.cuda.max_memory_allocated() if trainer.strategy.root_device.type == "cuda" else None,
        queued=queued,
        batch=size,
        weights=_bytes(module.model.state_dict().values()),
        optimizer=optimizer,
        average=average,
        checkpoint=_bytes(module.state_dict().values()) + optimizer,
        losses=losses,
        metrics=metrics,
    )


def has(accelerator: str) -> bool:
    """Whether this machine has what the trainer is to train on."""
    return accelerator not in ("gpu", "cuda") or torch.cuda.is_available()


class _Drawn(IterableDataset[Batch]):
    """Batches that are in memory."""

    def __init__(self, batches: Sequence[Batch]) -> None:
        self.batches = batches

    def __iter__(self) -> Iterator[Batch]:
        return iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)


class _Watch(pl.Callback):
    """Seconds of every step; no further one after ``PATIENCE`` seconds of steps that count."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._begun = 0.0

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        self._begun = self._now(trainer)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.seconds.append(self._now(trainer) - self._begun)
        trainer.should_stop = sum(self.seconds[1:]) > PATIENCE

    @staticmethod
    def _now(trainer: pl.Trainer) -> float:
        if trainer.strategy.root_device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()


def _alone(config: Mapping[str, Any], batches: int) -> dict[str, Any]:
    """The trainer's config for a few steps in this process."""
    own = {name: value for name, value in config.items() if name not in ("sync_batchnorm", "max_steps", "max_time")}
    own |= {"devices": 1, "num_nodes": 1, "strategy": "auto", "max_epochs": 1, "accumulate_grad_batches": 1}
    own |= {"limit_train_batches": batches, "limit_val_batches": 0}
    if not has(str(config.get("accelerator"))):
        own |= {"accelerator": "cpu", "precision": "auto"}
    return own


def _draw(data: KeypointData) -> tuple[list[Batch], float, int, int]:
    """The first training batches, seconds per batch once the loader runs, memory of its processes, their queue."""
    loader = data.train_dataloader()
    begun = time.perf_counter()
    drawn: list[tuple[Batch, float]] = []
    batches = iter(loader)
    for batch in itertools.islice(batches, STEPS):
        drawn.append((batch, time.perf_counter()))
        if len(drawn) > 1 and drawn[-1][1] - begun > PATIENCE:
            break
    workers = sum(_resident(child.pid) for child in multiprocessing.active_children())
    first, last = drawn[0][1], drawn[-1][1]
    seconds = (last - first) / (len(drawn) - 1) if len(drawn) > 1 else first - begun
    del batches  # ends its processes
    queued = loader.num_workers * (loader.prefetch_factor or 0)
    return [batch for batch, _ in drawn], seconds, workers, queued


def _judged(module: PoseModule, trainer: pl.Trainer, data: KeypointData) -> tuple[float, float, tuple[str, ...]]:
    """Seconds to predict and to load one validation image, and the names of the metrics."""
    loader = data.val_dataloader()
    dataset: Any = loader.dataset
    begun = time.perf_counter()
    draws = list(itertools.islice(iter(loader.sampler), min(loader.batch_size or 1, data.batch_size)))
    batch = collate([dataset[draw] for draw in draws])
    load = (time.perf_counter() - begun) / len(draws)
    device = trainer.strategy.root_device
    module.to(device).eval()
    batch = trainer.strategy.batch_to_device(batch, device)
    batch.images = batch.images.float().div_(255).contiguous(memory_format=module.layout)
    with torch.inference_mode(), trainer.precision_plugin.val_step_context():
        poses, seconds = _timed(module, batch)
        if seconds < 1:  # the first call also warms up
            poses, seconds = _timed(module, batch)
    metric: Any = module.metrics
    metric.reset()
    metric.update(poses, batch.image_ids)
    names = tuple(f"val/{name}" for name in metric.compute())
    metric.reset()
    return seconds / len(draws), load, names


def _timed(module: PoseModule, batch: Batch) -> tuple[Any, float]:
    begun = time.perf_counter()
    poses = module.predict_step(batch)
    if batch.images.is_cuda:
        torch.cuda.synchronize()
    return poses, time.perf_counter() - begun


def _bytes(values: Any) -> int:
    return sum(v.numel() * v.element_size() for v in values if isinstance(v, Tensor))


def _batch_bytes(batch: Batch) -> int:
    parts: Sequence[Any] = [*vars(batch).values(), *vars(batch.instances).values()]
    return _bytes(parts)


def _peak() -> int:
    """Bytes that this process held at its highest; 0 where the system does not tell."""
    try:
        import resource
    except ImportError:
        return 0
    highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return highest if sys.platform == "darwin" else highest * 1024


def _resident(pid: int | None) -> int:
    """Bytes of a process, pages shared with others divided among them; 0 where the system does not tell."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    found = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
    return int(found.group(1)) * 1024 if found else 0
