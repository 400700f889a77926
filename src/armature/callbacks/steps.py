"""What the loggers get besides what Lightning sends them."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl

from armature.callbacks.history import rate


class Steps(pl.Callback):
    """Logs ``step/<term>`` and ``step/lr`` every ``trainer.log_every_n_steps`` optimizer steps, from ``module.losses``.

    It also keeps a judgement outside training (``trainer.validate``) from being logged as one more epoch, for loggers
    that can be ``muted``.
    """

    def __init__(self) -> None:
        self._rate = 0.0

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        self._rate = rate(trainer)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        stepped = (batch_idx + 1) % trainer.accumulate_grad_batches == 0
        if not stepped or not trainer.loggers or trainer.global_step % trainer.log_every_n_steps:  # type: ignore[attr-defined]
            return
        losses = getattr(pl_module, "losses", {})
        row = {f"step/{name.removeprefix('train/')}": float(value) for name, value in losses.items()}
        for logger in trainer.loggers:
            # Lightning counts a step only after its batch has ended: this is the number that it gives to this one.
            logger.log_metrics(row | {"step/lr": self._rate}, step=trainer.global_step - 1)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        _mute(trainer, trainer.state.fn != "fit")

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        _mute(trainer, False)


def _mute(trainer: pl.Trainer, value: bool) -> None:
    for logger in trainer.loggers:
        if hasattr(logger, "muted"):
            logger.muted = value
