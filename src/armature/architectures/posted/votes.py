"""Where the regions that were looked into say that keypoints are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from armature.architectures.posted import crops
from armature.ops.votes import Votes
from armature.structures import Outputs

if TYPE_CHECKING:
    from armature.architectures.posted.codec import PoseTEDCodec


def votes(codec: PoseTEDCodec, outputs: Outputs, canvas: tuple[int, int, int]) -> list[list[Votes]]:
    """Each image's regions as candidates, weighted by the region's score times the keypoint's."""
    points, scores = codec._resolved(outputs)
    points = crops.apply(outputs["crops"].float(), points)
    weights = scores * outputs["region_scores"].float()[:, None]
    image = outputs["region_images"]
    mine = [(image == b).nonzero().flatten() for b in range(canvas[0])]
    return [[Votes(points[i].transpose(0, 1), weights[i].T)] for i in mine]
