"""Keypoint heatmaps that YOLOv8-pose may have beside its people: their targets, and keypoints put at their peaks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from armature.ops.gaussians import peaks_of_people, unless_ignored
from armature.ops.grids import cells_inside
from armature.ops.peaks import centroids
from armature.ops.snapping import score_at, snapped
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


@dataclass(frozen=True)
class Snap:
    """Puts regressed keypoints at peaks of their heatmaps, as CenterNet does (Zhou et al. 2019, section 4.2).

    Args:
        score: a peak must reach this. reach: and lie within this share of the longer side of the person's box, which it
        must be in. most: peaks considered for each keypoint.
    """

    score: float
    reach: float
    most: int

    def __call__(
        self,
        heat: Float[Tensor, "B K h w"],
        grid: Float[Tensor, "3"],
        joints: Float[Tensor, "B N K 2"],
        boxes: Float[Tensor, "B N 4"],
        peaks: Callable[..., Any],
        nearest: Callable[..., Any],
    ) -> tuple[Float[Tensor, "B N K 2"], Float[Tensor, "B N K"]]:
        """Keypoints in canvas px, and the score that their heatmaps give each.

        Args:
            grid: ``heatmap_grid``. joints, boxes: canvas px. peaks, nearest: of ``ops.peaks`` and ``ops.snapping``.
        """
        corner, stride = grid.split([2, 1])
        joints = (joints - corner) / stride
        logits, cells = peaks(heat, self.most, torch.tensor(self.score).logit().item() - 1e-3)
        scores = logits.sigmoid()
        strong = centroids(heat, cells, logits=True).where(scores[..., None] > self.score, torch.inf)
        at = snapped(joints, (boxes - torch.cat([corner, corner])) / stride, strong, scores, self.reach, nearest)
        return at.joints * stride + corner, torch.where(at.found, at.scores, score_at(heat, joints))
