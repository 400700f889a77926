"""Which regions a step looks at when it is told where people are."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from armature.architectures.keypoint_rcnn.proposals import Regions
from armature.ops.matching import NOBODY, balanced, overlaps, owners_by_overlap
from armature.structures import Instances


@dataclass(frozen=True)
class RegionSampling:
    """A random choice of proposals and true boxes (Girshick 2015, section 2.3).

    Attributes:
        count: per image. share: of them at most, that are somebody's.
        overlap: a region is somebody's from this IoU on.
    """

    count: int = 512
    share: float = 0.25
    overlap: float = 0.5

    @torch.no_grad()
    def __call__(self, regions: Regions, people: Instances) -> Regions:
        """The chosen ones, those that are somebody's not apart."""
        boxes = torch.cat([regions.boxes, people.boxes.to(regions.boxes)], 1)
        valid = torch.cat([regions.valid, people.valid], 1)
        mine = self.somebodys(boxes, people) & valid
        chosen = balanced(mine, ~mine & valid, self.count, self.share)
        # Packed: every image's chosen boxes first, in their order.
        order = chosen.to(torch.int8).sort(dim=1, descending=True, stable=True).indices[:, : self.count]
        most = max(1, int(chosen.sum(1).max()))
        order = order[:, :most]
        return Regions(boxes.gather(1, order[..., None].expand(-1, -1, 4)), chosen.gather(1, order))

    def somebodys(self, boxes: Tensor, people: Instances) -> Tensor:
        """(B R): which boxes are somebody's."""
        shared = overlaps(people.boxes.to(boxes), people.valid, boxes)
        return owners_by_overlap(shared, self.overlap, self.overlap) > NOBODY
