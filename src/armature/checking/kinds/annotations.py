"""Annotations that are there twice, or count wrong."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from armature.checking.check import Check
from armature.checking.findings import WARNING, Finding
from armature.checking.subject import Group, Subject

#: Two annotations whose points lie apart by less than this share of the person are of one person.
SAME = 0.02
#: Of people without points, those whose boxes overlap by more.
SAME_BOX = 0.98


def duplicates(subject: Subject) -> Iterator[Finding]:
    """People who are annotated twice in one picture."""
    for g, group in enumerate(subject.groups):
        for first, second, exact in pairs(group):
            name = int(group.idents[first])
            other = f"annotation {name}" if name >= 0 else "another annotation of the picture"
            what = f"is {'the same as' if exact else 'nearly the same as'} {other}: one person, annotated twice"
            fix = "keep one (fix=true does)" if exact else "keep the better one"
            yield subject.at(WARNING, "duplicate_annotation", what, fix, g, second)


def counts(subject: Subject) -> Iterator[Finding]:
    """``num_keypoints`` that are not the number of labelled points."""
    for g, group in enumerate(subject.groups):
        labelled = group.on.sum(1)
        for row in np.flatnonzero((group.counted >= 0) & (group.counted != labelled)):
            what = f"num_keypoints is {group.counted[row]}, {labelled[row]} points are labelled"
            yield subject.at(WARNING, "wrong_count", what, "count again (fix=true does)", g, int(row))


def pairs(group: Group) -> Iterator[tuple[int, int, bool]]:
    """Each person with an earlier one that is the same, and whether it is so to the last number."""
    extent, bounds = group.extent(), group.boxes
    order = np.argsort(group.picture, kind="stable")
    starts = np.flatnonzero(np.diff(group.picture[order], prepend=-1, append=-2))
    for start, stop in itertools.pairwise(starts):
        rows = order[start:stop]
        rows = rows[~group.crowd[rows]]
        if len(rows) < 2:
            continue
        a, b = (rows[i] for i in np.triu_indices(len(rows), 1))
        both = group.on[a] & group.on[b]
        apart = np.linalg.norm(group.keypoints[a] - group.keypoints[b], axis=2)
        mean = np.where(both, apart, 0).sum(1) / np.maximum(both.sum(1), 1)
        enough = both.sum(1) >= np.maximum(0.5 * np.maximum(group.on[a].sum(1), group.on[b].sum(1)), 1)
        same = enough & (mean <= SAME * np.maximum(extent[a], extent[b])) & (both.sum(1) > 1)
        bare = ~group.on[a].any(1) & ~group.on[b].any(1) & (_overlap(bounds[a], bounds[b]) > SAME_BOX)
        told: set[int] = set()
        for i in np.flatnonzero(same | bare):
            if int(b[i]) not in told:
                told.add(int(b[i]))
                yield int(a[i]), int(b[i]), _exact(group, int(a[i]), int(b[i]))


def _exact(group: Group, a: int, b: int) -> bool:
    arrays = (group.keypoints, group.visibility, group.boxes)
    return all(np.array_equal(x[a], x[b], equal_nan=True) for x in arrays)


def _overlap(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    sides = np.clip(np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2]), 0, None)
    both = sides.prod(1)
    union = (a[:, 2:] - a[:, :2]).prod(1) + (b[:, 2:] - b[:, :2]).prod(1) - both
    return np.nan_to_num(both / np.maximum(union, 1e-9))


CHECKS = (
    Check("duplicate_annotation", "people annotated twice", duplicates),
    Check("wrong_count", "num_keypoints that are wrong", counts),
)
