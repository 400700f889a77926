"""Going on with a run: its own config, with a few numbers changed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from armature import configuration, run_folder
from armature.errors import ConfigError
from armature.run_folder import RunFolder


def merged(
    path: str | Path, overrides: Sequence[str], ignored: Sequence[str] = ("resume",)
) -> tuple[RunFolder, DictConfig]:
    """A run's folder and its resolved config with overrides applied.

    Args:
        path: a run folder, or anything in it. overrides: ``key=value`` of keys that the config has.
        ignored: keys that belong to the command line and not to the run.

    Raises:
        ConfigError: no such run, a key that the run does not have, a config group (parts of a run cannot be exchanged).
    """
    folder = run_folder.open(path)
    config = configuration.load(folder.config)
    for text in overrides:
        key, _, value = text.partition("=")
        if key in ignored:
            continue
        _set(config, key, value, folder)
    return folder, config


def _set(config: DictConfig, key: str, value: str, folder: RunFolder) -> None:
    missing = object()
    before = OmegaConf.select(config, key, default=missing)
    if before is missing or key.startswith(("+", "~")):
        raise ConfigError(
            f"run {folder.path} has no key '{key}'; a run that goes on takes key=value of its {folder.config}"
        )
    if OmegaConf.is_config(before) and not value.startswith(("[", "{")):
        raise ConfigError(f"'{key}={value}': the parts of a run cannot be exchanged when it goes on; start a new one")
    OmegaConf.update(config, key, OmegaConf.from_dotlist([f"value={value}"]).value)
