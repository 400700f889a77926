"""Between interest points and the frame that everything else has: each point is somebody with one keypoint."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from armature.errors import ConfigError
from armature.structures import Batch, Outputs, Poses, Skeleton, Target


class InterestCodec:
    """Points as they are; there is nothing to encode, for nothing is learned.

    Args:
        skeleton: of one keypoint, ``interest_point``.

    Raises:
        ConfigError: a skeleton with names for several.
    """

    #: Points without names: a set of them can be compared with a set, and no point with its label.
    anonymous = True
    tolerance = 1.0

    def __init__(self, skeleton: Skeleton) -> None:
        if skeleton.count != 1:
            raise ConfigError(
                f"interest points have no names, and skeleton '{skeleton.name}' has {skeleton.count}: "
                "give skeleton=interest_point"
            )
        self.protocol = {
            "box_source": "none: interest points",
            "score_rule": "contrast as a share of the picture's strongest",
            "nms": "local maxima of the detector's response",
        }

    def encode(self, outputs: Outputs, batch: Batch) -> dict[str, Target]:
        """Nothing to learn: weight 0 everywhere."""
        scores = outputs["scores"]
        return {"scores": Target(torch.zeros_like(scores), torch.zeros_like(scores))}

    def decode(self, outputs: Outputs, canvas: tuple[int, int, int]) -> list[Poses]:
        """Each image's points, best first; the box has the point's scale on either side."""
        return [self._of(outputs, b) for b in range(canvas[0])]

    def _of(self, outputs: Outputs, image: int) -> Poses:
        found = outputs["found"][image]
        points, scores, scales = (outputs[name][image][found].float() for name in ("points", "scores", "scales"))
        boxes = torch.cat([points - scales[:, None], points + scales[:, None]], -1)
        return Poses(points[:, None], scores[:, None], boxes, scores)

    def unflip(self, outputs: Outputs, flipped: Outputs) -> Outputs:
        """The upright image's points alone: a mirror image has nothing to add to a detector."""
        return outputs

    def ideal(self, outputs: Outputs, targets: dict[str, Target]) -> Outputs:
        """What was found: there is no better answer."""
        return outputs


class Nothing(nn.Module):
    """The loss of what cannot be learned: zero, and attached to the graph."""

    def forward(self, output: Tensor, target: Target) -> Tensor:
        return (output * target.weight).sum()
