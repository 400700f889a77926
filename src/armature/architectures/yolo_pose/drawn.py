"""What can be looked at of YOLOv8-pose's targets."""

from __future__ import annotations

import torch

from armature.ops.drawable import Boxes, Drawable, Maps, Places, channels
from armature.structures import Outputs, Target


def of_targets(outputs: Outputs, targets: dict[str, Target]) -> dict[str, Drawable]:
    """The anchors that learn somebody, their boxes, and from each of them the keypoints."""
    anchors, strides = outputs["anchors"].float(), outputs["strides"].float()
    boxes, joints = targets["boxes"], targets["keypoints"]
    image, anchor = (boxes.weight[..., 0] > 0).nonzero().unbind(1)
    corners = torch.cat([anchors, anchors], 1)[anchor] + boxes.value[image, anchor] * strides[anchor, None]
    at, a, k = (joints.weight[..., 0] > 0).nonzero().unbind(1)
    points = anchors[a] + joints.value[at, a, k] * strides[a, None]
    maps: dict[str, Drawable] = {}
    if (heat := targets.get("heatmaps")) is not None and torch.equal(anchors[0], strides[:1].expand(2) / 2):
        # Only a grid that begins where the canvas does lies over it.
        maps["heatmaps"] = Maps(heat.value, channels(*[heat.value.shape[1]] * 2), heat.weight)
    return maps | {
        "scores": Places(anchors[anchor], image, torch.full_like(image, -1)),
        "boxes": Boxes(corners, image),
        "keypoints": Places(points, at, k, anchors[a]),
    }
