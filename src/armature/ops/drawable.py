"""What there is to draw of targets: maps, fields, boxes and places on a canvas. Tensors alone; nothing is drawn here.

A codec says by ``drawable(outputs, targets, canvas)`` what of its targets can be looked at, and where on the canvas it
lies; so that whoever draws need not know the codec.

Letters in shapes: B images, C channels, E limbs, N things of all images together, h w grid.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from armature.structures import Target


@dataclass(frozen=True)
class Maps:
    """Values on a grid over the canvas.

    Attributes:
        values: in [0, 1].
        keypoints: the keypoint that each channel is of, -1 for none.
        weight: broadcastable to values; 0 where nothing is supervised; None: everything is.
    """

    values: Float[Tensor, "B C h w"]
    keypoints: tuple[int, ...]
    weight: Tensor | None = None


@dataclass(frozen=True)
class Fields:
    """Vectors on a grid over the canvas, at most 1 long."""

    vectors: Float[Tensor, "B E 2 h w"]


@dataclass(frozen=True)
class Boxes:
    """Boxes xyxy in canvas px, each of the image with that index in the batch."""

    boxes: Float[Tensor, "N 4"]
    images: Int[Tensor, " N"]


@dataclass(frozen=True)
class Places:
    """Points in canvas px, each of the image with that index in the batch.

    Attributes:
        keypoints: which keypoint a point is, -1 for none.
        learners: where on the canvas what learns the point is (an anchor, a cell); None: nowhere in particular.
    """

    points: Float[Tensor, "N 2"]
    images: Int[Tensor, " N"]
    keypoints: Int[Tensor, " N"]
    learners: Float[Tensor, "N 2"] | None = None


Drawable = Maps | Fields | Boxes | Places


def by_shape(targets: dict[str, Target], keypoints: int) -> dict[str, Drawable]:
    """What can be drawn of targets of which nothing but their shapes is known.

    (B C h w) within [0, 1] are maps, of the keypoints in order where there are as many channels or one more (a
    background); (B E 2 h w) with vectors at most 1 long are fields. Everything else is left out.
    """
    found: dict[str, Drawable] = {}
    for name, (value, weight, _) in targets.items():
        if not value.is_floating_point() or not value.numel():
            continue
        if value.ndim == 4 and bool((value >= 0).all()) and bool((value <= 1).all()):
            found[name] = Maps(value, channels(value.shape[1], keypoints), weight)
        elif value.ndim == 5 and value.shape[2] == 2 and bool((value.norm(dim=2) <= 1.001).all()):
            found[name] = Fields(value)
    return found


def channels(count: int, keypoints: int) -> tuple[int, ...]:
    """The keypoint of each of ``count`` channels, where they are the keypoints in order and perhaps a background."""
    named = keypoints if count in (keypoints, keypoints + 1) else 0
    return (*range(named), *[-1] * (count - named))


def everywhere(keypoints: int, count: int, device: torch.device) -> Int[Tensor, " N"]:
    """0 to K - 1 for each of ``count`` people in turn: the keypoints of rows that hold all points of a person."""
    return torch.arange(keypoints, device=device).repeat(count)
