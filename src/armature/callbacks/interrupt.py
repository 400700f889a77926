"""Ctrl-C, SIGTERM and SIGUSR1: finish the step, keep the state, say how to go on."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from armature.callbacks.checkpoints import Checkpoints
from armature.errors import Interrupted


class Interrupt(pl.Callback):
    """Stops a run between two steps, so that a resume goes on exactly there; a second Ctrl-C stops it at once.

    SIGTERM and SIGUSR1 are what a cluster says before it takes a node away (pre-emption, the time limit). It may say so
    several times, to every process, and has more to say while the run puts its things away: repetitions mean nothing.
    Of several processes only the first ends with a code that is an error, or a launcher that takes the others along
    when one fails would do so before the first has finished.

    In training, ``last.ckpt`` is written before the next batch; in validation, with the validation still to be done.
    Before training and after it there is nothing to finish, and the run stops at once.

    Args:
        checkpoints: writes the state.
        run: the folder that the resume command names.
        every_batches: several processes agree on whether to stop every so many batches, and before validation.

    Raises:
        Interrupted: out of ``trainer.fit``; its message is for the user.
    """

    SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)

    def __init__(self, checkpoints: Checkpoints, run: Path | str, every_batches: int = 10) -> None:
        self.checkpoints, self.run, self.every_batches = checkpoints, Path(run), every_batches
        self.received: int | None = None
        self._training = False
        self._active = False
        self._old: dict[int, Any] = {}
        self._owner = os.getpid()
        self._leads = True

    # ------------------------------------------------------------------ signals

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        if stage == "fit" and threading.current_thread() is threading.main_thread():
            self._owner, self._active, self._leads = os.getpid(), True, trainer.is_global_zero
            for number in self.SIGNALS:
                found = signal.signal(number, self._handle)
                self._old.setdefault(number, found)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self._active:
            signal.signal(signal.SIGTERM, self._handle)  # Lightning has put its own there, which saves nothing
        self._training = True

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        self._restore()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        self._restore()

    def _restore(self) -> None:
        self._training = self._active = False
        for number, old in self._old.items():
            if number == signal.SIGINT or self.received in (None, signal.SIGINT):
                signal.signal(number, old)

    def _handle(self, number: int, frame: Any) -> None:
        if os.getpid() != self._owner:
            return  # a loader process: Ctrl-C reaches the whole group, and the main process still needs it
        if self.received not in (None, signal.SIGINT) and number != signal.SIGINT:
            return  # the cluster repeats itself
        if not self._active:
            self._pass_on(number, frame)
        elif (self.received is not None and number == signal.SIGINT) or not self._training:
            self.received = number
            raise Interrupted(self._message("stopped at once"), self._code())
        else:
            self.received = number
            self._announce(number)

    def _announce(self, number: int) -> None:
        more = "once more stops at once" if number == signal.SIGINT else signal.Signals(number).name
        if self._leads:
            print(f"\nstopping after this step; {more}", file=sys.stderr, flush=True)

    def _pass_on(self, number: int, frame: Any) -> None:
        """Lightning puts handlers back that it found, also when ours has retired."""
        old = self._old.get(number)
        if callable(old):
            old(number, frame)
        elif old != signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    # ------------------------------------------------------------------ stopping

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        # Not at the end of the batch before: the module's own work on it (averaged weights) comes after callbacks.
        if batch_idx % trainer.accumulate_grad_batches == 0 and self._asked(trainer, batch_idx):
            self._unfetch(trainer, batch_idx)
            self._stop(trainer, f"epoch {trainer.current_epoch + 1}, batch {batch_idx}")

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._leave_validation(trainer, 0)

    def on_validation_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        if trainer.world_size == 1:  # several processes may have different numbers of these batches, and would wait
            self._leave_validation(trainer, batch_idx)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._training = False
        if self._asked(trainer, 0):
            if not self.checkpoints.is_saved(trainer):
                self.checkpoints.save_last(trainer)
            raise Interrupted(self._message("stopped after training, before the evaluation"), self._code())

    def _asked(self, trainer: pl.Trainer, batch: int) -> bool:
        if trainer.world_size == 1:
            return self.received is not None
        return batch % self.every_batches == 0 and trainer.strategy.reduce_boolean_decision(
            self.received is not None, all=False
        )

    def _leave_validation(self, trainer: pl.Trainer, batch: int) -> None:
        if self._training and trainer.state.fn == "fit" and self._asked(trainer, batch):
            self._rewind_validation(trainer)
            self._stop(trainer, f"validation after epoch {trainer.current_epoch + 1}")

    def _stop(self, trainer: pl.Trainer, where: str) -> None:
        saved = self.checkpoints.save_last(trainer)
        state = "" if saved else "; its state could not be written, the checkpoint before it stands"
        raise Interrupted(self._message(f"stopped in {where}{state}"), self._code())

    def _code(self) -> int:
        return 128 + (self.received or signal.SIGTERM) if self._leads else 0

    def _message(self, what: str) -> str:
        known = self.checkpoints.last.exists()
        return f"{what}\n" + (f"go on with: armature train resume={self.run}" if known else "no state was kept yet")

    # ------------------------------------------------------------------ Lightning's counters

    @staticmethod
    def _unfetch(trainer: pl.Trainer, done: int) -> None:
        """Counts the batch that was fetched but not trained on as not fetched, which is what Lightning then repeats."""
        loop = trainer.fit_loop.epoch_loop
        loop.batch_progress.total.ready -= 1
        loop.batch_progress.current.ready -= 1
        loop.batch_progress.is_last_batch = False
        if trainer.val_check_batch and done % trainer.val_check_batch == 0 and loop._should_check_val_epoch():
            # Lightning will take this for a state saved after a validation and count one step too many.
            loop._batches_that_stepped -= 1

    @staticmethod
    def _rewind_validation(trainer: pl.Trainer) -> None:
        """Counts the validation as begun with nothing done: a resume then validates first, from the first image."""
        progress: Any = trainer.fit_loop.epoch_loop.val_loop.batch_progress
        progress.is_last_batch = False
        for counts in (progress.total, progress.current):
            counts.ready, counts.started, counts.processed, counts.completed = 1, 1, 0, 0
