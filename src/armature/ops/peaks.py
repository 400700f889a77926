"""Local maxima of score maps."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

#: Numbers of a map that are compared at a time: they and what comes of them stay in the cache.
_IN_CACHE = 17 * 128 * 128
#: No peak is lower: nothing is found where a map is -inf.
_LOWEST = float(np.finfo(np.float32).min)


def surely_below(score: float) -> float:
    """A logit that is surely not above that of the score: for choosing candidates."""
    return math.log(score / (1 - score)) - 1e-3 if 0 < score < 1 else -math.inf


def listed_peaks(
    maps: Float[Tensor, "B C h w"], count: int, floor: float = -torch.inf, window: int = 3
) -> tuple[Float[Tensor, "B C n"], Int[Tensor, "B C n"]]:
    """The ``count`` best local maxima of each channel that reach ``floor``: values and flat cells, best first.

    A peak is the maximum of its window (3x3 max-pooling as non-maximum suppression: Zhou et al. 2019, section 4). n is
    no more than the most that any channel has (at least 1); a channel with fewer has -inf at cell 0 in the rest. Far
    faster than a search of whole channels: scores (logits do) are compared in place.
    """
    batch, channels, height, width = maps.shape
    maps = maps.detach().contiguous()
    at = _peak_places(maps.view(-1, height, width), floor, window)
    values, cells = _by_plane(maps.view(-1)[at], at, batch * channels, height * width)
    best = values.topk(min(count, values.shape[1]), dim=1)
    shape = (batch, channels, -1)
    return best.values.view(shape).to(maps), cells.gather(1, best.indices).view(shape).to(maps.device)


def _by_plane(
    values: Float[Tensor, " m"], at: Int[Tensor, " m"], planes: int, cells: int
) -> tuple[Float[Tensor, "planes n"], Int[Tensor, "planes n"]]:
    """A row of values and of places within the plane for each plane, from both in order of their flat places ``at``.

    n is the most that any has, at least 1; -inf and 0 beyond a plane's own. By numpy on the CPU, as everything is that
    needs a few numbers only and many steps.
    """
    where = at.cpu().numpy()
    plane = where // cells
    counts = np.bincount(plane, minlength=planes)
    most = max(1, int(counts.max(initial=0)))
    # In a row a peak's number is less by that of the plane's first.
    slot = np.arange(len(where)) + (np.arange(planes) * most - np.cumsum(counts) + counts)[plane]
    listed, places = np.full(planes * most, -np.inf, np.float32), np.zeros(planes * most, np.int64)
    listed[slot], places[slot] = values.float().cpu().numpy(), where - plane * cells
    return torch.from_numpy(listed).view(planes, most), torch.from_numpy(places).view(planes, most)


def _peak_places(planes: Float[Tensor, "n h w"], floor: float, window: int) -> Int[Tensor, " m"]:
    """The flat places of all local maxima that reach the floor, in order.

    On a CPU by numpy, a few planes at a time: what is compared stays in the cache.
    """
    if planes.device.type != "cpu":
        return ((planes == highest(planes[None], window)[0]) & (planes >= floor)).flatten().nonzero()[:, 0]
    found, size = np.empty(planes.shape, bool), max(1, _IN_CACHE // max(1, planes[:1].numel()))
    values = planes.float().numpy()
    for start in range(0, len(values), size):
        some, part = values[start : start + size], found[start : start + size]
        np.equal(some, _highest(some, window), out=part)
        part &= some >= np.float32(max(floor, _LOWEST))
    return torch.from_numpy(np.flatnonzero(found))


def highest(maps: Float[Tensor, "B C h w"], window: int = 3) -> Float[Tensor, "B C h w"]:
    """The maximum of the odd window around each cell, cut off at the border; no gradient.

    Max-pooling, but on a CPU without the indices that torch's always computes: many times faster.
    """
    if maps.device.type != "cpu":
        return F.max_pool2d(maps, window, stride=1, padding=window // 2)
    planes = maps.detach().float().flatten(0, 1).contiguous().numpy()
    return torch.from_numpy(_highest(planes, window)).view_as(maps).to(maps.dtype)


def _highest(planes: npt.NDArray[np.float32], window: int) -> npt.NDArray[np.float32]:
    """(n h w): maxima of three neighbours along both axes, again and again for more than three."""
    spare, *outs = (np.empty_like(planes) for _ in range(3))
    for axis in (1, 2) * (window // 2):
        if planes.shape[axis] > 1:
            _of_neighbours(planes, axis, spare, outs[0])
            planes, outs = outs[0], outs[::-1]
    return planes


def _of_neighbours(planes: Any, axis: int, pairs: Any, out: Any) -> None:
    """Writes the maximum of each cell and the two beside it: of all planes as one row, which is by far the fastest."""
    step = planes.shape[2] if axis == 1 else 1
    flat, two, three = planes.reshape(-1), pairs.reshape(-1), out.reshape(-1)
    np.maximum(flat[:-step], flat[step:], out=two[:-step])
    np.maximum(two[: -2 * step], two[step:-step], out=three[step:-step])
    # At a border the neighbour in that row is another line's or plane's.
    pairs, out = pairs.swapaxes(0, axis), out.swapaxes(0, axis)
    out[0], out[-1] = pairs[0], pairs[-2]


def centroids(
    scores: Float[Tensor, "B C h w"], cells: Int[Tensor, "B C n"], window: int = 3, logits: bool = False
) -> Float[Tensor, "B C n 2"]:
    """xy in cells of the centroid of the squared scores in the odd window around each flat cell.

    Squared, so that the peak counts more than what surrounds it; OpenPose weighs by the score itself, in 7x7 cells of a
    finer map (Cao et al. 2021, released decoder).

    Args:
        logits: the scores are the sigmoid of what is given.
    """
    height, width = scores.shape[-2:]
    near = torch.arange(window, device=scores.device) - window // 2
    y = (cells // width)[..., None] + near.repeat_interleave(window)
    x = (cells % width)[..., None] + near.repeat(window)
    inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    image = torch.arange(scores.shape[0], device=scores.device)[:, None, None, None]
    channel = torch.arange(scores.shape[1], device=scores.device)[:, None, None]
    around = scores[image, channel, y.clamp(0, height - 1), x.clamp(0, width - 1)].float()
    weight = (around.sigmoid() if logits else around).square() * inside
    sums = torch.stack([weight * (x + 0.5), weight * (y + 0.5)], -1).sum(-2)
    total = weight.sum(-1, keepdim=True)
    # Where nothing is known the middle of the cell is as good as any place.
    middle = torch.stack([cells % width, cells // width], -1) + 0.5
    return torch.where(total > 0, sums / total.clamp(min=torch.finfo(total.dtype).tiny), middle)
