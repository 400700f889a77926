"""Keypoints that are reported together: both wrists, both eyes, all points of a jaw."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from armature.structures import Skeleton

#: Begins the last part of the names of metrics that are about several keypoints: ``PCK@0.2/group:wrists``.
GROUP = "group:"
#: What tells the sides apart in names of keypoints, as ``skeletons.mirrored_name`` reads them.
_SIDE = re.compile(r"left|right|^[lr](?=[_-])|(?<=[_-])[lr]$", re.IGNORECASE)
_NUMBER = re.compile(r"[_-]?\d+$")
_PLURALS = {"foot": "feet"}


def keypoint_groups(skeleton: Skeleton) -> dict[str, tuple[int, ...]]:
    """Indices of the keypoints of each group by its name (``wrists``, ``eyes``, ...), in the skeleton's order.

    The skeleton's own ``groups`` where its file gives any. Otherwise keypoints whose names differ in their side and in
    a number at the end only, and pairs that change places in a mirror under other names (``a+b``). Keypoints that stand
    alone are in no group.
    """
    if skeleton.groups:
        return dict(skeleton.groups)
    members: dict[str, list[int]] = {}
    for index in range(skeleton.count):
        members.setdefault(_group(skeleton, index), []).append(index)
    return {_plural(name): tuple(indices) for name, indices in members.items() if len(indices) > 1}


def _group(skeleton: Skeleton, index: int) -> str:
    name, other = skeleton.keypoints[index], skeleton.keypoints[skeleton.flip[index]]
    if _stem(name) == _stem(other):
        return _stem(name)
    return "+".join(skeleton.keypoints[i] for i in sorted((index, skeleton.flip[index])))


def _stem(name: str) -> str:
    """The name without its side and without a number at its end; the name itself where nothing else is left."""
    bare = _NUMBER.sub("", _SIDE.sub("", name)).strip("_-")
    return re.sub(r"([_-])[_-]+", r"\1", bare) or name


def _plural(name: str) -> str:
    head, mark, last = name.rpartition("_")
    plain = "+" in name or last.endswith("s") or not last.isalpha()
    return name if plain else head + mark + _PLURALS.get(last, last + "s")
