"""Peaks of heatmaps to a fraction of a cell, in numpy: hundreds of small arrays, for which torch's calls cost more."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

#: The eight neighbours of a cell, the four before it in reading order first: rows, columns.
_ROWS, _COLUMNS = np.array([[-1, -1, -1, 0, 0, 1, 1, 1], [-1, 0, 1, -1, 1, -1, 0, 1]])
_UP, _LEFT, _RIGHT, _DOWN = 1, 3, 4, 6
#: Heat below this has no logarithm worth knowing.
_COLD = np.float32(1e-4)

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


class Peaks(NamedTuple):
    """N peaks of a batch, ordered by image, then part; places in cells, scores as the heatmaps' own."""

    image: Int[Ints, " N"]
    part: Int[Ints, " N"]
    xy: Float[Floats, "2 N"]
    scores: Float[Floats, " N"]


def find_peaks(heat: Float[Floats, "B P h w"], floor: float, most: int, sigma: float) -> Peaks:
    """Local maxima above ``floor``, at most the ``most`` best of a map, where a gaussian through them peaks.

    Logarithms of a gaussian lie on a parabola, so that three cells in a row give its place and height exactly. A
    neighbour beyond the border is put where a gaussian of ``sigma`` (cells) would have it. Of neighbours with equal
    heat the first in reading order is the peak.
    """
    parts, height, width = heat.shape[1:]
    framed = _framed(heat)
    at = np.flatnonzero(_surpassed_by_none(framed, heat, floor))
    row, x = np.divmod(at, width)
    plane, y = np.divmod(row, height)
    cell = (plane * (height + 2) + y + 1) * (width + 2) + x + 1
    around = framed.take(cell + (_ROWS * (width + 2) + _COLUMNS)[:, None])
    centre = framed.take(cell)
    keep = (around[:4] < centre).all(0)
    if len(at) > most or not keep.all():
        kept = _best(np.flatnonzero(keep), centre, plane, most)
        plane, x, y, centre, around = plane[kept], x[kept], y[kept], centre[kept], around[:, kept]
    cells = np.stack([x, y])
    away, rise = _parabola(centre, around, cells, (width, height), sigma)
    image, part = np.divmod(plane, parts)
    return Peaks(image, part, (cells + np.float32(0.5) + away).astype(np.float32), np.minimum(centre * rise, 1))


def _parabola(
    centre: Floats, around: Floats, cells: Ints, size: tuple[int, int], sigma: float
) -> tuple[Float[Floats, "2 N"], Float[Floats, " N"]]:
    """How far from the cells' middles gaussians peak (xy), and how many times higher."""
    logs = np.log(np.maximum(np.concatenate([centre[None], around[[_LEFT, _UP, _RIGHT, _DOWN]]]), _COLD))
    middle, behind, ahead = logs[0], logs[1:3], logs[3:5]
    first, last = cells == 0, cells == np.array(size)[:, None] - 1
    if first.any() or last.any():
        alone = 2 * middle - np.float32(1 / sigma**2)
        behind, ahead = np.where(first, alone - ahead, behind), np.where(last, alone - behind, ahead)
    slope, curve = (ahead - behind) / 2, ahead + behind - 2 * middle
    away = np.clip(slope / np.maximum(-curve, np.float32(1e-6)), -0.5, 0.5)
    return away, np.exp((slope * away).sum(0) / 2)


def _framed(heat: Floats) -> Floats:
    """The maps in a frame of -inf."""
    images, parts, height, width = heat.shape
    framed = np.empty((images, parts, height + 2, width + 2), np.float32)
    framed[:, :, 0], framed[:, :, -1], framed[..., 0], framed[..., -1] = (-np.inf,) * 4
    framed[:, :, 1:-1, 1:-1] = heat
    return framed


def _surpassed_by_none(framed: Floats, heat: Floats, floor: float) -> NDArray[np.bool_]:
    """Cells that reach the floor and the maximum of their 3x3 window."""
    high = np.maximum(framed[..., :-2], framed[..., 1:-1])
    np.maximum(high, framed[..., 2:], out=high)
    top = np.maximum(high[:, :, :-2], high[:, :, 1:-1])
    np.maximum(top, high[:, :, 2:], out=top)
    np.maximum(top, np.float32(floor), out=top)
    return top == heat


def _best(keep: Ints, scores: Floats, plane: Ints, most: int) -> Ints:
    """Those of ``keep`` that are among the ``most`` best of their plane, in order."""
    if not len(keep) or np.bincount(plane[keep]).max() <= most:
        return keep
    order = keep[np.lexsort((-scores[keep], plane[keep]))]
    counts = np.bincount(plane[order])
    rank = np.arange(len(order)) - (np.cumsum(counts) - counts)[plane[order]]
    return np.sort(order[rank < most])
