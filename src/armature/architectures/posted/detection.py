"""What finds people before their keypoints: the interface, and any other detector behind it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import torch
from jaxtyping import Float
from torch import Tensor, nn

from armature.structures import Outputs


class Found(NamedTuple):
    """People found in ONE image, best first: boxes xyxy in canvas px, scores in [0, 1]."""

    boxes: Float[Tensor, "N 4"]
    scores: Float[Tensor, " N"]


#: Any detector: float images in [0, 1] -> the people in each, in canvas px. Learns nothing here.
Detector = Callable[[Tensor], list[Found]]


class TrainedDetector(Protocol):
    """A detector that is part of the network: dense outputs to learn from, and the people in them."""

    #: Canvas sides must be multiples of this.
    divisor: int

    def __call__(self, images: Float[Tensor, "B 3 H W"]) -> Outputs: ...

    def find(self, images: Float[Tensor, "B 3 H W"], outputs: Outputs) -> list[Found]: ...


class External(nn.Module):
    """A detector that was made elsewhere, behind the interface of a trained one; its dense outputs have no anchor."""

    divisor = 1

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, images: Tensor) -> Outputs:
        return no_anchors(images)

    @torch.no_grad()
    def find(self, images: Tensor, outputs: Outputs) -> list[Found]:
        return [Found(boxes.to(images.device), scores.to(images.device)) for boxes, scores in self.detector(images)]


def no_anchors(images: Tensor) -> Outputs:
    """The dense outputs of a detector that has none."""
    batch = len(images)
    return {
        "boxes": images.new_zeros(batch, 0, 4),
        "objectness": images.new_zeros(batch, 0),
        "classes": images.new_zeros(batch, 0, 1),
        "anchors": images.new_zeros(0, 3, 2),
        "grids": torch.zeros(0, 3, dtype=torch.long, device=images.device),
    }
