"""Cells of a feature grid and the points that fall into them; grid units unless a name says otherwise."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int, Num
from torch import Tensor


def stride_of(canvas_width: int, grid_width: int) -> float:
    """Canvas pixels per grid cell.

    Where the grid sticks out over the canvas (131 px are 33 cells of 4 px), the power of two that makes so many cells.
    """
    stride = canvas_width / grid_width
    return stride if stride.is_integer() else 2.0 ** math.ceil(math.log2(stride))


def flat_cell(points: Float[Tensor, "*n 2"], size: tuple[int, int]) -> Int[Tensor, "*n"]:
    """The row-major index of the cell each point (xy, in cells) falls into, clamped to the (h, w) grid."""
    height, width = size
    cell = points.floor().long()
    return cell[..., 1].clamp(0, height - 1) * width + cell[..., 0].clamp(0, width - 1)


def on_grid(cells: Num[Tensor, "*n 2"], size: tuple[int, int]) -> Bool[Tensor, "*n"]:
    """Whether xy, in cells, is on the (h, w) grid."""
    limit = torch.tensor([size[1], size[0]], device=cells.device)
    return ((cells >= 0) & (cells < limit)).all(-1)


def cell_corner(index: Int[Tensor, "*n"], width: int) -> Float[Tensor, "*n 2"]:
    """xy of the upper left corner of flat cells, in cells."""
    return torch.stack([index % width, index // width], -1).float()


def owners(
    centres: Float[Tensor, "B M 2"],
    boxes: Float[Tensor, "B M 4"],
    valid: Bool[Tensor, "B M"],
    size: tuple[int, int],
    reach: int = 0,
) -> Int[Tensor, "B h w"]:
    """For each cell the slot whose centre it belongs to, or -1; where several do, the nearest centre's.

    A cell belongs to a centre that lies in it, or in a cell at most ``reach`` cells away in x and in y; in the latter
    case only if the cell's middle is inside the box.

    Args:
        centres, boxes: in cells. size: (h, w).
    """
    height, width = size
    x = torch.arange(width, device=centres.device) + 0.5
    y = (torch.arange(height, device=centres.device) + 0.5)[:, None]
    column, row = (side[..., None, None] for side in centres.floor().add(0.5).unbind(-1))
    away = torch.maximum((x - column).abs(), (y - row).abs())  # (B M h w)
    x1, y1, x2, y2 = (side[..., None, None] for side in boxes.unbind(-1))
    near = (away <= reach) & (x >= x1) & (x <= x2) & (y >= y1) & (y <= y2)
    mine = ((away == 0) | near) & valid[..., None, None]
    distance = (x - centres[..., 0, None, None]).square() + (y - centres[..., 1, None, None]).square()
    nearest = distance.masked_fill(~mine, torch.inf).min(1)
    return nearest.indices.masked_fill(nearest.values.isinf(), -1)


def corners(size: tuple[int, int], like: Tensor) -> Float[Tensor, "2 h w"]:
    """xy of the upper left corner of every cell, in cells."""
    height, width = size
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([x, y]).to(like)


def ignored_cells(ignore: Bool[Tensor, "B H W"], size: tuple[int, int]) -> Bool[Tensor, "B h w"]:
    """Cells of an (h, w) grid more than half of which is ignored."""
    return F.adaptive_avg_pool2d(ignore[:, None].float(), size)[:, 0] > 0.5


def cells_inside(
    boxes: Float[Tensor, "B M 4"], which: Bool[Tensor, "B M"], size: tuple[int, int]
) -> Bool[Tensor, "B h w"]:
    """Cells of an (h, w) grid whose middle is in one of those boxes (in cells)."""
    x = torch.arange(size[1], device=boxes.device) + 0.5
    y = (torch.arange(size[0], device=boxes.device) + 0.5)[:, None]
    x1, y1, x2, y2 = (side[..., None, None] for side in boxes.unbind(-1))
    return ((x >= x1) & (x <= x2) & (y >= y1) & (y <= y2) & which[..., None, None]).any(1)
