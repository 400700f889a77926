"""The loggers of a run, and the callbacks that belong to them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytorch_lightning import Callback
from pytorch_lightning.loggers.logger import Logger

from armature.building import build
from armature.errors import ConfigError
from armature.tracking.continuity import Continuity
from armature.tracking.wandb_logger import WandbLogger


def trackers(
    config: Mapping[str, Any] | None, folder: Path | str, id: str | None = None
) -> tuple[list[Logger], list[Callback]]:
    """The loggers and the callbacks that the config group ``logger`` describes.

    Args:
        config: parts by name, each with a ``_target_``; parts of this package are given ``folder``.
        folder: the run folder. id: of the W&B run that a resumed run goes on with.

    Raises:
        ConfigError: a part that cannot be built, or is neither a logger nor a callback.
    """
    built: list[Any] = []
    for name, part in (config or {}).items():
        if part is None:
            continue
        given: dict[str, Any] = {"folder": folder} if str(part.get("_target_")).startswith("armature.") else {}
        built.append(build(part, **given, **({"id": id} if given and name == "wandb" and id else {})))
        if not isinstance(built[-1], (Logger, Callback)):
            raise ConfigError(f"config key 'logger.{name}' builds neither a Lightning logger nor a callback")
        if isinstance(built[-1], WandbLogger):
            built.append(Continuity(built[-1]))
    return [p for p in built if isinstance(p, Logger)], [p for p in built if isinstance(p, Callback)]
