"""Points where none can be: beside the picture, all in one place, in other units."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from armature.checking.check import Check
from armature.checking.findings import ERROR, WARNING, Finding
from armature.checking.subject import Group, Subject

#: px, and share of the picture's longer side, that a point may lie beyond the edge: a joint that is just cut off.
SLACK, SLACK_SHARE = 2.0, 0.01
#: So many labelled points in one place are no coincidence.
STACKED = 3
#: A factor between points and box nearer to 1 than this is a loose box.
LEAST_FACTOR = 1.3
#: Readers have added this to the points.
_HALF = 0.5


def outside(subject: Subject) -> Iterator[Finding]:
    """Labelled points beyond the picture's edge."""
    sizes = subject.sizes()
    for g, group in enumerate(subject.groups):
        limits = sizes[group.picture][:, ::-1]
        slack = np.maximum(SLACK, SLACK_SHARE * limits.max(1, initial=0))[:, None]
        beyond = np.maximum(-group.keypoints, group.keypoints - limits[:, None]).max(2)
        for row, k in np.argwhere(group.on & (beyond > slack)):
            at = group.keypoints[row, k] - _HALF
            what = f"lies at {at[0]:.0f}, {at[1]:.0f}, {beyond[row, k]:.0f} px beyond the picture"
            fix = "label it where it is, or as not labelled (visibility 0)"
            yield subject.at(WARNING, "point_outside", what, fix, g, int(row), int(k))


def at_origin(subject: Subject) -> Iterator[Finding]:
    """Points labelled in the very corner of the picture: what tools write for a point that is not there."""
    for g, group in enumerate(subject.groups):
        corner = group.on & (np.abs(group.keypoints - _HALF) < 1e-6).all(2)
        for row, k in np.argwhere(corner):
            what = f"has visibility {group.visibility[row, k]} at 0, 0"
            yield subject.at(ERROR, "labelled_at_origin", what, "set its visibility to 0", g, int(row), int(k))


def stacked(subject: Subject) -> Iterator[Finding]:
    """People most of whose labelled points lie in one place."""
    for g, group in enumerate(subject.groups):
        count = group.on.sum(1)
        for row in np.flatnonzero((count >= STACKED) & group.people):
            _, times = np.unique(np.round(group.keypoints[row][group.on[row]], 3), axis=0, return_counts=True)
            if times.max() >= max(STACKED, count[row] / 2):
                what = f"{times.max()} of its {count[row]} labelled points lie in one place"
                fix = "label them where they are; set what is not to be seen to visibility 0"
                yield subject.at(ERROR, "stacked_points", what, fix, g, int(row))


def normalised(subject: Subject) -> Iterator[Finding]:
    """People all of whose points lie between 0 and 1: shares of the picture where pixels are expected."""
    sizes = subject.sizes()
    for g, group in enumerate(subject.groups):
        bounds = group.bounds
        small = (bounds[:, :2] >= 0).all(1) & (bounds[:, 2:] <= 1 + _HALF).all(1) & (group.on.sum(1) >= STACKED)
        moved = (bounds[:, 2:] > bounds[:, :2]).any(1)
        large = np.nan_to_num(sizes[group.picture].max(1, initial=0), nan=9.0) > 8
        for row in np.flatnonzero(small & moved & large):
            what = "all of its points lie between 0 and 1: shares of the picture's size?"
            fix = "multiply x by the picture's width and y by its height"
            yield subject.at(ERROR, "normalised_points", what, fix, g, int(row))


def scaled(subject: Subject) -> Iterator[Finding]:
    """People whose points fit their box once they are scaled: points and box are in pixels of different pictures."""
    for g, group in enumerate(subject.groups):
        factor = _factors(group)
        for row in np.flatnonzero(np.isfinite(factor)):
            what = f"its points would fit its box {factor[row]:.3g} times as large: labelled on a scaled picture?"
            fix = "scale the points (or the box) to the picture's pixels"
            yield subject.at(ERROR, "scaled_points", what, fix, g, int(row))


def _factors(group: Group) -> NDArray[np.float64]:
    """(N,) by which points must be multiplied to lie in their box; NaN where they need not, or it does not help."""
    bounds = group.bounds
    with np.errstate(invalid="ignore", divide="ignore"):
        centres = (group.boxes[:, :2] + group.boxes[:, 2:]) / (bounds[:, :2] + bounds[:, 2:])
        factor = np.sqrt(centres.prod(1))
        alike = np.abs(np.log(centres[:, 0] / centres[:, 1])) < 0.2
    far = np.abs(np.log(factor)) > np.log(LEAST_FACTOR)
    before, after = _share_inside(group, group.keypoints), _share_inside(group, group.keypoints * factor[:, None, None])
    grown = (bounds[:, 2:] - bounds[:, :2]) * factor[:, None] / (group.boxes[:, 2:] - group.boxes[:, :2])
    whole = grown.max(1, initial=0) > 0.6  # scaled points fill the box: a few points fit anywhere
    enough = (group.on.sum(1) >= STACKED + 2) & group.people
    return np.where(alike & far & enough & whole & (before < 0.7) & (after > 0.9), factor, np.nan)


def _share_inside(group: Group, points: NDArray[np.float64]) -> NDArray[np.float64]:
    margin = 0.15 * (group.boxes[:, 2:] - group.boxes[:, :2])[:, None]
    inside = ((points >= group.boxes[:, None, :2] - margin) & (points <= group.boxes[:, None, 2:] + margin)).all(2)
    return (inside & group.on).sum(1) / np.maximum(group.on.sum(1), 1)


_FOLLOWS = ("box_misses_points", "point_outside", "bone_outlier", "left_right_swap", "labelled_at_origin")

CHECKS = (
    Check("point_outside", "points beyond the picture", outside),
    Check("labelled_at_origin", "points labelled at 0, 0", at_origin),
    Check("stacked_points", "people with their points in one place", stacked, _FOLLOWS),
    Check("normalised_points", "points between 0 and 1", normalised, (*_FOLLOWS, "stacked_points", "scaled_points")),
    Check("scaled_points", "points in pixels of another size", scaled, _FOLLOWS),
)
