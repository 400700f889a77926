"""Boxes that cannot be, or that are somebody else's."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from armature.checking.check import Check
from armature.checking.findings import ERROR, WARNING, Finding
from armature.checking.subject import Subject

#: Tools round boxes outwards: so many px, or this share of the picture's longer side, beyond the picture are nothing.
SLACK, SLACK_SHARE = 1.5, 0.005
#: A point that misses its box by less than this share of the box's longer side is nothing: boxes are made of segments,
#: and an elbow is not always in it.
MISSED_BY = 0.15
#: Nor are fewer of a person's visible points than this share, unless one is farther away than MISSED_FAR: boxes are
#: those of what is to be seen, hidden points are guessed beside them.
MISSED_SHARE, MISSED_FAR = 0.34, 0.6


def without_area(subject: Subject) -> Iterator[Finding]:
    """Boxes whose width or height is zero or negative."""
    for g, group in enumerate(subject.groups):
        sides = group.boxes[:, 2:] - group.boxes[:, :2]
        for row in np.flatnonzero((sides <= 0).any(1)):
            what = f"its box is {sides[row, 0]:g} x {sides[row, 1]:g} px"
            fix = "draw it again; a format that gives corners was perhaps read as width and height"
            yield subject.at(ERROR, "box_without_area", what, fix, g, int(row))


def outside(subject: Subject) -> Iterator[Finding]:
    """Boxes that reach beyond the picture, or lie beside it."""
    sizes = subject.sizes()
    for g, group in enumerate(subject.groups):
        limits = sizes[group.picture][:, ::-1]
        slack = np.maximum(SLACK, SLACK_SHARE * limits.max(1, initial=0))[:, None]
        beyond = np.maximum(-group.boxes[:, :2], group.boxes[:, 2:] - limits)
        apart = np.asarray((group.boxes[:, 2:] <= 0).any(1) | (group.boxes[:, :2] >= limits).any(1))
        for row in np.flatnonzero((beyond > slack).any(1)):
            if apart[row]:
                what, severity = "its box lies beside the picture", ERROR
            else:
                what, severity = f"its box reaches {np.nanmax(beyond[row]):.0f} px beyond the picture", WARNING
            fix = "clip it to the picture (fix=true does)" if severity == WARNING else "draw it again"
            yield subject.at(severity, "box_outside", what, fix, g, int(row))


def misses_points(subject: Subject) -> Iterator[Finding]:
    """Boxes that do not contain the points of their own person."""
    for g, group in enumerate(subject.groups):
        sides = group.boxes[:, 2:] - group.boxes[:, :2]
        longer = np.maximum(sides.max(1, initial=0), 1.0)
        low = (group.boxes[:, None, :2] - group.keypoints).max(2)
        high = (group.keypoints - group.boxes[:, None, 2:]).max(2)
        by = np.where(group.on, np.maximum(low, high), -np.inf) / longer[:, None]
        missed, seen = by > MISSED_BY, group.visibility > 1
        many = (missed & seen).sum(1) > MISSED_SHARE * np.maximum(seen.sum(1), 1)
        wrong = many | (by > MISSED_FAR).any(1)
        for row in np.flatnonzero(wrong & ~group.crowd & (sides > 0).all(1)):
            what = f"{missed[row].sum()} of its {group.on[row].sum()} points lie outside its box"
            fix = "the box or the points are another person's, or one of them is in other units"
            yield subject.at(WARNING, "box_misses_points", what, fix, g, int(row))


CHECKS = (
    Check("box_without_area", "boxes without area", without_area, ("box_misses_points", "area_implausible")),
    Check("box_outside", "boxes beyond the picture", outside),
    Check("box_misses_points", "boxes that miss their own points", misses_points),
)
