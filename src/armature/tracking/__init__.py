"""Where metrics and pictures go besides the run folder: Weights & Biases, which may never stop a run."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from armature.tracking.access import logged_in
    from armature.tracking.from_config import trackers
    from armature.tracking.wandb_logger import SWEEP_VARIABLE, WandbLogger

__all__ = ["SWEEP_VARIABLE", "WandbLogger", "logged_in", "trackers"]

#: Imported when asked for: sending runs from a login node needs neither torch nor Lightning.
_HOMES = {"SWEEP_VARIABLE": "wandb_logger", "WandbLogger": "wandb_logger", "logged_in": "access"}
_HOMES |= {"trackers": "from_config"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
