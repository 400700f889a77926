"""Peaks of heatmaps to a fraction of a cell."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from armature.ops.peaks import highest

#: Neighbours of a cell before the cell itself in reading order, then the rest: rows, columns.
_ROWS, _COLUMNS = (-1, -1, -1, 0, 0, 1, 1, 1), (-1, 0, 1, -1, 1, -1, 0, 1)
_UP, _LEFT, _RIGHT, _DOWN = 1, 3, 4, 6
#: Heat below this has no logarithm worth knowing.
_COLD = 1e-4


class Peaks(NamedTuple):
    """N peaks of a batch, ordered by image, then part; places in cells, scores as the heatmaps' own."""

    image: Int[Tensor, " N"]
    part: Int[Tensor, " N"]
    xy: Float[Tensor, "N 2"]
    scores: Float[Tensor, " N"]


def find_peaks(heat: Float[Tensor, "B P h w"], floor: float, most: int, sigma: float) -> Peaks:
    """Local maxima above ``floor``, at most the ``most`` best of a map, where a gaussian through them peaks.

    Logarithms of a gaussian lie on a parabola, so that three cells in a row give its place and height exactly. A
    neighbour beyond the border is put where a gaussian of ``sigma`` (cells) would have it. Of neighbours with equal
    heat the first in reading order is the peak.
    """
    at = ((heat >= floor) & (heat == highest(heat))).nonzero()
    image, part, y, x = at.unbind(1)
    centre, around = heat[image, part, y, x], _around(heat, image, part, y, x)
    keep = (around[:4] < centre).all(0).nonzero().flatten()
    if len(keep) < len(centre) or len(centre) > most:
        keep = _best(keep, centre, image * heat.shape[1] + part, most)
        image, part, y, x = at[keep].unbind(1)
        centre, around = centre[keep], around[:, keep]
    middle = centre.clamp(min=_COLD).log()
    logs = around.clamp(min=_COLD).log()
    ahead = torch.stack([logs[_RIGHT], logs[_DOWN]], 1)
    behind = torch.stack([logs[_LEFT], logs[_UP]], 1)
    cell = torch.stack([x, y], 1)
    bend = -1 / sigma**2
    last = torch.tensor([heat.shape[3] - 1, heat.shape[2] - 1], device=heat.device)
    alone = 2 * middle[:, None] + bend
    behind, ahead = torch.where(cell == 0, alone - ahead, behind), torch.where(cell == last, alone - behind, ahead)
    slope, curve = (ahead - behind) / 2, ahead + behind - 2 * middle[:, None]
    away = (-slope / curve.clamp(max=-1e-6)).clamp(-0.5, 0.5)
    scores = (middle + (slope * away / 2).sum(1)).exp().clamp(max=1)
    return Peaks(image, part, cell + 0.5 + away, scores)


def _around(heat: Tensor, image: Tensor, part: Tensor, y: Tensor, x: Tensor) -> Float[Tensor, "8 N"]:
    """The eight neighbours of cells, -inf beyond the border."""
    height, width = heat.shape[-2:]
    rows = y + torch.tensor(_ROWS, device=heat.device)[:, None]
    columns = x + torch.tensor(_COLUMNS, device=heat.device)[:, None]
    there = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    found = heat[image, part, rows.clamp(0, height - 1), columns.clamp(0, width - 1)]
    return found.where(there, -torch.inf)


def _best(keep: Tensor, scores: Tensor, plane: Tensor, most: int) -> Tensor:
    """Those of ``keep`` that are among the ``most`` best of their plane, in order."""
    if not len(keep) or int(plane[keep].bincount().max()) <= most:
        return keep
    order = keep[scores[keep].argsort(descending=True)]
    order = order[plane[order].argsort(stable=True)]
    counts = plane[order].bincount()
    rank = torch.arange(len(order), device=order.device) - (counts.cumsum(0) - counts)[plane[order]]
    return order[rank < most].sort().values
