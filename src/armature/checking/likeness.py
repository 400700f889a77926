"""Which pictures look alike: a perceptual hash finds candidates, miniatures decide.

The hash is dHash (Krawetz, "Kind of like that", 2013): whether each pixel of a 9 x 8 miniature is darker than its right
neighbour, 64 bits. All pairs are compared at once as products of matrices of +1 and -1, whose entries are 64 - 2 x the
Hamming distance.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

#: Hashes of one picture that was scaled, compressed or brightened differ in hardly more bits than this.
BITS = 10
#: Grey levels, after brightness and contrast are made equal, that no pixel of two miniatures of one picture differs by.
LEVELS = 22.0
#: And on the average over all pixels.
MEAN_LEVELS = 4.5
#: Standard deviation that miniatures are brought to before they are compared, grey levels.
CONTRAST = 50.0
#: Of more pairs than this for each picture nobody wants to hear one by one: they are frames of a film.
MOST = 20
_ROWS = 1024


@dataclass(frozen=True)
class Pair:
    """Two pictures, first < second; ``mirrored``: one is the mirror image of the other. ``levels``: mean difference."""

    first: int
    second: int
    mirrored: bool
    levels: float


def hashes(miniatures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(N, 64) of +1 and -1: the bits of each picture's dHash."""
    small = [cv2.resize(m, (9, 8), interpolation=cv2.INTER_AREA) for m in miniatures]
    grey = np.array(small, np.int16).reshape(-1, 8, 9)
    return np.where(grey[:, :, 1:] > grey[:, :, :-1], 1, -1).astype(np.float32).reshape(-1, 64)


def alike(miniatures: NDArray[np.uint8], most: int = MOST) -> list[Pair]:
    """The pairs of pictures that show the same, or its mirror image, but for size, compression and brightness.

    Args:
        miniatures: (N, S, S) grey. most: for each picture on the average; the search ends with so many.
    """
    if len(miniatures) < 2:
        return []
    evened, bits = _evened(miniatures), hashes(miniatures)
    mirrored = np.ascontiguousarray(miniatures[:, :, ::-1])
    found: dict[tuple[int, int], Pair] = {}
    for turned, others, flag in ((evened, bits, False), (evened[:, :, ::-1], hashes(mirrored), True)):
        for first, second in _candidates(bits, others):
            levels = _levels(evened, turned, first, second)
            for place in np.flatnonzero(np.isfinite(levels)):
                pair = (int(first[place]), int(second[place]))
                found.setdefault(pair, Pair(*pair, flag, float(levels[place])))
            if len(found) >= most * len(miniatures):
                break
    return [found[pair] for pair in sorted(found)]


def _candidates(
    bits: NDArray[np.float32], others: NDArray[np.float32]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Pairs first < second whose hashes are near; pictures of one colour, whose hashes say nothing, are left out."""
    least, telling = 64 - 2 * BITS, (bits > 0).sum(1) > 4
    for start in range(0, len(bits), _ROWS):
        near = bits[start : start + _ROWS] @ others[start:].T >= least
        rows, columns = np.nonzero(near)
        keep = (columns > rows) & telling[rows + start] & telling[columns + start]
        first, second = rows[keep] + start, columns[keep] + start
        for part in range(0, len(first), _ROWS):
            yield first[part : part + _ROWS], second[part : part + _ROWS]


def _levels(
    one: NDArray[np.float32], other: NDArray[np.float32], first: NDArray[np.int64], second: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Mean differences of pairs of evened miniatures, NaN where they show something else."""
    difference = np.abs(one[first] - other[second])
    mean = difference.mean((1, 2), dtype=np.float64)
    return np.where((difference.max((1, 2)) <= LEVELS) & (mean <= MEAN_LEVELS), mean, np.nan)


def _evened(miniatures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Miniatures of mean 0 and the same contrast, in grey levels, blurred: scaling moves edges within a pixel."""
    grey = miniatures.astype(np.float32)
    centred = grey - grey.mean((1, 2), keepdims=True)
    spread = np.maximum(centred.std((1, 2), keepdims=True), 4.0)
    return np.array([cv2.blur(one, (3, 3)) for one in centred * (CONTRAST / spread)])
