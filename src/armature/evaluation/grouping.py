"""Runs of equal values in flat arrays, and walking many runs side by side."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray


def count_within(groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """0, 1, 2, ... within each run of equal values."""
    if not len(groups):
        return np.zeros(0, np.int64)
    first = np.flatnonzero(np.concatenate([[True], groups[1:] != groups[:-1]]))
    return np.arange(len(groups)) - np.repeat(first, np.diff(first, append=len(groups)))


def pairs_within(groups: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(P,) and (P,) indices of every two different members of the same run, both ways round; values must ascend."""
    first = np.searchsorted(groups, groups, side="left")
    count = np.searchsorted(groups, groups, side="right") - first
    one = np.repeat(np.arange(len(groups)), count)
    two = np.arange(len(one)) - np.repeat(np.cumsum(count) - count - first, count)
    return one[one != two], two[one != two]


def steps(groups: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Indices of the first member of every run, then of every second member, and so on until all have been."""
    place = count_within(groups)
    order = stable_argsort(place)
    start = 0
    for end in np.cumsum(np.bincount(place)).tolist() if len(place) else ():
        yield order[start:end]
        start = end


def stable_argsort(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Stable ascending order of whole numbers >= 0; numpy sorts them in linear time where 16 bits hold them."""
    return np.argsort(values.astype(np.uint16) if values.max(initial=0) < 2**16 else values, kind="stable")
