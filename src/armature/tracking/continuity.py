"""A history without gaps: checkpoints carry the rows that may not have reached the disk yet."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl

from armature.tracking.wandb_logger import WandbLogger


class Continuity(pl.Callback):
    """Puts the logger's newest rows into every checkpoint, and back into the logger when one is loaded.

    W&B keeps the row of a step open until the next step comes, and writes to the disk every few seconds. Of a process
    that is killed just after a checkpoint, rows from before the checkpoint would be lost, and nobody would compute them
    again. Must stand before the callback that writes checkpoints.
    """

    def __init__(self, logger: WandbLogger) -> None:
        self.logger = logger

    def state_dict(self) -> dict[str, Any]:
        return {"id": self.logger.id, "rows": self.logger.newest()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        if state_dict["id"] == self.logger.id:
            self.logger.replay(state_dict["rows"])

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Logs the epoch's means before the checkpoint of this epoch is written; Lightning does so after it."""
        names = ("train/", "throughput/")
        row = {name: float(v) for name, v in trainer.callback_metrics.items() if name.startswith(names)}
        if row:
            self.logger.log_metrics(row | {"epoch": trainer.current_epoch}, step=max(trainer.global_step - 1, 0))
