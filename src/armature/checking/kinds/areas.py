"""Areas, by which OKS judges distances: absent ones, and those that cannot be."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from armature.checking.check import Check
from armature.checking.findings import NOTE, WARNING, Finding
from armature.checking.subject import Subject

#: A segment of this share of its box is thinner than anybody; of more than this, larger than its box.
LEAST, MOST = 0.02, 1.1
_FIX = "OKS, and AP with it, is judged by the area: use that of the segment, or 0.53 x box"


def absent(subject: Subject) -> Iterator[Finding]:
    """People without an area in data that have some; one note where nobody has any."""
    for g, group in enumerate(subject.groups):
        lacking = np.isnan(group.areas) & ~group.crowd
        if lacking.any() and np.isnan(group.areas[~group.crowd]).all():
            what = f"nobody of '{group.category}' has an area: 0.53 x box is used, which OKS depends on"
            yield Finding(NOTE, "area_absent", what, "nothing, if the format has none; compare AP only with the same")
            continue
        for row in np.flatnonzero(lacking):
            what = "has no area: 0.53 x box is used, other people's areas are their segments'"
            yield subject.at(WARNING, "area_absent", what, "give it (fix=true does)", g, int(row))


def implausible(subject: Subject) -> Iterator[Finding]:
    """Areas that are larger than the box, or next to nothing of it."""
    for g, group in enumerate(subject.groups):
        sides = group.boxes[:, 2:] - group.boxes[:, :2]
        box = np.where((sides > 0).all(1), sides.prod(1), np.nan)
        share = group.areas / box
        strange = (share > MOST) | ((share < LEAST) & (box > 100))
        for row in np.flatnonzero(strange & ~group.crowd):
            what = f"its area is {group.areas[row]:.4g} px, its box has {box[row]:,.0f} px"
            yield subject.at(WARNING, "area_implausible", what, _FIX, g, int(row))


CHECKS = (
    Check("area_absent", "people without an area", absent),
    Check("area_implausible", "areas that cannot be", implausible),
)
