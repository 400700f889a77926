"""One box for each object."""

from __future__ import annotations

import torch
import torchvision
from jaxtyping import Bool, Float, Int
from torch import Tensor

#: Boxes looked at first: enough to hide the cost of a call, few enough to be compared one by one.
_BLOCK = 256


def suppress(
    boxes: Float[Tensor, "n 4"],
    scores: Float[Tensor, " n"],
    overlap: float = 0.7,
    min_score: float = 0.0,
    candidates: int = 1000,
    most: int = 300,
) -> Int[Tensor, " m"]:
    """Indices of the boxes that no better one among them overlaps by more than ``overlap`` IoU, best first.

    Args:
        boxes: xyxy, any unit.
        min_score: a box needs more than this.
        candidates: only the best so many are looked at.
        most: answers at most so many.
    """
    at = (scores > min_score).nonzero().flatten()
    best = scores[at].float().topk(min(candidates, len(at)))
    at = at[best.indices]
    ordered = boxes[at].float()
    if boxes.is_cuda:
        return at[torchvision.ops.nms(ordered, best.values, overlap)[:most]]
    return at[_greedy(ordered, best.values, overlap, most)]


def _greedy(boxes: Float[Tensor, "n 4"], scores: Float[Tensor, " n"], overlap: float, most: int) -> Int[Tensor, " m"]:
    """Greedy suppression of boxes that come best first.

    The same boxes as torchvision's loop over all of them, which needs 5 ms for 1,000 boxes that all survive: a block is
    first freed of what earlier survivors overlap, all at once, and the search ends when ``most`` are found. The fewer
    survived, the more are looked at next.
    """
    kept, found = boxes[:0], [torch.empty(0, dtype=torch.long)]
    start, size = 0, _BLOCK
    while start < len(boxes):
        block = boxes[start : start + size]
        free = (~_overlapping(kept, block, overlap).any(0)).nonzero().flatten() + start
        alone = free[torchvision.ops.nms(boxes[free], scores[free], overlap)]
        kept = torch.cat([kept, boxes[alone]])
        found.append(alone)
        if len(kept) >= most:
            break
        start += size
        size = _BLOCK * len(block) // max(1, len(alone))
    return torch.cat(found)[:most]


def _overlapping(a: Float[Tensor, "n 4"], b: Float[Tensor, "m 4"], overlap: float) -> Bool[Tensor, "n m"]:
    """Whether the IoU is above ``overlap``; without a division: shared > t (a + b - shared)."""
    (ax1, ay1, ax2, ay2), (bx1, by1, bx2, by2) = a.mT[..., None].contiguous(), b.mT.contiguous()
    across = torch.minimum(ax2, bx2).sub_(torch.maximum(ax1, bx1)).clamp_(min=0)
    down = torch.minimum(ay2, by2).sub_(torch.maximum(ay1, by1))
    shared = across.mul_(down).mul_(1 + overlap)
    return shared > ((ax2 - ax1) * (ay2 - ay1) * overlap) + ((bx2 - bx1) * (by2 - by1) * overlap)
