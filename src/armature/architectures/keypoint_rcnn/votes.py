"""Where Keypoint R-CNN's maps of each window say that keypoints may be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from armature.ops.votes import Votes, middles
from armature.structures import Outputs

if TYPE_CHECKING:
    from armature.architectures.keypoint_rcnn.codec import KeypointRCNNCodec


def votes(codec: KeypointRCNNCodec, outputs: Outputs, canvas: tuple[int, int, int]) -> list[list[Votes]]:
    """Each window's cells as candidates for its person, weighted by the softmax over the window."""
    maps, windows = outputs["keypoints"].float(), outputs["windows"].float()
    height, width = maps.shape[-2:]
    unit = middles(height, width, maps) / maps.new_tensor([width, height])
    weights = maps.flatten(2).softmax(-1)
    found: list[list[Votes]] = [[] for _ in range(canvas[0])]
    for i, image in enumerate(outputs["window_images"].tolist()):
        places = windows[i, :2] + unit * (windows[i, 2:] - windows[i, :2])
        found[image].append(Votes(places[None], weights[i], outputs["detections"][i].float()))
    return found
