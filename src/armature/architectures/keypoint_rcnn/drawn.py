"""What can be looked at of Keypoint R-CNN's targets."""

from __future__ import annotations

from torch import Tensor

from armature.ops.drawable import Boxes, Drawable, Places
from armature.structures import Outputs, Target


def of_targets(outputs: Outputs, targets: dict[str, Target], shift: float) -> dict[str, Drawable]:
    """Anchors and regions that are sampled as somebody's, the windows that learn keypoints, and these.

    Args:
        shift: of keypoints, canvas px, as the codec's.
    """
    images, windows = outputs["window_images"].long(), outputs["windows"].float()
    place, weight = targets["keypoints"].value, targets["keypoints"].weight[..., 0] > 0
    window, keypoint = weight.nonzero().unbind(1)
    low, size = windows[window, :2], windows[window, 2:] - windows[window, :2]
    points = low + place[window, keypoint] * size / outputs["keypoints"].shape[-1] + shift
    somebodys = window.unique()
    anchors = outputs["anchors"].expand(len(outputs["objectness"]), -1, -1)
    return {
        "objectness": _chosen(targets["objectness"], anchors),
        "roi_scores": _chosen(targets["roi_scores"], outputs["regions"]),
        "windows": Boxes(windows[somebodys], images[somebodys]),
        "keypoints": Places(points, images[window], keypoint),
    }


def _chosen(target: Target, boxes: Tensor) -> Boxes:
    """Of boxes (B N 4) those that are sampled and somebody's."""
    image, row = ((target.value > 0) & (target.weight > 0)).nonzero().unbind(1)
    return Boxes(boxes[image, row].float(), image)
