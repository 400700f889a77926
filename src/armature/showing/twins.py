"""A sample beside its mirror image, coloured by side alone: a wrong flip map is seen at a glance.

In both pictures the same colour is on the side that *looks* the same. With a wrong map the colours of the mirror image
stay where they were on the body, or its limbs run across it.
"""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from armature.data.dataset import KeypointDataset
from armature.data.geometry import FILL, Matrix, Size, letterbox, translation
from armature.data.sample import Sample
from armature.data.source import Source
from armature.skeletons import mirrored_name
from armature.structures import Record, Skeleton

#: Left, right, and what is neither.
LEFT, RIGHT, MIDDLE = (255, 122, 26), (40, 150, 255), (215, 219, 224)
#: Of a person's longer side, what is shown around it.
_BESIDE = 0.2
_LEFT = re.compile(r"left|^l(?=[_-])|(?<=[_-])l$", re.IGNORECASE)


class Closeup:
    """The geometry of a look at the largest labelled person, as it is or in a mirror; at the whole picture for nobody.

    Args:
        mirror: whether left and right are exchanged.
    """

    def __init__(self, mirror: bool) -> None:
        self.mirror = mirror

    def __call__(self, size: Size, canvas: Size, rng: np.random.Generator, record: Record) -> Matrix:
        x1, y1, x2, y2 = _around(record)
        onto = letterbox((y2 - y1, x2 - x1), canvas) @ translation(-x1, -y1)
        mirrored = np.array([[-1.0, 0.0, canvas[1]], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
        return mirrored @ onto if self.mirror else onto


def _around(record: Record) -> tuple[int, int, int, int]:
    """xyxy, whole px: the largest labelled person with something of what is beside it, or the picture."""
    height, width = record.size
    labelled = (record.visibility > 0).any(1) & ~record.crowd
    if not labelled.any():
        return 0, 0, width, height
    x1, y1, x2, y2 = record.boxes[np.flatnonzero(labelled)[record.areas[labelled].argmax()]]
    beside = _BESIDE * max(x2 - x1, y2 - y1)
    left, top = max(int(x1 - beside), 0), max(int(y1 - beside), 0)
    return left, top, max(min(int(x2 + beside), width), left + 1), max(min(int(y2 + beside), height), top + 1)


def pair(
    source: Source, index: int, canvas: Size, epoch: int = 0, fill: tuple[int, int, int] = FILL
) -> tuple[Sample, Sample]:
    """The largest person of a picture upright, and as a mirror shows it, on the way that training takes."""
    upright, mirrored = (KeypointDataset(source, canvas, Closeup(mirror), fill=fill) for mirror in (False, True))
    return upright[(epoch, index)], mirrored[(epoch, index)]


def by_side(skeleton: Skeleton) -> Skeleton:
    """The skeleton in three colours: one for the left of every pair, one for the right, one for what has no twin."""
    colours = tuple(_colour(skeleton, i) for i in range(skeleton.count))
    return replace(skeleton, colours=colours)


def _colour(skeleton: Skeleton, index: int) -> tuple[int, int, int]:
    twin = skeleton.flip[index]
    if twin == index:
        return MIDDLE
    mine, other = (bool(_LEFT.search(skeleton.keypoints[i])) for i in (index, twin))
    return LEFT if (mine if mine != other else index < twin) else RIGHT


def doubts(skeleton: Skeleton) -> list[str]:
    """What of a flip map does not fit the names, in words: a left point that a mirror makes no right one."""
    names = skeleton.keypoints
    found = []
    for i, name in enumerate(names):
        wanted, got = mirrored_name(name), names[skeleton.flip[i]]
        if wanted in names and name != wanted != got:
            found.append(f"a mirror makes '{name}' '{got}', and by its name it should be '{wanted}'")
    return found
