"""Heatmaps and part affinity fields of people; everything in cells (Cao et al. 2021, section 3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from armature.ops.grids import cells_inside, ignored_cells

#: Indices of the two parts that a limb joins; its field points from the first to the second.
Pair = tuple[int, int]
Overlap = Literal["max", "sum"]

#: Gaussians end where they fall below this (the released code: an exponent of 4.6052).
_VANISHED = 0.01
#: A limb shorter than this many cells has no direction.
_SHORTEST = 1e-3


def part_maps(
    points: Float[Tensor, "B M P 2"],
    on: Bool[Tensor, "B M P"],
    sigma: float,
    size: tuple[int, int],
    overlap: Overlap = "max",
) -> Float[Tensor, "B P+1 h w"]:
    """A gaussian at every part, and as the last channel the background, 1 - the maximum of all parts (equation 7).

    Args:
        on: which parts exist. sigma: of the gaussians. size: (h, w).
        overlap: where people's gaussians meet: their maximum (the paper), or their sum, at most 1 (released code).
    """
    across = _profile(points[..., 0], size[1], sigma)
    down = _profile(points[..., 1], size[0], sigma) * on[..., None]
    out = across.new_zeros(points.shape[0], points.shape[2], *size)
    for m in torch.nonzero(on.any(-1).any(0)).flatten().tolist():
        heat = down[:, m, :, :, None] * across[:, m, :, None, :]
        if overlap == "max":
            torch.maximum(out, heat, out=out)
        else:
            out += F.threshold(heat, _VANISHED, 0.0)
    out = F.threshold(out, _VANISHED, 0.0).clamp_(max=1)
    return torch.cat([out, 1 - out.amax(1, keepdim=True)], 1)


def _profile(at: Tensor, length: int, sigma: float) -> Tensor:
    middles = torch.arange(length, device=at.device) + 0.5
    return torch.exp((middles - at[..., None]).square() / (-2 * sigma**2))


def limb_fields(
    points: Float[Tensor, "B M P 2"],
    on: Bool[Tensor, "B M P"],
    limbs: Sequence[Pair],
    width: float,
    size: tuple[int, int],
) -> Float[Tensor, "B E 2 h w"]:
    """The unit vector along each limb at cells within ``width`` of it, the mean where several people's meet.

    Within: at most ``width`` away from the line, and in the limb's bounds widened by ``width`` (equations 8-10).
    """
    ends = torch.tensor(limbs, dtype=torch.long, device=points.device).view(-1, 2)
    a, b = points[:, :, ends[:, 0]], points[:, :, ends[:, 1]]
    length = (b - a).norm(dim=-1)
    there = on[:, :, ends[:, 0]] & on[:, :, ends[:, 1]] & (length > _SHORTEST)
    image, _, limb = at = there.nonzero().unbind(1)
    a, b = a[at], b[at]
    along = (b - a) / length[at][:, None]
    near = _near(a, b, along, width, size)
    which, cell = near.flatten(1).nonzero().unbind(1)
    cells = size[0] * size[1]
    sums = points.new_zeros(len(points) * len(ends) * cells, 3)
    flat = (image * len(ends) + limb)[which] * cells + cell
    sums.index_add_(0, flat, F.pad(along, (0, 1), value=1.0)[which])
    mean = sums[:, :2] / sums[:, 2:].clamp(min=1)
    return mean.view(len(points), len(ends), cells, 2).mT.unflatten(-1, size)


def _near(a: Tensor, b: Tensor, along: Tensor, width: float, size: tuple[int, int]) -> Bool[Tensor, "N h w"]:
    """Cells within ``width`` of N segments; distances split into a part of x and a part of y."""
    ux, uy = along[:, 0, None], along[:, 1, None]
    x = torch.arange(size[1], device=a.device) + 0.5
    y = torch.arange(size[0], device=a.device) + 0.5
    across = (x - a[:, 0, None]) * uy
    down = (y - a[:, 1, None]) * ux
    low, high = torch.minimum(a, b) - width, torch.maximum(a, b) + width
    columns = (x >= low[:, 0, None]) & (x <= high[:, 0, None])
    rows = (y >= low[:, 1, None]) & (y <= high[:, 1, None])
    line = (across[:, None, :] - down[:, :, None]).abs() <= width
    return line & columns[:, None, :] & rows[:, :, None]


def unsupervised(
    ignore: Bool[Tensor, "B H W"], boxes: Float[Tensor, "B M 4"], silent: Bool[Tensor, "B M"], size: tuple[int, int]
) -> Bool[Tensor, "B h w"]:
    """Cells that say nothing: mostly ignored, or in the box (in cells) of a person of whom nothing is labelled."""
    return ignored_cells(ignore, size) | cells_inside(boxes, silent, size)
