"""What can be looked at of OpenPose's targets."""

from __future__ import annotations

from armature.ops.drawable import Drawable, Fields, Maps
from armature.structures import Target


def of_targets(targets: dict[str, Target], keypoints: int) -> dict[str, Drawable]:
    """Gaussians of the parts (derived ones are of no keypoint), the background, and the limbs' vectors."""
    heat, fields = targets["heatmaps"], targets["pafs"]
    weight = heat.weight.expand_as(heat.value)
    parts = heat.value.shape[1] - 1
    of = (*range(keypoints), *[-1] * (parts - keypoints))
    return {
        "heatmaps": Maps(heat.value[:, :-1], of, weight[:, :-1]),
        "background": Maps(heat.value[:, -1:], (-1,), weight[:, -1:]),
        "pafs": Fields(fields.value),
    }
