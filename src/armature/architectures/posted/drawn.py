"""What can be looked at of the detector's and the crops' targets."""

from __future__ import annotations

import torch
from torch import Tensor

from armature.architectures.posted import crops
from armature.ops.drawable import Boxes, Drawable, Places
from armature.structures import Outputs, Target


def of_targets(outputs: Outputs, targets: dict[str, Target]) -> dict[str, Drawable]:
    """The boxes that anchors learn, the crops that are of somebody, and the keypoints in them (of the last layer)."""
    boxes = targets["boxes"]
    image, anchor = (boxes.weight[..., 0] > 0).nonzero().unbind(1)
    points, weight = targets["keypoints"].value, targets["keypoints"].weight[..., 0] > 0
    on_canvas = crops.apply(outputs["crops"].float(), points[-1] if points.ndim > 3 else points)
    region, query = (weight[-1] if weight.ndim > 2 else weight).nonzero().unbind(1)
    keypoint = query if "types" not in targets else targets["types"].value[-1, region, query].argmax(-1)
    somebodys = region.unique()
    images = outputs["region_images"].long()
    return {
        "boxes": Boxes(boxes.value[image, anchor], image),
        "crops": Boxes(_bounds(outputs["crops"][somebodys].float()), images[somebodys]),
        "keypoints": Places(on_canvas[region, query], images[region], keypoint),
    }


def _bounds(maps: Tensor) -> Tensor:
    """(R 4): what the corners of crops span on the canvas."""
    corners = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]], device=maps.device)
    placed = crops.apply(maps, corners.expand(len(maps), 4, 2))
    return torch.cat([placed.amin(1), placed.amax(1)], 1)
