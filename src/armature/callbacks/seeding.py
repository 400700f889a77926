"""Random numbers that depend on the place in a run and not on how the run got there."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from armature.callbacks import position


class StepSeeds(pl.Callback):
    """Seeds Python, NumPy and torch before every training batch from (seed, process, epoch, batch).

    A run that was interrupted and resumed so draws what the uninterrupted one would have drawn (augmentation, dropout,
    stochastic depth), without any generator state in the checkpoint. A batch is augmented before Lightning announces
    it, so the seed for a batch is set when the one before has ended. The training loader gets a generator of its own,
    because it takes numbers from torch's whenever it begins.

    Args:
        seed: of the run.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        place = position.current(trainer)
        self._sow_loader(trainer, place.epoch)
        self._sow(trainer, *place)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._sow_loader(trainer, trainer.current_epoch)
        self._sow(trainer, trainer.current_epoch, 0)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._sow(trainer, trainer.current_epoch, batch_idx + 1)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.state.fn == "fit" and not trainer.sanity_checking:
            self._sow(trainer, *position.current(trainer))

    def _sow(self, trainer: pl.Trainer, epoch: int, batch: int) -> None:
        words = self._words(trainer, epoch, batch)
        torch.manual_seed(words[0])
        np.random.seed(words[1])
        random.seed(words[2])

    def _sow_loader(self, trainer: pl.Trainer, epoch: int) -> None:
        loader = trainer.train_dataloader
        if isinstance(loader, DataLoader):
            loader.generator = loader.generator or torch.Generator()
            loader.generator.manual_seed(self._words(trainer, epoch, 0)[0])

    def _words(self, trainer: pl.Trainer, epoch: int, batch: int) -> list[int]:
        return np.random.SeedSequence((self.seed, trainer.global_rank, epoch, batch)).generate_state(3).tolist()
