"""How well numbers were kept, where it is known who is who: MOTA and its errors, and IDF1."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from armature.tracks.likeness import oks


class Seen(NamedTuple):
    """The people of one frame: N ids and keypoints (N, K, 2); areas (N,) px^2 of the true ones."""

    ids: Sequence[int]
    keypoints: NDArray[np.float64]
    areas: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Kept:
    """What came of tracking.

    Attributes:
        mota: 1 - (misses + false_positives + switches) / people (Bernardin and Stiefelhagen 2008); may be below 0.
        idf1: share of detections that carry the number of the person they are, under the best one-to-one assignment
            of numbers to people over the whole film (Ristani et al. 2016). idp, idr: its precision and recall.
        switches: times that somebody got another number than the one they had last.
        misses, false_positives, people: people not found, found and not there, there.
    """

    mota: float
    idf1: float
    idp: float
    idr: float
    switches: int
    misses: int
    false_positives: int
    people: int


def score(truth: Sequence[Seen], found: Sequence[Seen], sigmas: Float[NDArray, " K"], least: float = 0.5) -> Kept:
    """MOTA and IDF1 of a film.

    Args:
        truth, found: as many frames each. least: OKS from which a person counts as found.
    """
    last: dict[int, int] = {}
    switches = hits = people = claims = 0
    together: defaultdict[int, Counter[int]] = defaultdict(Counter)
    for true, seen in zip(truth, found, strict=True):
        alike = _alike(true, seen, sigmas, least)
        people, claims = people + len(true.ids), claims + len(seen.ids)
        for row, column in zip(*np.nonzero(alike), strict=True):
            together[true.ids[row]][seen.ids[column]] += 1
        for person, number in _paired(true, seen, alike, last):
            hits += 1
            switches += last.get(person, number) != number
            last[person] = number
    misses, wrong = people - hits, claims - hits
    right = _identified(together)
    mota = 1 - (misses + wrong + switches) / max(people, 1)
    ratios = (2 * right / max(people + claims, 1), right / max(claims, 1), right / max(people, 1))
    return Kept(mota, *ratios, switches, misses, wrong, people)


def _alike(true: Seen, seen: Seen, sigmas: NDArray, least: float) -> NDArray[np.float64]:
    """(N, M) OKS, 0 below ``least``."""
    if not len(true.ids) or not len(seen.ids):
        return np.zeros((len(true.ids), len(seen.ids)))
    assert true.areas is not None
    alike = oks(true.keypoints, seen.keypoints, true.areas, np.asarray(sigmas))
    return np.where(alike >= least, alike, 0.0)


def _paired(true: Seen, seen: Seen, alike: NDArray[np.float64], last: dict[int, int]) -> list[tuple[int, int]]:
    """(person, number): whoever still has the number of before keeps it, the others are assigned at best."""
    alike, pairs = alike.copy(), []
    numbers = list(seen.ids)
    for row, person in enumerate(true.ids):
        before = last.get(person)
        if before in numbers and alike[row, numbers.index(before)] > 0:
            column = numbers.index(before)
            pairs.append((person, before))
            alike[row], alike[:, column] = 0, 0
    rows, columns = linear_sum_assignment(np.where(alike > 0, 1.0 + alike, 0.0), maximize=True)
    return pairs + [(true.ids[r], numbers[c]) for r, c in zip(rows, columns, strict=True) if alike[r, c] > 0]


def _identified(together: dict[int, Counter[int]]) -> int:
    """Detections with the right number under the best assignment of numbers to people."""
    numbers = sorted({number for counts in together.values() for number in counts})
    if not numbers:
        return 0
    counted = np.array([[counts[number] for number in numbers] for counts in together.values()])
    rows, columns = linear_sum_assignment(counted, maximize=True)
    return int(counted[rows, columns].sum())
