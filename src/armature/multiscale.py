"""Predictions from several sizes of the same images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from armature.architectures.protocol import Codec
from armature.errors import ConfigError
from armature.ops.soft_suppression import soft_suppress
from armature.structures import Outputs, Poses


class MultiScale:
    """People found at every scale, in canvas px, those that better ones overlap scored lower by soft suppression.

    The multi-scale test of the released CenterNet (Zhou et al. 2019; scales 0.5, 0.75, 1, 1.25 and 1.5 in its
    detection results); for any architecture whose boxes are those of people.

    Args:
        scales: factors of the canvas. deviation, floor: see ``soft_suppress``.

    Raises:
        ConfigError: a scale that is not above 0.
    """

    def __init__(
        self, scales: Sequence[float] = (0.5, 0.75, 1.0, 1.25, 1.5), deviation: float = 0.5, floor: float = 0.001
    ) -> None:
        if not scales or min(scales) <= 0:
            raise ConfigError(f"multi-scale test: scales are one or more factors above 0; found {list(scales)}")
        self.scales, self.deviation, self.floor = tuple(scales), deviation, floor

    def __call__(
        self, predict: Callable[[Tensor], Outputs], codec: Codec, images: Float[Tensor, "B 3 H W"]
    ) -> list[Poses]:
        """People of every image. ``predict``: images -> outputs, the flip test included where there is one."""
        found = [self._at(scale, predict, codec, images) for scale in self.scales]
        return [self._merged([people[b] for people in found]) for b in range(len(images))]

    def _at(self, scale: float, predict: Callable[[Tensor], Outputs], codec: Codec, images: Tensor) -> list[Poses]:
        height, width = images.shape[-2:]
        size = (round(height * scale), round(width * scale))
        if scale != 1:
            images = F.interpolate(images, size, mode="bilinear", align_corners=False, antialias=True)
        back = torch.diag(torch.tensor([width / size[1], height / size[0], 1.0]))
        outputs = predict(images)
        with torch.autocast(images.device.type, enabled=False):
            return [people.transform(back) for people in codec.decode(outputs, (len(images), *size))]

    def _merged(self, found: list[Poses]) -> Poses:
        fields = ("keypoints", "keypoint_scores", "boxes", "scores")
        people = Poses(*(torch.cat([getattr(p, field) for p in found]) for field in fields))
        return replace(people, scores=soft_suppress(people.boxes, people.scores, self.deviation, self.floor))
