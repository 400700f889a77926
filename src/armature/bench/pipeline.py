"""How many images a second each part of a training and of a validation step handles, for any train config."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from armature import assembly, hardware
from armature.augmentation import Photometric
from armature.configuration import compose
from armature.data.dataset import KeypointDataset, collate
from armature.data.geometry import RandomAffine, warp
from armature.data.pictures import read_picture
from armature.structures import Batch

#: Runs that are left out (first calls compile and allocate), and runs that count.
WARM, RUNS = 3, 9


def main(overrides: Sequence[str] = ()) -> int:
    """Prints a table of images/s for the config that these overrides of ``armature train`` make."""
    config = compose("train", list(overrides))
    module, data = assembly.assemble(config), assembly.data(config)
    module.metrics.bind(data.val_records())  # type: ignore[operator]
    precision = hardware.precision(config.trainer.accelerator)
    console = Console(highlight=False)
    console.print(
        f"{config.name}: canvas {data.canvas}, batch {data.batch_size}, {precision}, {torch.get_num_threads()} threads"
    )
    table = Table(box=None)
    for heading in ("part", "images/s", "ms an image", "where"):
        table.add_column(heading, justify="left" if heading in ("part", "where") else "right")
    for name, images, where, work in _parts(module, data, "bf16" in precision):
        seconds = _median(work) / images
        table.add_row(name, f"{1 / seconds:,.0f}", f"{seconds * 1e3:.2f}", where)
    console.print(table)
    return 0


def first_batch(module: Any, data: Any) -> Batch:
    """The first training batch, as a network gets it: float images in the module's memory layout."""
    dataset = KeypointDataset(data.train, data.canvas, data.geometry, data.seed)
    batch = collate([dataset[i] for i in range(data.batch_size)])
    batch.images = batch.images.float().div_(255).contiguous(memory_format=module.layout)
    return batch


def _median(work: Callable[[], Any]) -> float:
    """Seconds of one call, or what the call says it took: the median of ``RUNS``, after ``WARM`` that do not count."""
    times = []
    for _ in range(WARM + RUNS):
        start = time.perf_counter()
        said = work()
        times.append(said if isinstance(said, float) else time.perf_counter() - start)
    return statistics.median(times[WARM:])


def _parts(module: Any, data: Any, half: bool) -> list[tuple[str, int, str, Callable[[], Any]]]:
    """(name, images a call, where it runs, the call)."""
    batch = first_batch(module, data)
    dataset, size = KeypointDataset(data.train, data.canvas, data.geometry, data.seed), len(batch.images)
    return [*_loading(data, dataset), *_training(module, batch, size, half), *_judging(module, data, batch, size, half)]


def _loading(data: Any, dataset: KeypointDataset) -> list[tuple[str, int, str, Callable[[], Any]]]:
    picture, record = data.train.read(0)
    file = Path(tempfile.mkdtemp()) / "picture.jpg"
    large = cv2.resize(picture, (640, 480))
    cv2.imwrite(str(file), large[..., ::-1])
    draw = RandomAffine()
    rng = np.random.default_rng(0)
    counter = iter(range(10**9))
    return [
        ("decode a 640x480 JPEG", 1, "loader", lambda: read_picture(file)),
        ("read or draw the config's image", 1, "loader", lambda: data.train.read(next(counter) % len(data.train))),
        ("warp", 1, "loader", lambda: warp(large, draw((480, 640), data.canvas, rng, record), data.canvas)),
        ("whole sample", 1, "loader", lambda: dataset[next(counter) % len(data.train)]),
    ]


def _training(module: Any, batch: Batch, size: int, half: bool) -> list[tuple[str, int, str, Callable[[], Any]]]:
    augmentation = module.augmentation or Photometric(0.3, 0.3, 0.3, 0.03, jitter=0.8, blur=0.1, noise=0.1, grey=0.05)
    optimizer = module.optimizer(module.model.parameters())

    def forward() -> Any:
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            return module.model.train()(batch.images, batch.instances)

    outputs = {name: value.detach().float() for name, value in forward().items()}

    targets = module.codec.encode(outputs, batch)

    def backward() -> float:
        total = module.loss(forward(), targets)["total"]
        start = time.perf_counter()
        total.backward()
        return time.perf_counter() - start

    def step() -> None:
        backward()
        optimizer.step()
        optimizer.zero_grad()

    return [
        ("augmentation (photometric)", size, "device", lambda: augmentation(batch.images)),
        ("encode", size, "device", lambda: module.codec.encode(outputs, batch)),
        ("forward", size, "device", forward),
        ("backward", size, "device", backward),
        ("forward, losses, backward and optimizer", size, "device", step),
    ]


def _judging(
    module: Any, data: Any, batch: Batch, size: int, half: bool
) -> list[tuple[str, int, str, Callable[[], Any]]]:
    module.model.eval()
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=half):
        outputs = module.model(batch.images)
    shape = (size, *data.canvas)
    people = module.codec.decode(outputs, shape)
    records = data.val_records()
    for record in records:
        module.metrics.update([people[record.image_id % size]], torch.tensor([record.image_id]))
    truth, predictions = module.metrics.truth, module.metrics.predictions()
    return [
        ("decode", size, "device", lambda: module.codec.decode(outputs, shape)),
        ("evaluation", len(records), "host", lambda: module.metrics.judge(truth, predictions)),
    ]
