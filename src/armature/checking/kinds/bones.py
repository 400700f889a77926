"""Points that make a bone longer than the rest of the person can explain."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from armature.checking.check import Check
from armature.checking.findings import WARNING, Finding
from armature.checking.subject import Group, Subject

#: A bone is as long as it can be at this quantile of the data set's; the rest is foreshortening.
QUANTILE = 0.9
#: Fewer people with a bone say nothing about its length, fewer other bones nothing about a person's size.
LEAST_PEOPLE, LEAST_BONES = 20, 3
#: How many times longer than all other bones of the person allow every bone at a point must be.
FACTOR = 2.5
#: Shorter bones are within the accuracy of a click, px.
LEAST_LENGTH = 8.0


def outliers(subject: Subject) -> Iterator[Finding]:
    """Points all of whose bones are far too long, by what the person's other bones and the data set say."""
    for g, group in enumerate(subject.groups):
        excess = excesses(group)
        if not excess.size:
            continue
        for row in np.flatnonzero((excess > FACTOR).any(1) & group.people):
            k = int(excess[row].argmax())
            what = f"the bones at it are {excess[row, k]:.1f} times as long as the rest of the person allows"
            fix = "is it in its place, and this person's?"
            yield subject.at(WARNING, "bone_outlier", what, fix, g, int(row), k)


def excesses(group: Group) -> NDArray[np.float64]:
    """(N, K): how many times longer the shortest bone at a point is than the person's size makes it; 0 if unknown.

    A person's size is that of the largest of the other bones, each relative to its length at ``QUANTILE`` of the data
    set: a person seen from above has a short trunk and long arms, and is not small for it.
    """
    edges = sorted({(min(e), max(e)) for e in group.skeleton.edges if e[0] != e[1]})
    if not edges or not len(group):
        return np.zeros((0, 0))
    relative = _relative(group, np.array(edges))
    excess = np.zeros(group.visibility.shape)
    for k in range(group.skeleton.count):
        own = np.array([k in edge for edge in edges])
        if not own.any():
            continue
        mine, others = relative[:, own], relative[:, ~own]
        known = np.isfinite(mine).any(1) & (np.isfinite(others).sum(1) >= LEAST_BONES) & group.on[:, k]
        least = np.where(np.isfinite(mine), mine, np.inf).min(1, initial=np.inf)
        size = np.where(np.isfinite(others), others, -np.inf).max(1, initial=-np.inf)
        excess[known, k] = np.exp(least[known] - size[known])
    return excess


def _relative(group: Group, edges: NDArray[np.int64]) -> NDArray[np.float64]:
    """(N, E) logarithm of each bone's length over the data set's for a person of the same size; NaN where unknown."""
    vectors = group.keypoints[:, edges[:, 0]] - group.keypoints[:, edges[:, 1]]
    lengths = np.maximum(np.hypot(vectors[..., 0], vectors[..., 1]), LEAST_LENGTH)
    both = group.on[:, edges[:, 0]] & group.on[:, edges[:, 1]] & ~group.crowd[:, None]
    logs = np.where(both, np.log(lengths), np.nan)
    told = both.sum(0) >= LEAST_PEOPLE
    logs[:, ~told] = np.nan
    if not told.any():
        return logs
    size = _centre(logs)
    usual = np.full(len(edges), np.nan)
    usual[told] = np.nanquantile((logs - size[:, None])[:, told], QUANTILE, axis=0)
    return logs - usual


def _centre(logs: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N,) size of each person: the median of its bones, each over the data set's median; NaN without bones."""
    ordinary = np.array([np.nanmedian(column) if np.isfinite(column).any() else np.nan for column in logs.T])
    some = np.isfinite(logs - ordinary).any(1)
    found = np.full(len(logs), np.nan)
    if some.any():
        found[some] = np.nanmedian((logs - ordinary)[some], axis=1)
    return found


CHECKS = (Check("bone_outlier", "bones that are too long", outliers),)
