"""Which boxes belong to which people, and which of them a step learns from."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

#: Owners that are no slot: nobody's, and too close to call.
NOBODY, UNSURE = -1, -2


def overlaps(
    people: Float[Tensor, "B M 4"], valid: Bool[Tensor, "B M"], boxes: Float[Tensor, "B N 4"]
) -> Float[Tensor, "B M N"]:
    """IoU of every person with every box, xyxy; -1 for empty slots."""
    # Coordinate by coordinate and in place: with a quarter of a million anchors memory is what takes the time.
    px1, py1, px2, py2 = (v[:, :, None] for v in people.unbind(-1))
    x1, y1, x2, y2 = (v[:, None] for v in boxes.mT.contiguous().unbind(1))
    across = torch.minimum(px2, x2).sub_(torch.maximum(px1, x1)).clamp_(min=0)
    down = torch.minimum(py2, y2).sub_(torch.maximum(py1, y1)).clamp_(min=0)
    shared = across.mul_(down)
    total = ((px2 - px1) * (py2 - py1) + (x2 - x1) * (y2 - y1)).sub_(shared)
    return shared.div_(total.clamp_(min=1e-9)).masked_fill_(~valid[:, :, None], -1)


def owners_by_overlap(
    shared: Float[Tensor, "B M N"], low: float, high: float, at_least_one: bool = False
) -> Int[Tensor, "B N"]:
    """The slot of the person each box overlaps most, ``NOBODY`` below ``low``, ``UNSURE`` between ``low`` and ``high``.

    (Ren et al. 2015, section 3.1.2.)

    Args:
        shared: IoU of people and boxes, -1 for empty slots.
        at_least_one: the boxes that overlap a person best (all that tie) are somebody's whatever their IoU: that of the
            person they overlap most themselves. A person that no box touches gets none.
    """
    best = shared.max(1)
    owner = best.indices.masked_fill(best.values < high, UNSURE).masked_fill(best.values < low, NOBODY)
    if at_least_one:
        most = shared.amax(2, keepdim=True)
        chosen = ((shared == most) & (most > 0)).any(1)
        owner = torch.where(chosen, best.indices, owner)
    return owner


def balanced(
    positive: Bool[Tensor, "B N"], negative: Bool[Tensor, "B N"], count: int, share: float
) -> Bool[Tensor, "B N"]:
    """A random choice of ``count`` an image, at most ``share`` of them positive, the rest negative as far as there are.

    (Ren et al. 2015, section 3.1.3; Girshick 2015, section 2.3.)
    """
    most = int(count * share)
    ours = _random(positive, torch.full_like(positive[:, 0], most, dtype=torch.long), most)
    others = _random(negative, count - ours.sum(1), count)
    return ours | others


def _random(mask: Bool[Tensor, "B N"], quota: Int[Tensor, " B"], most: int) -> Bool[Tensor, "B N"]:
    """At most ``quota`` (never above ``most``) of those in the mask, all equally likely."""
    lot = torch.rand(mask.shape, device=mask.device).masked_fill_(~mask, -1)
    best = lot.topk(min(most, mask.shape[1]), dim=1)
    place = torch.arange(best.values.shape[1], device=mask.device)
    return torch.zeros_like(mask).scatter_(1, best.indices, (best.values >= 0) & (place < quota[:, None]))


def covered(mask: Bool[Tensor, "B H W"], boxes: Float[Tensor, "B N 4"]) -> Float[Tensor, "B N"]:
    """The share of each box (xyxy, mask px, rounded to whole pixels, cut off at the border) that the mask covers."""
    height, width = mask.shape[1:]
    sums = torch.nn.functional.pad(
        mask.to(torch.int32).cumsum(1, dtype=torch.int32).cumsum(2, dtype=torch.int32), (1, 0, 1, 0)
    )
    limit = torch.tensor([width, height] * 2, device=boxes.device)
    x1, y1, x2, y2 = torch.minimum(boxes.round().long().clamp(min=0), limit).unbind(-1)
    flat = sums.flatten(1)

    def upto(x: Tensor, y: Tensor) -> Tensor:
        return flat.gather(1, y * (width + 1) + x)

    inside = upto(x2, y2) - upto(x1, y2) - upto(x2, y1) + upto(x1, y1)
    return inside / ((x2 - x1) * (y2 - y1)).clamp(min=1)
