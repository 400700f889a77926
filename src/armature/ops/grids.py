"""Cells of a feature grid and the points that fall into them; grid units unless a name says otherwise."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor


def stride_of(canvas_width: int, grid_width: int) -> float:
    """Canvas pixels per grid cell."""
    return canvas_width / grid_width


def flat_cell(points: Float[Tensor, "*n 2"], size: tuple[int, int]) -> Int[Tensor, "*n"]:
    """The row-major index of the cell each point (xy, in cells) falls into, clamped to the (h, w) grid."""
    height, width = size
    cell = points.floor().long()
    return cell[..., 1].clamp(0, height - 1) * width + cell[..., 0].clamp(0, width - 1)


def cell_corner(index: Int[Tensor, "*n"], width: int) -> Float[Tensor, "*n 2"]:
    """xy of the upper left corner of flat cells, in cells."""
    return torch.stack([index % width, index // width], -1).float()


def owners(cells: Int[Tensor, "B M"], valid: Tensor, count: int) -> Int[Tensor, "B C"]:
    """For each of ``count`` flat cells the slot that sits in it, or -1; the later slot wins a shared cell.

    A loop over slots and not one scatter: scatter with repeated indices is not deterministic on a GPU.
    """
    batch = torch.arange(len(cells), device=cells.device)
    out = torch.full((len(cells), count), -1, dtype=torch.long, device=cells.device)
    for slot in range(cells.shape[1]):
        at = cells[:, slot]
        out[batch, at] = torch.where(valid[:, slot], slot, out[batch, at])
    return out


def gather_cells(maps: Float[Tensor, "B *c h w"], cells: Int[Tensor, "B n"]) -> Float[Tensor, "B n *c"]:
    """Values of dense maps at flat cells, channels last."""
    batch, *channels = maps.shape[:-2]
    flat = maps.reshape(batch, -1, maps.shape[-2] * maps.shape[-1])
    index = cells[:, None].expand(-1, flat.shape[1], -1)
    return flat.gather(2, index).mT.unflatten(-1, channels) if channels else flat.gather(2, index)[:, 0]
