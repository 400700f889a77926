"""Whose released weights can be imported. A release is one module, found by being there.

It is called ``released`` (or ``released_...``), lies in an architecture's folder, and says

- ``FORMAT``: the name people type. ``TITLE``: whose files these are.
- ``HOW``: what to do about a file that holds more than tensors ("" where none does).
- ``variant(tensors, sha256) -> list[str]``: overrides of ``armature train`` for the network of these tensors.
- ``into(tensors, sha256, model, config, skeleton) -> dict``: a state dict that this network loads with ``strict=True``.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from types import ModuleType
from typing import Any, Protocol

from omegaconf import DictConfig
from torch import Tensor, nn

import armature.architectures
from armature.errors import ConfigError
from armature.structures import Skeleton

#: Known releases of networks that no architecture here is, and what they are.
FOREIGN = {
    "hrnet": "HRNet's heatmaps of one person in a crop",
    "simplebaseline": "SimpleBaseline's heatmaps of one person in a crop",
}


class Release(Protocol):
    """See above."""

    FORMAT: str
    TITLE: str
    HOW: str

    def variant(self, tensors: Mapping[str, Tensor], sha256: str) -> list[str]: ...

    def into(
        self, tensors: Mapping[str, Tensor], sha256: str, model: nn.Module, config: DictConfig, skeleton: Skeleton
    ) -> dict[str, Tensor]: ...


def known() -> dict[str, Release]:
    """Format -> release, of every architecture."""
    found: dict[str, Any] = {}
    for package in pkgutil.iter_modules(armature.architectures.__path__, "armature.architectures."):
        if package.ispkg:
            found |= {module.FORMAT: module for module in _releases(package.name)}
    return dict(sorted(found.items()))


def get(name: str) -> Release:
    """The release of a format.

    Raises:
        ConfigError: no such format, or one whose network is not here; names those that are.
    """
    releases = known()
    if name in releases:
        return releases[name]
    why = f" is {FOREIGN[name]}: none of the architectures here" if name in FOREIGN else " is unknown"
    raise ConfigError(f"format={name}{why}; known are {', '.join(releases)}")


def _releases(package: str) -> list[ModuleType]:
    path = importlib.import_module(package).__path__
    names = [m.name for m in pkgutil.iter_modules(path) if m.name.split("_")[0] == "released"]
    return [m for m in (importlib.import_module(f"{package}.{name}") for name in names) if hasattr(m, "FORMAT")]
