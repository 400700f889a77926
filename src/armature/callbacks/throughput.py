"""Images per second, the share of time spent waiting for data, and where the seconds of a run go."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl

from armature.clock import Clock


class Throughput(pl.Callback):
    """Logs ``throughput/images_per_second`` and ``throughput/data_wait`` for every epoch, and adds up a time split.

    Both cover training only, over all processes, from one batch's end to the next one's, so nothing that a step costs
    is left out; the first steps of a process (start of workers, compilation) are. Data wait is the time in which this
    process waited for the next batch, as a share of that. On a GPU the host runs ahead of the device, so that a wait
    of the host is the most that the device can have waited.

    In ``clock`` it adds ``data`` (waiting for batches, training and validation), ``network`` (training steps without
    what the module itself times inside them) and ``total``; the module adds ``decode``, ``evaluation`` and so on. The
    split is carried through a resume.

    Args:
        clock: None takes the module's.
        skip: steps at the start of a process that do not count for the two rates.
        now: a clock in seconds.
    """

    def __init__(self, clock: Clock | None = None, skip: int = 5, now: Callable[[], float] = time.perf_counter) -> None:
        self.clock = clock if clock is not None else Clock()
        self._given = clock is not None
        self.skip, self.now = skip, now
        self.rates: dict[str, float] = {}
        self._steps = 0
        self._total_from = self._begun = self._mark = 0.0
        self._inner = self._wait = 0.0
        self._restored: dict[str, float] | None = None
        self._reset()

    def split(self) -> dict[str, float]:
        """Seconds by name so far: data, network, decode, evaluation, ..., and ``total`` of the wall clock."""
        return {name: round(value, 3) for name, value in self.clock.seconds.items()}

    # ------------------------------------------------------------------ state

    def state_dict(self) -> dict[str, Any]:
        return {"seconds": dict(self.clock.seconds)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._restored = state_dict["seconds"]

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        if not self._given:
            self.clock, self._given = getattr(pl_module, "clock", self.clock), True
        overheard: Any = trainer
        if not isinstance(overheard.profiler, _Listener):
            overheard.profiler = _Listener(overheard.profiler, self._waited, self.now)

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        for name, seconds in (self._restored or {}).items():
            self.clock.seconds[name] += seconds
        self._restored = None

    # ------------------------------------------------------------------ training

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._total_from = self._mark = self.now()

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._tick()
        self._mark = self.now()

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        self._begun, self._inner = self.now(), self._inside()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        end = self.now()
        self.clock.seconds["network"] += end - self._begun - (self._inside() - self._inner)
        self._steps += 1
        if self._steps > self.skip:
            self._images += len(getattr(batch, "images", batch)) * trainer.world_size
            self._seconds += end - self._mark
            self._waiting += self._wait
        self._mark, self._wait = end, 0.0

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._tick()
        if self._seconds > 0:
            self.rates = {
                "throughput/images_per_second": self._images / self._seconds,
                "throughput/data_wait": self._waiting / self._seconds,
            }
            pl_module.log_dict(self.rates, rank_zero_only=True)
        self._reset()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.state.fn == "fit":
            self._tick()
        self._mark, self._wait = self.now(), 0.0

    # ------------------------------------------------------------------ how

    def live(self) -> dict[str, float]:
        """The rates of the running epoch so far; those of the one before at its start."""
        if self._seconds <= 0:
            return self.rates
        return {
            "throughput/images_per_second": self._images / self._seconds,
            "throughput/data_wait": self._waiting / self._seconds,
        }

    def _reset(self) -> None:
        self._images, self._seconds, self._waiting, self._wait = 0, 0.0, 0.0, 0.0

    def _waited(self, seconds: float) -> None:
        self.clock.seconds["data"] += seconds
        self._wait += seconds

    def _inside(self) -> float:
        return sum(value for name, value in self.clock.seconds.items() if name not in ("data", "total"))

    def _tick(self) -> None:
        now = self.now()
        self.clock.seconds["total"] += now - self._total_from
        self._total_from = now


class _Listener:
    """Lightning's profiler, overheard: it is told when a loop starts and stops waiting for the next batch."""

    def __init__(self, profiler: Any, heard: Callable[[float], None], now: Callable[[], float]) -> None:
        self._profiler, self._heard, self._now = profiler, heard, now
        self._since = 0.0

    def start(self, action_name: str) -> None:
        self._profiler.start(action_name)
        if action_name.endswith("_next"):
            self._since = self._now()

    def stop(self, action_name: str) -> None:
        if action_name.endswith("_next"):
            self._heard(self._now() - self._since)
        self._profiler.stop(action_name)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._profiler, name)
