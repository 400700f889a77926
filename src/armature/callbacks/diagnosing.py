"""What goes wrong, and what it costs, while a network learns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from armature.callbacks import position
from armature.errors import ConfigError
from armature.evaluation.diagnosis import diagnosis
from armature.evaluation.taxonomy_impact import FIXES

#: The AP that each kind of error costs, alone.
GAIN = "errors/AP_gain/"


class Diagnosing(pl.Callback):
    """Logs ``val/errors/<kind>`` and ``val/errors/AP_gain/<fix>`` at every so many validations (Ronchi & Perona 2017).

    The numbers are those that ``diagnosis`` gives of the same predictions. They go to the loggers only.

    Args:
        every: validations from one diagnosis to the next, which matches predictions and people a dozen times anew.
        keypoints: also the shares by keypoint and group of keypoints.

    Raises:
        ConfigError: ``every`` below 1.
    """

    def __init__(self, every: int = 1, keypoints: bool = False) -> None:
        if every < 1:
            raise ConfigError(f"errors_every={every}: a number of validations from 1, or null for none")
        self.every, self.keypoints = every, keypoints
        self.validations = 0

    def state_dict(self) -> dict[str, Any]:
        return {"validations": self.validations}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.validations = state_dict["validations"]

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.state.fn != "fit" or trainer.sanity_checking:
            return
        self.validations += 1
        if self.validations % self.every == 0:
            self._log(trainer, getattr(pl_module, "metrics", None))

    @rank_zero_only
    def _log(self, trainer: pl.Trainer, metric: Any) -> None:
        found = diagnosis(metric.judge, metric.truth, metric.predictions(), metric.verdict()).errors
        row = {f"val/{name}": value for name, value in self._chosen(found).items()}
        for logger in trainer.loggers:
            logger.log_metrics(
                row | {"epoch": position.finished(trainer)},
                step=max(trainer.global_step - 1, 0),
            )

    def _chosen(self, found: Mapping[str, float]) -> dict[str, float]:
        gains = {GAIN + fix for fix in FIXES}
        return {
            name: value
            for name, value in found.items()
            if name in gains or ("_gain" not in name and (self.keypoints or name.count("/") == 1))
        }
