"""Everything that watches a run and writes it down: callbacks in their order, and the loggers among them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl
from omegaconf import DictConfig
from pytorch_lightning.callbacks import EarlyStopping
from pytorch_lightning.loggers.logger import Logger

from armature.callbacks.checkpoints import Checkpoints
from armature.callbacks.diagnosing import Diagnosing
from armature.callbacks.interrupt import Interrupt
from armature.callbacks.pictures import Pictures
from armature.callbacks.progress import ProgressLine
from armature.callbacks.seeding import StepSeeds
from armature.callbacks.steps import Steps
from armature.callbacks.throughput import Throughput
from armature.reports.scores import lower_is_better
from armature.run_folder import RunFolder
from armature.tracking import WandbLogger, trackers


@dataclass
class Recording:
    """The watchers of one run.

    Attributes:
        callbacks: all of them, in the order in which Lightning must call them. loggers: of Lightning's kind.
    """

    throughput: Throughput
    callbacks: list[pl.Callback]
    loggers: list[Logger]

    @property
    def wandb(self) -> WandbLogger | None:
        """The Weights & Biases logger, None where it is not wanted."""
        return next((logger for logger in self.loggers if isinstance(logger, WandbLogger)), None)

    def summarise(self, metrics: dict[str, float]) -> None:
        """Puts the final numbers where the last ones of training stood."""
        if self.wandb is not None:
            self.wandb.log_summary(metrics)

    def close(self, finished: bool) -> None:
        """Ends what goes on beyond training: the W&B run."""
        if self.wandb is not None:
            self.wandb.close(0 if finished else 1)


def recording(config: DictConfig, plain: dict[str, Any], folder: RunFolder, wandb_id: str | None = None) -> Recording:
    """The watchers that a config asks for.

    Args:
        config: resolved. plain: the same as plain data, which checkpoints carry. wandb_id: of a run that goes on.
    """
    loggers, trackings = trackers(config.get("logger"), folder.path, wandb_id)
    throughput = Throughput()
    mode = config.monitor_mode or ("min" if lower_is_better(config.monitor) else "max")
    every = config.get("checkpoint_seconds", 30.0)
    checkpoints = Checkpoints(folder.checkpoints, plain, config.monitor, mode, every_seconds=every)
    line = ProgressLine(throughput, primary=config.monitor)
    callbacks: list[pl.Callback] = [StepSeeds(config.seed), throughput, Steps(), line]
    callbacks += [Pictures(folder.pictures, config.pictures), *trackings]
    if config.get("errors_every"):
        callbacks.append(Diagnosing(config.errors_every))
    if config.early_stopping:
        callbacks.append(EarlyStopping(config.monitor, mode=mode, patience=config.early_stopping))
    callbacks += [Interrupt(checkpoints, folder.path), checkpoints]
    return Recording(throughput, callbacks, loggers)
