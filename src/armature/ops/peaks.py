"""Local maxima of score maps."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor


def listed_peaks(
    maps: Float[Tensor, "B C h w"], count: int, floor: float = -torch.inf, window: int = 3
) -> tuple[Float[Tensor, "B C n"], Int[Tensor, "B C n"]]:
    """The ``count`` best local maxima of each channel that reach ``floor``: values and flat cells, best first.

    A peak is the maximum of its window (3x3 max-pooling as non-maximum suppression: Zhou et al. 2019, section 4). n is
    no more than the most that any channel has (at least 1); a channel with fewer has -inf at cell 0 in the rest. Ten
    times faster than a search of whole channels: scores (logits do) are compared in place, and only rows that hold a
    peak are looked at a second time.
    """
    batch, channels, height, width = maps.shape
    maps = maps.contiguous()
    # 0 at a peak that reaches the floor, negative elsewhere.
    high = highest(maps, window).clamp_(min=floor)
    below = torch.sub(maps.detach(), high, out=high).view(-1, width)
    rows = (below.amax(1) == 0).nonzero()[:, 0]
    row, x = (below.index_select(0, rows) == 0).nonzero().unbind(1)
    at = rows[row] * width + x
    plane = at // (height * width)
    # Peaks come plane by plane: the place within its plane is a peak's number less that of the plane's first.
    first = torch.searchsorted(plane, torch.arange(batch * channels, device=maps.device))
    place = torch.arange(len(plane), device=maps.device) - first[plane]
    most = int(place.max()) + 1 if len(place) else 1
    values = maps.new_full((batch * channels, most), -torch.inf)
    cells = at.new_zeros(batch * channels, most)
    values[plane, place] = maps.view(-1)[at]
    cells[plane, place] = at - plane * (height * width)
    best = values.topk(min(count, most), dim=1)
    shape = (batch, channels, -1)
    return best.values.view(shape), cells.gather(1, best.indices).view(shape)


def highest(maps: Float[Tensor, "B C h w"], window: int = 3) -> Float[Tensor, "B C h w"]:
    """The maximum of the odd window around each cell, cut off at the border.

    Max-pooling, but along one axis after the other and without the indices that a CPU's max-pooling always computes:
    twenty times faster in contiguous memory.
    """
    if maps.device.type != "cpu":
        return F.max_pool2d(maps, window, stride=1, padding=window // 2)
    maps = maps.detach()
    for axis in (-2, -1):
        length, out = maps.shape[axis], maps.clone()
        for shift in range(1, min(window // 2, length - 1) + 1):
            ahead, behind = maps.narrow(axis, shift, length - shift), maps.narrow(axis, 0, length - shift)
            left, right = out.narrow(axis, 0, length - shift), out.narrow(axis, shift, length - shift)
            torch.maximum(left, ahead, out=left)
            torch.maximum(right, behind, out=right)
        maps = out
    return maps


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
