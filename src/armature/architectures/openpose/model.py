"""OpenPose: heatmaps of parts and fields along limbs, refined over stages (Cao et al. 2017, 2021; Osokin 2018)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from armature.architectures.openpose.parts import Limbs, make_parts
from armature.architectures.openpose.stages import MakeStages
from armature.structures import Instances, Outputs, Skeleton


class OpenPose(nn.Module):
    """Heatmaps of P parts and the background, and part affinity fields of E limbs; every stage of both.

    Args:
        skeleton: gives K keypoints. derived, limbs: see ``parts.make_parts``; the codec must be given the same.
        trunk: images -> one map; has ``channels``.
        stages: called with the channels of trunk, heatmaps and fields (``stages``).
        stride: canvas px per cell of the trunk. Canvases that it does not divide are filled up on the right and below,
            with 0.5, and the grid sticks out.

    Returns:
        heatmaps (S B P+1 h w), around 0 to 1, no logits; pafs (S' B E 2 h w), xy. S and S' may differ.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        trunk: nn.Module,
        stages: MakeStages,
        derived: Mapping[str, Sequence[str]] | None = None,
        limbs: Limbs = None,
        stride: int = 8,
    ) -> None:
        super().__init__()
        parts = make_parts(skeleton, derived, limbs)
        self.limbs, self.stride = len(parts.limbs), stride
        self.trunk = trunk
        self.stages = stages(trunk.channels, parts.count + 1, 2 * self.limbs)  # type: ignore[arg-type]

    def forward(self, images: Float[Tensor, "B 3 H W"], instances: Instances | None = None) -> Outputs:
        height, width = images.shape[-2:]
        right, below = -width % self.stride, -height % self.stride
        if right or below:
            images = F.pad(images, (0, right, 0, below), value=0.5)
        fields, heatmaps = self.stages(self.trunk(images))
        return {
            "heatmaps": torch.stack(heatmaps),
            "pafs": torch.stack(fields).unflatten(2, (self.limbs, 2)),
        }
