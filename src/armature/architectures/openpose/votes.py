"""Where OpenPose's part maps say that keypoints may be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from armature.ops.votes import Votes, of_maps
from armature.structures import Outputs

if TYPE_CHECKING:
    from armature.architectures.openpose.codec import OpenPoseCodec


def votes(codec: OpenPoseCodec, outputs: Outputs, canvas: tuple[int, int, int]) -> list[list[Votes]]:
    """Each image's cells of the keypoints' maps, weighted by their heat; of the last stage, without derived parts."""
    heat = outputs["heatmaps"].float()
    return of_maps((heat[-1] if heat.ndim > 4 else heat)[:, : codec.parts.keypoints], canvas[2])
