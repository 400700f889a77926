"""Scores of objects that better ones overlap, lowered instead of left out."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torchvision.ops import box_iou


def soft_suppress(
    boxes: Float[Tensor, "n 4"], scores: Float[Tensor, " n"], deviation: float = 0.5, floor: float = 0.001
) -> Float[Tensor, " n"]:
    """Scores times exp(-IoU^2 / deviation) for every better box (Bodla et al. 2017, "Soft-NMS", eq. 3).

    Boxes count in the order of their lowered scores. One below ``floor`` keeps what it has and lowers no other.

    Args:
        boxes: xyxy, any unit. deviation: the paper's sigma.
    """
    lowered = torch.exp(-box_iou(boxes.float(), boxes.float()).square() / deviation)
    result, waiting = scores.clone(), scores >= floor
    while waiting.any():
        best = result.masked_fill(~waiting, -torch.inf).argmax()
        waiting[best] = False
        result = torch.where(waiting, result * lowered[best].to(result), result)
        waiting &= result >= floor
    return result
