"""What can be looked at of CenterNet's targets."""

from __future__ import annotations

import torch
from torch import Tensor

from armature.ops.drawable import Boxes, Drawable, Maps, Places, channels
from armature.ops.grids import corners, stride_of
from armature.structures import Target


def of_targets(targets: dict[str, Target], width: int, shift: float) -> dict[str, Drawable]:
    """Gaussians of centres and joints; from the cells that learn them boxes, joints, and where in its cell a joint is.

    Args:
        width: of the canvas, px. shift: of keypoints, canvas px, as the codec's.
    """
    heat = targets["heatmaps"]
    count = heat.value.shape[1]
    center = targets["center"]
    return {
        "center": Maps(center.value, (-1,), center.weight),
        "heatmaps": Maps(heat.value, channels(count, count), heat.weight),
        "size": _boxes(targets, width),
        "joints": _places(targets["joints"], width, shift),
        "joint_offset": _places(_alone(targets["joint_offset"]), width, shift, named=False),
    }


def _boxes(targets: dict[str, Target], width: int) -> Boxes:
    """Of everybody, as the cells near the centre learn them."""
    size, offset = targets["size"].value, targets["offset"].value
    stride, grid = _grid(size, width)
    image, y, x = (targets["size"].weight[:, 0] > 0).nonzero().unbind(1)
    centre = (offset + grid)[image, :, y, x]
    half = size[image, :, y, x] / 2
    return Boxes(torch.cat([centre - half, centre + half], -1) * stride, image)


def _places(target: Target, width: int, shift: float, named: bool = True) -> Places:
    """From values (B K 2 h w), cells from each cell's corner, to the canvas, wherever they are learned."""
    stride, grid = _grid(target.value, width)
    image, k, y, x = (target.weight[:, :, 0] > 0).nonzero().unbind(1)
    points = (target.value + grid)[image, k, :, y, x] * stride + shift
    middles = (torch.stack([x, y], -1) + 0.5) * stride
    return Places(points, image, k if named else torch.full_like(k, -1), middles)


def _alone(target: Target) -> Target:
    """(B 2 h w) as (B 1 2 h w)."""
    return Target(target.value[:, None], target.weight[:, None])


def _grid(values: Tensor, width: int) -> tuple[float, Tensor]:
    """Canvas px per cell, and the corners of all cells (2 h w), in cells."""
    return stride_of(width, values.shape[-1]), corners((values.shape[-2], values.shape[-1]), values)
