"""Keypoint heatmaps that YOLOv8-pose may have beside its people."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from armature.ops.gaussians import peaks_of_people, unless_ignored
from armature.ops.grids import cells_inside
from armature.structures import Batch, Target


def cell_middles(grid: Float[Tensor, "3"], size: tuple[int, int]) -> Float[Tensor, "n 2"]:
    """xy on the canvas of the middles of all (h, w) cells of ``heatmap_grid``, row by row."""
    y, x = (torch.arange(length, device=grid.device) + 0.5 for length in size)
    return grid[:2] + torch.cartesian_prod(y, x).flip(-1) * grid[2]


def heatmaps(batch: Batch, ignored: Bool[Tensor, "B h w"], grid: Float[Tensor, "3"]) -> Target:
    """(B K h w): gaussians at the labelled points, as CenterNet's (Zhou et al. 2019); nothing under ``ignore``.

    Args:
        ignored: cells under ``ignore``. grid: ``heatmap_grid``.
    """
    people, (corner, stride) = batch.instances, grid.split([2, 1])
    shape = (ignored.shape[1], ignored.shape[2])
    cells = (people.keypoints - corner) / stride
    labelled = (people.visibility > 0) & people.valid[..., None]
    boxes = (people.boxes - torch.cat([corner, corner])) / stride
    heat = peaks_of_people(boxes, cells, labelled, shape, kind="released")
    # Points of somebody without a labelled one are there, but nobody said where.
    unknown = ignored | cells_inside(boxes, people.valid & ~labelled.any(-1), shape)
    return Target(heat, unless_ignored(heat, unknown) * batch.knows()[:, :, None, None])
