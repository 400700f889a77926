"""How many steps a run has, and how long it will take, from a few that were timed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from omegaconf import DictConfig

from armature.data.datamodule import KeypointData
from armature.data.dataset import Order
from armature.data.loader import count_workers
from armature.preflight.surroundings import local_processes
from armature.preflight.trial import Trial


@dataclass(frozen=True)
class Estimate:
    """Seconds and steps of a whole run.

    Attributes:
        processes: over all nodes. batches: of an epoch and process. epochs, validations: of the run.
        steps: of the optimizer. seconds_per_step: with the wait for data. loader_share: the part of it that waits.
        training, validation, total: seconds. The judgement itself (OKS, PCK) and the start are not in them.
    """

    processes: int
    batches: int
    epochs: int
    validations: int
    steps: int
    seconds_per_step: float
    loader_share: float
    training: float
    validation: float
    total: float

    @classmethod
    def of(cls, config: DictConfig, data: KeypointData, measured: Trial) -> Estimate:
        """From what ``trial`` measured in one process; several are taken to be as fast as one, each."""
        trainer = config.trainer
        world = local_processes(config) * int(trainer.get("num_nodes") or 1)
        batches = _batches(config, data, world)
        collected = int(trainer.get("accumulate_grad_batches") or 1)
        steps_an_epoch = -(-batches // collected)
        epochs, steps = _length(config, steps_an_epoch)
        workers = count_workers(data.workers, local_processes(config))
        each = together(measured.load, measured.step, workers)
        training = steps * collected * each
        images = -(-_some(len(data.val or ()), trainer.get("limit_val_batches"), data.val_batch_size) // world)
        validations = epochs // int(trainer.get("check_val_every_n_epoch") or 1)
        an_image = together(measured.load_one / max(1, workers), measured.predict, workers)
        validation = (validations + 1) * images * an_image  # and the judgement at the end
        return cls(
            processes=world,
            batches=batches,
            epochs=epochs,
            validations=validations,
            steps=steps,
            seconds_per_step=collected * each,
            loader_share=(each - measured.step) / each if each else 0.0,
            training=training,
            validation=validation,
            total=training + validation,
        )

    def plain(self) -> dict[str, Any]:
        return asdict(self)


def together(load: float, work: float, workers: int) -> float:
    """Seconds of a batch: loader processes work beside the network, without them the two take turns."""
    return max(load, work) if workers else load + work


def _batches(config: DictConfig, data: KeypointData, world: int) -> int:
    samples = len(Order(len(data.train or ()), True, data.seed, data.samples_per_epoch, 0, world))
    whole = samples // data.batch_size if samples >= data.batch_size else min(1, samples)
    return _some(whole, config.trainer.get("limit_train_batches"))


def _some(count: int, limit: float | int | None, each: int = 1) -> int:
    """``count`` under Lightning's limit: a number of batches of ``each``, or a share where it is a float."""
    if limit is None:
        return count
    return int(count * limit) if isinstance(limit, float) else min(count, int(limit) * each)


def _length(config: DictConfig, an_epoch: int) -> tuple[int, int]:
    """Epochs and steps, whichever limit comes first."""
    epochs, steps = config.trainer.get("max_epochs"), config.trainer.get("max_steps")
    by_epochs = an_epoch * int(epochs) if epochs is not None and epochs >= 0 else None
    limits = [n for n in (by_epochs, int(steps) if steps is not None and steps >= 0 else None) if n is not None]
    total = min(limits) if limits else 1000 * an_epoch  # Lightning's own end
    return (-(-total // an_epoch) if an_epoch else 0), total
