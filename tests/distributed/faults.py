"""A callback that makes one process of a run fail, to be named in a config: ``+logger.fault._target_=faults.Fault``."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import pytorch_lightning as pl


class Fault(pl.Callback):
    """What happens to the process ``rank`` when it has trained on ``step`` batches: ``raise``, ``kill`` or ``stop``.

    Leaves the time in a file ``fault`` in the run folder.
    """

    def __init__(self, rank: int, how: str, step: int = 3) -> None:
        self.rank, self.how, self.step = rank, how, step

    def on_train_batch_start(self, trainer: pl.Trainer, *args: Any) -> None:
        if trainer.global_rank != self.rank or trainer.global_step != self.step:
            return
        with open(os.path.join(trainer.default_root_dir, "fault"), "w") as file:
            file.write(str(time.time()))
        if self.how == "raise":
            raise ValueError("a fault was planned here")
        os.kill(os.getpid(), signal.SIGKILL if self.how == "kill" else signal.SIGTERM)


class Pace(pl.Callback):
    """Seconds that every training step takes at least, and a note of every batch: epoch, batch, rank, images."""

    def __init__(self, seconds: float = 0.0, note: str | None = None) -> None:
        self.seconds, self.note = seconds, note

    def on_train_batch_start(self, trainer: pl.Trainer, module: Any, batch: Any, batch_idx: int) -> None:
        time.sleep(self.seconds)
        if self.note:
            with open(f"{self.note}.{trainer.global_rank}", "a") as file:
                print(trainer.current_epoch, batch_idx, *batch.image_ids.tolist(), file=file)
