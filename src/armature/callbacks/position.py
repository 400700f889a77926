"""Where a run stands: in which epoch, and how many of its batches are done."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytorch_lightning as pl


class Position(NamedTuple):
    """A place in a run.

    Attributes:
        epoch: epochs that are finished, hence the 0-based number of the one that is running or comes next.
        batch: batches of that epoch that this process has trained on.
    """

    epoch: int
    batch: int


def current(trainer: pl.Trainer) -> Position:
    """Where ``trainer`` stands; right between two batches and between two epochs."""
    loop: Any = trainer.fit_loop
    epochs, batches = loop.epoch_progress.current, loop.epoch_loop.batch_progress.current
    inside = epochs.started > epochs.processed
    return Position(epochs.processed, batches.completed if inside else 0)


def finished(trainer: pl.Trainer) -> int:
    """How many epochs are finished; at the end of an epoch that one included."""
    progress: Any = trainer.fit_loop.epoch_progress.current
    return progress.processed
