"""Targets of the keypoint heatmaps that YOLOv8-pose may learn beside its people."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from armature.ops.gaussians import peaks_of_people, unless_ignored
from armature.ops.grids import cells_inside
from armature.structures import Batch, Target


def heatmaps(
    batch: Batch, ignored: Bool[Tensor, "B h w"], first: Float[Tensor, "2"], stride: Float[Tensor, ""]
) -> Target:
    """(B K h w): gaussians at the labelled points, as CenterNet's (Zhou et al. 2019); nothing under ``ignore``.

    Args:
        ignored: cells of the finest level under ``ignore``. first: its first anchor, canvas px. stride: its, px.
    """
    people, corner = batch.instances, first - stride / 2
    shape = (ignored.shape[1], ignored.shape[2])
    cells = (people.keypoints - corner) / stride
    labelled = (people.visibility > 0) & people.valid[..., None]
    boxes = (people.boxes - torch.cat([corner, corner])) / stride
    heat = peaks_of_people(boxes, cells, labelled, shape, kind="released")
    # Points of somebody without a labelled one are there, but nobody said where.
    unknown = ignored | cells_inside(boxes, people.valid & ~labelled.any(-1), shape)
    return Target(heat, unless_ignored(heat, unknown) * batch.knows()[:, :, None, None])
