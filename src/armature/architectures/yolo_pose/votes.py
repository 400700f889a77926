"""Where YOLOv8-pose's anchors say that keypoints are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from armature.ops.votes import Votes
from armature.structures import Outputs

if TYPE_CHECKING:
    from armature.architectures.yolo_pose.codec import YOLOPoseCodec


def votes(codec: YOLOPoseCodec, outputs: Outputs, canvas: tuple[int, int, int]) -> list[list[Votes]]:
    """Each image's anchors as candidates, weighted by the person's score times the keypoint's visibility."""
    points, strides = outputs["anchors"].float(), outputs["strides"].float()
    places = points[:, None] + outputs["keypoints"].float() * strides[:, None, None] + codec.shift
    weights = outputs["scores"][..., :1].float().sigmoid() * outputs["visibility"].float().sigmoid()
    return [[Votes(places[b].transpose(0, 1), weights[b].T)] for b in range(canvas[0])]
