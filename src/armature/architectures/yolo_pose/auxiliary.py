"""Targets of the keypoint heatmaps that YOLOv8-pose may learn beside its people."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from armature.ops.gaussians import box_radius, splat
from armature.ops.grids import cells_inside, ignored_cells
from armature.structures import Batch, Target


def heatmaps(
    size: tuple[int, int] | torch.Size, batch: Batch, points: Float[Tensor, "A 2"], stride: Float[Tensor, ""]
) -> Target:
    """(B K h w): gaussians at the labelled points, as CenterNet's (Zhou et al. 2019); nothing under ``ignore``.

    Args:
        size: (h, w) of the finest level. points: of all anchors, canvas px, that level's first. stride: its, px.
    """
    people, corner = batch.instances, points[0] - stride / 2
    shape = (int(size[0]), int(size[1]))
    cells = (people.keypoints - corner) / stride
    labelled = (people.visibility > 0) & people.valid[..., None]
    limit = cells.new_tensor([shape[1], shape[0]])
    on = labelled & ((cells >= 0) & (cells < limit)).all(-1)
    boxes = (people.boxes - torch.cat([corner, corner])) / stride
    radii = box_radius((boxes[..., 2:] - boxes[..., :2]).flip(-1), 0.7, "released").floor()
    heat = splat(cells.floor().long(), radii, on, shape)
    # Points of somebody without a labelled one are there, but nobody said where.
    unknown = ignored_cells(batch.ignore, shape) | cells_inside(boxes, people.valid & ~labelled.any(-1), shape)
    weight = (~unknown[:, None] | (heat >= 1)).to(heat.dtype)
    return Target(heat, weight * batch.knows()[:, :, None, None])
