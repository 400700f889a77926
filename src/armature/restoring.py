"""A trained run, ready to predict: its config, its checkpoint, its data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytorch_lightning as pl
from omegaconf import DictConfig, OmegaConf

from armature import assembly
from armature.building import build
from armature.data.datamodule import KeypointData
from armature.errors import ConfigError
from armature.module import PoseModule
from armature.resuming import merged
from armature.run_folder import RunFolder


@dataclass
class Restored:
    """A run whose weights are loaded.

    Attributes:
        config: resolved, overrides applied. module: with the checkpoint's weights, in evaluation mode.
    """

    folder: RunFolder
    config: DictConfig
    module: PoseModule

    def data(self) -> KeypointData:
        """The run's own data, to which the module's metric is bound."""
        data = assembly.data(self.config)
        self.module.metrics.bind(data.val_records())  # type: ignore[operator]
        return data

    def trainer(self) -> pl.Trainer:
        """A trainer for evaluation and prediction that writes nothing: one process, however many have trained."""
        one = OmegaConf.merge(self.config.trainer, {"devices": 1, "num_nodes": 1, "strategy": "auto"})
        return build(one, root=self.folder.path)


def restore(run: str | Path, checkpoint: str = "best", overrides: Mapping[str, object] | None = None) -> Restored:
    """The run at a folder with the weights of a checkpoint.

    Args:
        checkpoint: ``best``, ``last``, or a file. overrides: dotted key -> value of the run's own config.

    Raises:
        ConfigError: no such run or checkpoint, or one that does not fit the other.
    """
    folder, config = merged(run, [f"{key}={value}" for key, value in dotted(overrides or {}).items()])
    file = checkpoint_file(folder, checkpoint)
    module = assembly.assemble(config)
    assembly.load_weights(module, file)
    return Restored(folder, config, module.eval())


def checkpoint_file(folder: RunFolder, checkpoint: str = "best") -> Path:
    """Where a run's ``best`` or ``last`` checkpoint is, or the file that is named.

    Raises:
        ConfigError: it is not there; names those that are.
    """
    file = {"best": folder.best, "last": folder.last}.get(checkpoint, Path(checkpoint))
    if not file.is_file():
        there = sorted(p.name for p in folder.checkpoints.glob("*.ckpt"))
        raise ConfigError(f"checkpoint={checkpoint}: no file {file}; {folder.checkpoints} has {there or 'none'}")
    return file


def dotted(values: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """Nested mappings as one, with dotted keys."""
    flat: dict[str, object] = {}
    for key, value in values.items():
        flat |= dotted(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat
