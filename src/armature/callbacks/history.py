"""``history.csv``: a row for every epoch."""

from __future__ import annotations

import csv
import io
import logging
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from armature.callbacks import position
from armature.callbacks.checkpoint_io import write_atomically

log = logging.getLogger(__name__)

#: Every file begins with these columns.
FIRST = ("epoch", "step", "seconds", "lr")


class History(pl.Callback):
    """Writes ``history.csv`` in the run folder after every epoch.

    Columns: ``epoch`` (how many are finished, so from 1), ``step`` (of the optimizer), ``seconds`` of training so far,
    ``lr`` of the epoch's last step, ``train/<term>`` (means over the epoch), ``val/<metric>`` (empty where there was
    no validation), ``throughput/...``. Columns are added when new metrics appear. The file is replaced as a whole, so
    it can be read, or the run killed, at any time; a resumed run drops rows from after the place where it goes on.

    The means are its own, from ``module.losses``, so that they are right also for an epoch that was interrupted.

    Args:
        folder: the run folder.
    """

    def __init__(self, folder: Path | str) -> None:
        self.path = Path(folder) / "history.csv"
        self.rows: list[dict[str, str]] = []
        self._sums: dict[str, Tensor] = {}
        self._steps = 0
        self._seconds = 0.0
        self._since = 0.0
        self._lr = math.nan
        self._validated = False
        self._trainer: pl.Trainer | None = None

    # ------------------------------------------------------------------ state

    def state_dict(self) -> dict[str, Any]:
        # Every process saves, but only the first one's state is kept: all go on from the mean.
        sums = {name: self._mean(self._sums[name]) for name in sorted(self._sums)}
        return {"sums": sums, "steps": self._steps, "seconds": self._elapsed(), "lr": self._lr}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._sums = {n: torch.tensor(v, dtype=torch.float64) for n, v in state_dict["sums"].items()}
        self._steps, self._seconds, self._lr = (state_dict[name] for name in ("steps", "seconds", "lr"))

    # ------------------------------------------------------------------ hooks

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._since, self._trainer = time.perf_counter(), trainer
        finished = position.finished(trainer)
        if trainer.is_global_zero:
            self.rows = [row for row in _read(self.path) if finished and int(row["epoch"]) <= finished]

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        self._lr = rate(trainer)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._steps += 1
        for name, value in getattr(pl_module, "losses", {}).items():
            value = value.detach().double() if value.device.type != "mps" else value.detach()
            self._sums[name] = self._sums[name].to(value.device) + value if name in self._sums else value

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._validated = trainer.state.fn == "fit" and not trainer.sanity_checking

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        means = {name: self._mean(self._sums[name]) / max(self._steps, 1) for name in sorted(self._sums)}
        measured = {
            name: float(value)
            for name, value in trainer.callback_metrics.items()
            if _kind(name) in (("val", "throughput") if self._validated else ("throughput",))
            or (_kind(name) == "train" and name not in means and not name.endswith(("_step", "_epoch")))
        }
        row: dict[str, float] = {"epoch": position.finished(trainer), "step": trainer.global_step}
        row |= {"seconds": round(self._elapsed(), 2), "lr": self._lr}
        self._sums, self._steps, self._validated = {}, 0, False
        if trainer.is_global_zero:
            self.rows.append({name: _text(value) for name, value in (row | means | measured).items()})
            self._write()

    # ------------------------------------------------------------------ how

    def _mean(self, value: Tensor) -> float:
        """Over all processes."""
        if self._trainer is not None and self._trainer.world_size > 1:
            value = self._trainer.strategy.reduce(value, reduce_op="mean")
        return float(value)

    def _elapsed(self) -> float:
        return self._seconds + (time.perf_counter() - self._since if self._since else 0.0)

    def _write(self) -> None:
        text = io.StringIO()
        writer = csv.DictWriter(text, _columns(self.rows), restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        try:
            write_atomically(self.path, lambda file: file.write(text.getvalue().encode()))
        except OSError as error:  # the rows are kept, and written with the next one
            log.warning("%s was not written: %s", self.path, error.strerror or error)


def rate(trainer: pl.Trainer) -> float:
    """The learning rate of the first parameter group, NaN without an optimizer."""
    return float(trainer.optimizers[0].param_groups[0]["lr"]) if trainer.optimizers else math.nan


def _kind(name: str) -> str:
    return name.split("/", 1)[0]


def _columns(rows: Sequence[Mapping[str, str]]) -> list[str]:
    """``FIRST``, then training, validation and the rest, each in the order of appearance."""
    names = list(dict.fromkeys(name for row in rows for name in row if name not in FIRST))
    order = {"train": 0, "val": 1}
    return [*FIRST, *sorted(names, key=lambda name: order.get(_kind(name), 2))]


def _text(value: float) -> str:
    """Short, and read back as the same number; NaN is an empty cell."""
    return "" if isinstance(value, float) and math.isnan(value) else repr(value)


def _read(path: Path) -> list[dict[str, str]]:
    """The rows of a history as text; none where there is no file."""
    if not path.exists():
        return []
    with open(path, newline="") as file:
        rows = [row for row in csv.DictReader(file) if (row.get("epoch") or "").isdigit()]
    return [{name: value for name, value in row.items() if name and value} for row in rows]
