"""How much boxes overlap, pair by pair."""

from __future__ import annotations

import math
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torchvision.ops import box_iou

Overlap = Literal["iou", "giou", "ciou"]


def paired_overlap(
    a: Float[Tensor, "*n 4"], b: Float[Tensor, "*n 4"], kind: Overlap = "iou", eps: float = 1e-7
) -> Float[Tensor, "*n"]:
    """The overlap of boxes with boxes, xyxy in any unit; 1 where they are equal.

    Args:
        kind: ``iou`` in [0, 1]; ``giou`` less the share of the hull that neither covers (Rezatofighi et al. 2019);
            ``ciou`` less the distance of the centres and the difference of the aspects (Zheng et al. 2020, eq. 5-11),
            whose trade-off is not differentiated.
        eps: keeps quotients finite.
    """
    size_a, size_b = a[..., 2:] - a[..., :2], b[..., 2:] - b[..., :2]
    shared = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0).prod(-1)
    union = size_a.prod(-1) + size_b.prod(-1) - shared
    iou = shared / (union + eps)
    if kind == "iou":
        return iou
    hull = torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])
    if kind == "giou":
        area = hull.prod(-1)
        return iou - (area - union) / (area + eps)
    between = (a[..., :2] + a[..., 2:] - b[..., :2] - b[..., 2:]).square().sum(-1) / 4
    return iou - between / (hull.square().sum(-1) + eps) - _aspect(iou, size_a, size_b, eps)


def _aspect(iou: Tensor, size_a: Tensor, size_b: Tensor, eps: float) -> Tensor:
    """CIoU's penalty for another ratio of width to height, already weighted."""
    angles = [torch.atan(size[..., 0] / size[..., 1].clamp(min=eps)) for size in (size_a, size_b)]
    difference = (4 / math.pi**2) * (angles[0] - angles[1]).square()
    with torch.no_grad():
        weight = difference / (1 - iou + difference + eps)
    return weight * difference


def mirrored(boxes: Float[Tensor, "*n 4"], width: float | Tensor) -> Float[Tensor, "*n 4"]:
    """The same boxes on mirrored images of this width."""
    x1, y1, x2, y2 = boxes.unbind(-1)
    return torch.stack([width - x2, y1, width - x1, y2], -1)


def twins(
    boxes: Float[Tensor, "n 4"],
    images: Int[Tensor, " n"],
    others: Float[Tensor, "m 4"],
    other_images: Int[Tensor, " m"],
) -> tuple[Int[Tensor, " n"], Float[Tensor, " n"]]:
    """For each box the one of the others in the same image that it overlaps most, and their IoU; (0, 0) for none.

    A box of image -1 is nobody's twin.
    """
    if not len(boxes) or not len(others):
        return images.new_zeros(len(boxes), dtype=torch.long), boxes.new_zeros(len(boxes))
    same = (images[:, None] == other_images) & (other_images >= 0)
    best = (box_iou(boxes, others) * same).max(1)
    return best.indices, best.values
