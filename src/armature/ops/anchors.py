"""Boxes of fixed sizes and shapes at every cell of a feature pyramid, and boxes told relative to them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

#: Sizes grow at most by this factor, so that a fresh network's exponential stays finite (Girshick's released code).
_LARGEST_LOG = math.log(1000 / 16)


def cell_anchors(sizes: Sequence[float], ratios: Sequence[float]) -> Float[Tensor, "a 4"]:
    """Anchors around the origin, xyxy in canvas px, of area size^2 and height / width = ratio; ratios outermost.

    Corners are rounded to whole pixels, as in every released Faster R-CNN (Ren et al. 2015).
    """
    shape = torch.tensor(ratios, dtype=torch.float32).sqrt()[:, None]
    size = torch.tensor(sizes, dtype=torch.float32)
    width, height = ((1 / shape) * size).flatten(), (shape * size).flatten()
    return (torch.stack([-width, -height, width, height], 1) / 2).round()


def grid_anchors(
    cells: Float[Tensor, "a 4"], grid: tuple[int, int], canvas: tuple[int, int]
) -> Float[Tensor, "h*w*a 4"]:
    """Anchors of every cell of a level, canvas px, in the order (row, column, anchor).

    They stand on the upper left corners of the cells, whose stride is the whole number of pixels that fits:
    torchvision's convention, which released weights have learned.

    Args:
        cells: anchors around the origin. grid: (h, w) of the level. canvas: (H, W) that the levels were computed from.
    """
    down, right = (canvas[0] // grid[0], canvas[1] // grid[1])
    x = torch.arange(grid[1], device=cells.device, dtype=torch.float32) * right
    y = torch.arange(grid[0], device=cells.device, dtype=torch.float32) * down
    y, x = torch.meshgrid(y, x, indexing="ij")
    return (torch.stack([x, y, x, y], -1)[:, :, None] + cells).view(-1, 4)


def to_deltas(
    boxes: Float[Tensor, "*n 4"], anchors: Float[Tensor, "*n 4"], scale: Sequence[float] = (1.0, 1.0, 1.0, 1.0)
) -> Float[Tensor, "*n 4"]:
    """What moves anchors onto boxes: shift over size and log of the factor, times ``scale`` (Girshick et al. 2014).

    Args:
        boxes, anchors: xyxy, any unit. scale: of dx, dy, dw, dh.
    """
    size = anchors[..., 2:] - anchors[..., :2]
    to = boxes[..., 2:] - boxes[..., :2]
    shift = (boxes[..., :2] + 0.5 * to - anchors[..., :2] - 0.5 * size) / size
    return torch.cat([shift, (to / size).log()], -1) * torch.tensor(scale, device=boxes.device, dtype=boxes.dtype)


def from_deltas(
    deltas: Float[Tensor, "*n 4"], anchors: Float[Tensor, "*n 4"], scale: Sequence[float] = (1.0, 1.0, 1.0, 1.0)
) -> Float[Tensor, "*n 4"]:
    """The boxes that ``to_deltas`` has told relative to anchors; sizes grow by at most 1000 / 16."""
    deltas = deltas / torch.tensor(scale, device=deltas.device, dtype=deltas.dtype)
    size = anchors[..., 2:] - anchors[..., :2]
    centre = deltas[..., :2] * size + (anchors[..., :2] + 0.5 * size)
    half = deltas[..., 2:].clamp(max=_LARGEST_LOG).exp() * size * 0.5
    return torch.cat([centre - half, centre + half], -1)


def clipped(boxes: Float[Tensor, "*n 4"], canvas: tuple[int, int]) -> Float[Tensor, "*n 4"]:
    """Boxes cut off at the border of the canvas (H, W)."""
    limit = torch.tensor([canvas[1], canvas[0]] * 2, device=boxes.device, dtype=boxes.dtype)
    return torch.minimum(boxes.clamp(min=0), limit)
