"""The augmentations that a config names, checked and in the order in which they happen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from armature.data.augment.half_body import HalfBody
from armature.data.augment.occasion import Augmentation
from armature.errors import ConfigError
from armature.structures import Skeleton


def in_order(chosen: Mapping[str, Any], skeleton: Skeleton) -> tuple[dict[str, Augmentation], HalfBody | None]:
    """Those that change samples, by stage and within a stage by name; and the one that chooses what is shown, if any.

    Raises:
        ConfigError: something else than an augmentation, several that choose what is shown, or one that does not fit
            the skeleton; names the key.
    """
    framing = {name: each for name, each in chosen.items() if isinstance(each, HalfBody)}
    others = {name: each for name, each in chosen.items() if name not in framing}
    if len(framing) > 1:
        raise ConfigError(f"data.augment: only one may choose what is shown; found {', '.join(framing)}")
    for name, each in others.items():
        if not hasattr(each, "stage") or not hasattr(each, "happens"):
            raise ConfigError(f"data.augment.{name}: {type(each).__name__} is no augmentation of samples")
    for each in framing.values():
        each.check(skeleton)
    ordered = sorted(others.items(), key=lambda named: (named[1].stage, named[0]))
    return dict(ordered), next(iter(framing.values()), None)
