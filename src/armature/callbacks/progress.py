"""What the terminal shows while a run trains."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl
from rich import progress as bars
from rich.console import Console
from rich.text import Text

from armature.callbacks import position
from armature.callbacks.throughput import Throughput
from armature.reports.scores import seconds as span
from armature.reports.table import validation_line


class ProgressLine(pl.Callback):
    """A bar with epoch, losses by term, images/s and the time left; a line with the changes after each validation.

    Where the output is no terminal (CI, log files), a plain line with the mean losses of every epoch, before what its
    validation says, and one a minute within long epochs.

    Args:
        throughput: where images/s come from; None leaves them out.
        console: where to write; None is standard output.
        every: seconds between two updates of the losses (reading them waits for the device).
        plain_every: seconds between two lines within an epoch where there is no terminal.
        primary: the metric that leads the line after a validation; None where none leads.
    """

    def __init__(
        self,
        throughput: Throughput | None = None,
        console: Console | None = None,
        every: float = 0.25,
        plain_every: float = 60.0,
        primary: str | None = None,
    ) -> None:
        self.primary = primary
        self.throughput = throughput
        self.console = console or Console(highlight=False)
        self.every, self.plain_every = every, plain_every
        self.previous: dict[str, float] | None = None
        self._bar: bars.Progress | None = None
        self._task: bars.TaskID | None = None
        self._started = self._shown = 0.0
        self._first = 0
        #: Since the last validation, and since the epoch began.
        self._validated, self._begun = _Mean(), _Mean()

    @property
    def live(self) -> bool:
        """Whether there is a terminal to draw on."""
        return self.console.is_terminal and not self.console.is_dumb_terminal

    # ------------------------------------------------------------------ state

    def state_dict(self) -> dict[str, Any]:
        return {"previous": self.previous}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.previous = state_dict["previous"]

    # ------------------------------------------------------------------ training

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._started = self._shown = time.monotonic()
        self._first = trainer.fit_loop.epoch_loop.batch_progress.total.completed
        if trainer.is_global_zero and self._first:
            done = position.current(trainer).batch
            self.console.print(f"goes on in {_epoch(trainer)}" + (f" after batch {done}" if done else ""))
        if trainer.is_global_zero and self.live:
            self._bar = bars.Progress(
                bars.TextColumn("{task.description}"),
                bars.BarColumn(bar_width=24),
                bars.MofNCompleteColumn(),
                bars.TextColumn("{task.fields[detail]}", style="dim"),
                console=self.console,
                refresh_per_second=4,
                transient=True,
            )
            self._task = self._bar.add_task(_epoch(trainer), total=None, detail="")
            self._bar.start()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._add(pl_module)
        now = time.monotonic()
        if trainer.is_last_batch and self._bar is None:
            self._shown, losses = now, self._begun.taken()
            if trainer.is_global_zero:
                self._plain(trainer, losses, "")
            return
        if not trainer.is_global_zero or now - self._shown < (self.every if self._bar else self.plain_every):
            return
        self._shown = now
        if self._bar is None:
            losses = getattr(pl_module, "losses", {})
            self._plain(trainer, losses, f" batch {batch_idx + 1}/{_count(trainer.num_training_batches)}")
        else:
            # What a narrow terminal cuts off are the losses by term.
            detail = "  ".join(reversed(self._details(trainer, getattr(pl_module, "losses", {}))))
            self._draw(_epoch(trainer), batch_idx + 1, trainer.num_training_batches, detail)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._stop()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        self._stop()

    # ------------------------------------------------------------------ validation

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        now = time.monotonic()
        if self._bar is not None and now - self._shown >= self.every:
            self._shown = now
            total = trainer.num_val_batches
            self._draw("validation", batch_idx + 1, sum(total) if isinstance(total, list) else total, "")

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.state.fn != "fit" or trainer.sanity_checking:
            return
        now = {n: float(v) for n, v in trainer.callback_metrics.items() if n.startswith("val/")}
        if trainer.is_global_zero:
            loss, epoch = self._validated.taken().get("train/total"), trainer.current_epoch + 1
            self._print(validation_line(now, self.previous, loss=loss, epoch=epoch, primary=self.primary))
        self.previous = {n: v for n, v in now.items() if math.isfinite(v)}

    # ------------------------------------------------------------------ how

    def _add(self, pl_module: pl.LightningModule) -> None:
        losses = getattr(pl_module, "losses", {})
        self._validated.add({name: value for name, value in losses.items() if name == "train/total"})
        if self._bar is None:  # a bar has no line for an epoch
            self._begun.add(losses)

    def _draw(self, what: str, done: int, total: float, detail: str) -> None:
        if self._bar is not None and self._task is not None:
            known = None if math.isinf(total) else total
            self._bar.update(self._task, description=what, completed=done, total=known, detail=detail)

    def _plain(self, trainer: pl.Trainer, losses: Mapping[str, Any], where: str) -> None:
        self._print(Text("  ".join([_epoch(trainer) + where, *self._details(trainer, losses)])))

    def _print(self, line: Text) -> None:
        if self.live:
            self.console.print(line)
        else:  # rich would fold long lines at 80 columns
            print(line.plain, file=self.console.file, flush=True)

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _details(self, trainer: pl.Trainer, losses: Mapping[str, Any]) -> list[str]:
        parts = [_losses(losses)]
        rates = self.throughput.live() if self.throughput is not None else {}
        if rates:
            parts.append(f"{rates['throughput/images_per_second']:.0f} images/s")
        left = self._left(trainer)
        if left is not None:
            parts.append(f"{span(left)} left")
        return [part for part in parts if part]

    def _left(self, trainer: pl.Trainer) -> float | None:
        """Seconds to the end of the run, from the mean over this process's batches with everything around them."""
        done = trainer.fit_loop.epoch_loop.batch_progress.total.ready
        each = (time.monotonic() - self._started) / max(done - self._first, 1)
        if trainer.max_steps and trainer.max_steps > 0:
            return max(trainer.max_steps - trainer.global_step, 0) * trainer.accumulate_grad_batches * each
        epochs = trainer.max_epochs or 0
        if epochs < 1 or math.isinf(trainer.num_training_batches):
            return None
        return max(epochs * trainer.num_training_batches - done, 0) * each


class _Mean:
    """Means of named losses; adding them up does not wait for the device."""

    def __init__(self) -> None:
        self.sums: dict[str, Any] = {}
        self.steps = 0

    def add(self, losses: Mapping[str, Any]) -> None:
        for name, value in losses.items():
            self.sums[name] = self.sums.get(name, 0.0) + value.detach()
        self.steps += 1

    def taken(self) -> dict[str, float]:
        """The means since the last call."""
        means = {name: float(value) / self.steps for name, value in self.sums.items()}
        self.sums, self.steps = {}, 0
        return means


def _epoch(trainer: pl.Trainer) -> str:
    total = trainer.max_epochs
    return f"epoch {trainer.current_epoch + 1}" + (f"/{total}" if total and total > 0 else "")


def _count(total: float) -> str:
    return "?" if math.isinf(total) else str(int(total))


def _losses(losses: Mapping[str, Any]) -> str:
    """``loss 1.234 (center 0.410 size 0.300)``."""
    each = {name.removeprefix("train/"): float(value) for name, value in losses.items()}
    total = each.pop("total", None)
    terms = " ".join(f"{name} {value:.3g}" for name, value in each.items())
    lead = "" if total is None else f"loss {total:.3f}"
    return f"{lead} ({terms})" if lead and len(each) > 1 else lead or terms
