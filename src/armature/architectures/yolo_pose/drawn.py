"""What can be looked at of YOLOv8-pose's targets."""

from __future__ import annotations

import torch

from armature.ops.drawable import Boxes, Drawable, Places
from armature.structures import Outputs, Target


def of_targets(outputs: Outputs, targets: dict[str, Target]) -> dict[str, Drawable]:
    """The anchors that learn somebody, their boxes, and from each of them the keypoints."""
    anchors, strides = outputs["anchors"].float(), outputs["strides"].float()
    boxes, joints = targets["boxes"], targets["keypoints"]
    image, anchor = (boxes.weight[..., 0] > 0).nonzero().unbind(1)
    corners = torch.cat([anchors, anchors], 1)[anchor] + boxes.value[image, anchor] * strides[anchor, None]
    at, a, k = (joints.weight[..., 0] > 0).nonzero().unbind(1)
    points = anchors[a] + joints.value[at, a, k] * strides[a, None]
    return {
        "scores": Places(anchors[anchor], image, torch.full_like(image, -1)),
        "boxes": Boxes(corners, image),
        "keypoints": Places(points, at, k, anchors[a]),
    }
