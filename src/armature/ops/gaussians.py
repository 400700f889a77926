"""Gaussian targets on a grid; everything in cells."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from armature.ops.grids import on_grid

Radius = Literal["released", "corrected"]


def box_radius(sizes: Float[Tensor, "*n 2"], overlap: float = 0.7, kind: Radius = "corrected") -> Float[Tensor, "*n"]:
    """How far both corners of a box may move while it still overlaps the true one by ``overlap`` IoU, in cells.

    Args:
        sizes: (h, w) of boxes, in cells.
        overlap: the IoU that must remain.
        kind: ``corrected`` solves the three quadratics of CornerNet (Law & Deng 2018, section 3.2); ``released`` takes
            (b + sqrt(b^2 - 4ac)) / 2 in all three, as the code that trained the published CenterNet weights does
            (Zhou et al. 2019): two to four times larger, and needed with those weights.

    Returns:
        the radius, not rounded; the smallest of three cases (box shifted, shrunk, grown).
    """
    height, width = sizes.ceil().unbind(-1)
    total, area = height + width, height * width
    shifted = (torch.ones_like(total), total, area * (1 - overlap) / (1 + overlap))
    shrunk = (torch.full_like(total, 4.0), 2 * total, (1 - overlap) * area)
    grown = (torch.full_like(total, 4.0 * overlap), -2 * overlap * total, (overlap - 1) * area)
    roots = []
    for (a, b, c), sign in ((shifted, -1), (shrunk, -1), (grown, 1)):
        root = (b * b - 4 * a * c).clamp(min=0).sqrt()
        roots.append((b + root) / 2 if kind == "released" else (b + sign * root) / (2 * a))
    return torch.stack(roots).amin(0).clamp(min=0)


def splat(
    cells: Int[Tensor, "B M C 2"], radii: Float[Tensor, "B M"], on: Bool[Tensor, "B M C"], size: tuple[int, int]
) -> Float[Tensor, "B C h w"]:
    """The element-wise maximum over M of gaussians that are exactly 1 at their cell.

    Args:
        cells: integer xy of each peak. radii: window half-size; sigma is (2 r + 1) / 6 (Zhou et al. 2019, section 4).
        on: which peaks exist. size: (h, w).
    """
    height, width = size
    sigma = (2 * radii + 1) / 6
    # A gaussian and its square window are separable: exponentials in 1-D, one product per person slot.
    across = _profile(cells[..., 0], width, radii, sigma)
    down = _profile(cells[..., 1], height, radii, sigma) * on[..., None]
    out = across.new_zeros(cells.shape[0], cells.shape[2], height, width)
    for m in range(cells.shape[1]):
        torch.maximum(out, down[:, m, :, :, None] * across[:, m, :, None, :], out=out)
    return out


def peaks_of_people(
    boxes: Float[Tensor, "B M 4"],
    points: Float[Tensor, "B M C 2"],
    on: Bool[Tensor, "B M #C"],
    size: tuple[int, int],
    overlap: float = 0.7,
    kind: Radius = "corrected",
) -> Float[Tensor, "B C h w"]:
    """Gaussians at the people's points, all with the person's own ``box_radius``; points beside the grid have none.

    Args:
        boxes, points: in cells. on: which points exist. size: (h, w). overlap, kind: of ``box_radius``.
    """
    radii = box_radius((boxes[..., 2:] - boxes[..., :2]).flip(-1), overlap, kind).floor()
    cells = points.floor().long()
    return splat(cells, radii, on & on_grid(cells, size), size)


def unless_ignored(heat: Float[Tensor, "B C h w"], ignored: Bool[Tensor, "B h w"]) -> Float[Tensor, "B C h w"]:
    """Weights of a heatmap: 1, but 0 at ignored cells that are no peak."""
    return (~ignored[:, None] | (heat >= 1)).float()


def _profile(at: Tensor, length: int, radii: Tensor, sigma: Tensor) -> Tensor:
    distance = torch.arange(length, device=at.device) - at[..., None]
    value = torch.exp(-distance.square() / (2 * sigma[:, :, None, None].square()))
    return value * (distance.abs() <= radii[:, :, None, None])
