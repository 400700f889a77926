"""Which side left is on, of figures with few points: one rule for all, by the line through the unpaired points.

Seen from above, an animal's left ear is on one side of the way from its snout to its tail, always. That holds where
nearly everybody agrees, some of whom may be exchanged.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from armature.checking.subject import Group

#: Skeletons with more pairs are judged by rules between pairs.
MOST_PAIRS = 3
#: So many people, and so large a share of them on the usual side, make the rule.
LEAST_PEOPLE, LEAST_AGREEMENT = 30, 0.88
#: Sine below which a pair lies along the line, so that its side says nothing.
CLEAR = 0.5
#: Shorter than so many px, or than this share of the figure, nothing has a direction.
LEAST_PIXELS, LEAST_SHARE = 2.0, 0.02


def mirror_pairs(group: Group) -> list[tuple[int, int]]:
    """Points that mirror each other, as indices."""
    return [(i, f) for i, f in enumerate(group.skeleton.flip) if i < f]


def exchanged(group: Group) -> NDArray[np.bool_] | None:
    """(N, P): whose pairs lie clearly on the other side than nearly everybody's; None where no pair has a usual side.

    For skeletons of few pairs with two unpaired points or more.
    """
    pairs = mirror_pairs(group)
    single = [i for i, f in enumerate(group.skeleton.flip) if i == f]
    if not 0 < len(pairs) <= MOST_PAIRS or len(single) < 2:
        return None
    sines = np.stack([_sine(group, pair, single) for pair in pairs], 1)
    clear = np.abs(np.nan_to_num(sines)) > CLEAR
    count, positive = clear.sum(0), (clear & (sines > 0)).sum(0)
    agreement = np.maximum(positive, count - positive) / np.maximum(count, 1)
    holds = (count >= LEAST_PEOPLE) & (agreement >= LEAST_AGREEMENT)
    usual = np.where(2 * positive > count, 1, -1)
    return np.asarray(clear & (sines * usual < 0) & holds) if holds.any() else None


def _sine(group: Group, pair: tuple[int, int], single: list[int]) -> NDArray[np.float64]:
    """(N,) sine of the angle between right to left and the line of the unpaired points; NaN where one is not known."""
    ends = _ends(group, single)
    across = group.keypoints[:, pair[0]] - group.keypoints[:, pair[1]]
    way = group.keypoints[:, ends[1]] - group.keypoints[:, ends[0]]
    lengths = np.hypot(*across.T), np.hypot(*way.T)
    sine = (across[:, 0] * way[:, 1] - across[:, 1] * way[:, 0]) / np.maximum(lengths[0] * lengths[1], 1e-9)
    known = group.people & group.on[:, [*pair, *ends]].all(1)
    known &= np.minimum(*lengths) >= np.maximum(LEAST_PIXELS, LEAST_SHARE * group.extent())
    return np.where(known, sine, np.nan)


def _ends(group: Group, single: list[int]) -> tuple[int, int]:
    """The two unpaired points that are usually farthest apart, of those that are labelled together often enough."""
    best, found = -1.0, (single[0], single[1])
    for n, a in enumerate(single):
        for b in single[n + 1 :]:
            both = group.people & group.on[:, a] & group.on[:, b]
            if both.sum() >= 0.5 * group.people.sum() and both.any():
                length = float(np.median(np.hypot(*(group.keypoints[both, a] - group.keypoints[both, b]).T)))
                if length > best:
                    best, found = length, (a, b)
    return found
