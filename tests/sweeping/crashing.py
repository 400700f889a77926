"""A callback that kills its training once, as people's own code does."""

import os
from pathlib import Path
from typing import Any

import pytorch_lightning as pl


class CrashOnce(pl.Callback):
    """Raises at the end of the second epoch of the run whose id the file has; the file is gone then."""

    def __init__(self, file: str) -> None:
        self.file = Path(file)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: Any) -> None:
        if (
            trainer.current_epoch == 1
            and self.file.is_file()
            and self.file.read_text() == os.environ["ARMATURE_RUN_ID"]
        ):
            self.file.unlink()
            raise RuntimeError("a made-up crash")
