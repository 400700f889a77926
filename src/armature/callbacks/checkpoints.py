"""``best.ckpt`` and ``last.ckpt`` of a run, and what loading one means."""

from __future__ import annotations

import difflib
import logging
import math
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from armature.callbacks import position
from armature.callbacks.checkpoint_io import AtomicCheckpointIO, link_or_copy
from armature.errors import ConfigError, UserError

log = logging.getLogger(__name__)

#: Under this key a checkpoint carries the resolved config of its run, as plain data.
CONFIG_KEY = "armature_config"


class CheckpointError(UserError):
    """A run whose state cannot be put on the disk."""


class Checkpoints(pl.Callback):
    """Keeps the best and the last state of a run; must be the last in the list of callbacks.

    A failed write (full disk) leaves the earlier file as it was and is a warning; training stops after several in a
    row, or if the final state cannot be kept. On a resume it moves the training loader to where the run stood.

    Args:
        folder: where ``best.ckpt`` and ``last.ckpt`` go.
        config: the run's resolved config as plain data.
        monitor: the metric that decides what is best; without any validation, best is last. mode: ``max`` or ``min``.
        every_seconds: ``last.ckpt`` is written at the end of an epoch if the one before is at least this old; the
            end of training and an interruption always write it.
        failures: writes that may fail in a row before the run is stopped.
    """

    def __init__(
        self,
        folder: Path | str,
        config: Mapping[str, Any] | None = None,
        monitor: str = "val/AP",
        mode: str = "max",
        every_seconds: float = 30.0,
        failures: int = 3,
    ) -> None:
        if mode not in ("max", "min"):
            raise ConfigError(f"checkpoints.mode is 'max' or 'min'; found '{mode}'")
        self.folder, self.config = Path(folder), dict(config or {})
        self.monitor, self.mode = monitor, mode
        self.every_seconds, self.failures = every_seconds, failures
        self.score: float | None = None
        self.io = AtomicCheckpointIO()
        self._score_before: float | None = None
        self._failed = 0
        self._improved = False
        self._written = -math.inf
        self._place: tuple[int, ...] | None = None

    @property
    def best(self) -> Path:
        """Where the best state is kept."""
        return self.folder / "best.ckpt"

    @property
    def last(self) -> Path:
        """Where the last state is kept."""
        return self.folder / "last.ckpt"

    # ------------------------------------------------------------------ what a checkpoint carries

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        trainer.strategy.checkpoint_io = self.io

    def state_dict(self) -> dict[str, Any]:
        return {"score": self.score, "monitor": self.monitor}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.score = state_dict["score"] if state_dict["monitor"] == self.monitor else None

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        checkpoint[CONFIG_KEY] = self.config

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        # Lightning hands a loader its state only if nobody asked for the number of steps before, which schedules do.
        if trainer.ckpt_path is not None:
            _go_to(trainer.train_dataloader, position.current(trainer))

    # ------------------------------------------------------------------ when they are written

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.state.fn != "fit" or trainer.sanity_checking:
            return
        if not self._is_better(self._measured(trainer)):
            return
        if trainer.fit_loop.epoch_loop.batch_progress.is_last_batch:
            self._improved = True  # best.ckpt is then the same file as the last.ckpt of this epoch
        elif not self._write(trainer, self.best):
            self.score = self._score_before

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        due = time.monotonic() - self._written >= self.every_seconds
        if trainer.strategy.broadcast(due) or self._improved:
            self.save_last(trainer)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not self.is_saved(trainer) and not self.save_last(trainer):
            raise CheckpointError(f"the trained model could not be kept: {self._reason()}")
        # One answer for all: on a shared file system a file is not there for everybody at the same moment.
        if not trainer.strategy.broadcast(self.best.exists()):
            self._take_last_as_best(trainer)

    def save_last(self, trainer: pl.Trainer) -> bool:
        """Writes ``last.ckpt`` (and ``best.ckpt`` if this epoch's validation was the best); whether that worked.

        Raises:
            CheckpointError: it was one failure too many.
        """
        before = self._score_before if self._improved else self.score
        improved, self._improved = self._improved, False
        done = self._write(trainer, self.last)
        self._written = time.monotonic()
        self._place = self._now(trainer) if done else None
        if improved and not (done and self._take_last_as_best(trainer)):
            self.score = before  # what is on the disk is still the best that there is
        return done

    def is_saved(self, trainer: pl.Trainer) -> bool:
        """Whether ``last.ckpt`` holds the present state."""
        return self._place == self._now(trainer)

    # ------------------------------------------------------------------ how

    def _measured(self, trainer: pl.Trainer) -> float:
        if self.monitor not in trainer.callback_metrics:
            names = [name for name in trainer.callback_metrics if not name.startswith("train/")]
            close = difflib.get_close_matches(self.monitor, names, 1)
            hint = f"; did you mean '{close[0]}'?" if close else f"; there are {sorted(names)[:20]}"
            raise ConfigError(f"the best checkpoint goes by '{self.monitor}', which validation does not measure{hint}")
        return float(trainer.callback_metrics[self.monitor])

    def _is_better(self, score: float) -> bool:
        """Anything is better than nothing, any number is better than NaN."""
        old = self.score
        if old is None or math.isnan(old):
            better = old is None or not math.isnan(score)
        else:
            better = score > old if self.mode == "max" else score < old
        if better:
            self.score, self._score_before = score, old
        return better

    def _write(self, trainer: pl.Trainer, path: Path) -> bool:
        with self.io.forgiving():
            trainer.save_checkpoint(path, weights_only=False)
        return self._count(trainer, path)

    def _take_last_as_best(self, trainer: pl.Trainer) -> bool:
        self.io.error = None
        if trainer.is_global_zero:
            try:
                link_or_copy(self.last, self.best)
            except OSError as error:
                self.io.error = error
        return self._count(trainer, self.best)

    def _count(self, trainer: pl.Trainer, path: Path) -> bool:
        if not trainer.strategy.reduce_boolean_decision(self.io.error is not None, all=False):
            self._failed = 0
            return True
        self._failed += 1
        kept = "the one from before is untouched" if path.exists() else "there is none from before"
        if trainer.is_global_zero:
            log.warning("%s was not written: %s; %s", path.name, self._reason(), kept)
        if self._failed >= self.failures:
            raise CheckpointError(f"stopped: {self._failed} checkpoints in a row were not written: {self._reason()}")
        return False

    def _reason(self) -> str:
        why = (self.io.error.strerror or str(self.io.error)) if self.io.error else "another process could not write"
        free = shutil.disk_usage(self.folder).free / 2**20 if self.folder.exists() else 0
        return f"{why} in {self.folder} ({free:.0f} MB free)"

    def _now(self, trainer: pl.Trainer) -> tuple[int, ...]:
        return (trainer.global_step, position.finished(trainer))


def _go_to(loader: Any, place: position.Position) -> None:
    """Moves a loader that can be moved (``armature.data.loader.Loader``) to a batch of an epoch."""
    if hasattr(loader, "load_state_dict") and hasattr(getattr(loader, "sampler", None), "set_epoch"):
        loader.sampler.set_epoch(place.epoch)
        loader.load_state_dict({"epoch": place.epoch, "batches": place.batch})
