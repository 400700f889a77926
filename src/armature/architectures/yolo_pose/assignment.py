"""Which anchor learns which person: task-aligned assignment (Feng et al. 2021, TOOD, section 3.2)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from armature.ops.overlaps import paired_overlap

_EPS = 1e-9


class Assignment(NamedTuple):
    """What each anchor learns.

    Attributes:
        owner: the person's slot, -1 for nobody.
        quality: what its score should be, in [0, 1]; 0 for nobody.
    """

    owner: Int[Tensor, "B A"]
    quality: Float[Tensor, "B A"]


class TaskAligned:
    """Each person gets the anchors whose score and box together suit it best, among those inside its box.

    Alignment is score^alpha * overlap^beta, overlap the CIoU of the predicted with the true box, at least 0. An anchor
    that several people ask for goes to the one it overlaps most, of all in whose box it lies. An anchor's quality is
    its alignment, scaled so that a person's best aligned anchor has the person's best overlap.

    Args:
        anchors: how many each person asks for.
    """

    def __init__(self, anchors: int = 10, alpha: float = 0.5, beta: float = 6.0) -> None:
        self.anchors, self.alpha, self.beta = anchors, alpha, beta

    def __call__(
        self,
        scores: Float[Tensor, "B A"],
        boxes: Float[Tensor, "B A 4"],
        points: Float[Tensor, "A 2"],
        people: Float[Tensor, "B M 4"],
        valid: Bool[Tensor, "B M"],
    ) -> Assignment:
        """
        Args:
            scores: predicted probabilities. boxes: predicted, canvas px. points: of the anchors, canvas px.
            people: true boxes, canvas px. valid: which of them there are.
        """
        inside = _inside(points, people) & valid[..., None]
        at = b, m, a = inside.nonzero(as_tuple=True)
        # Overlaps are computed where they matter only: one anchor in ten or twenty lies inside a box.
        overlap = paired_overlap(people[b, m], boxes[b, a], "ciou").clamp(min=0)
        overlaps = scores.new_zeros(inside.shape).index_put_(at, overlap)
        aligned = scores[b, a].pow(self.alpha) * overlap.pow(self.beta)
        alignment = scores.new_full(inside.shape, -1.0).index_put_(at, aligned)
        owner = _settled(self._asked(alignment), overlaps)
        return Assignment(owner, _quality(owner, alignment, overlaps))

    def _asked(self, alignment: Float[Tensor, "B M A"]) -> Bool[Tensor, "B M A"]:
        best = alignment.topk(min(self.anchors, alignment.shape[-1]), -1)
        return torch.zeros_like(alignment, dtype=torch.bool).scatter_(-1, best.indices, best.values >= 0)


def _inside(points: Float[Tensor, "A 2"], boxes: Float[Tensor, "B M 4"]) -> Bool[Tensor, "B M A"]:
    x, y = points.mT
    x1, y1, x2, y2 = (side[..., None] for side in boxes.unbind(-1))
    return (x > x1) & (x < x2) & (y > y1) & (y < y2)


def _settled(asked: Bool[Tensor, "B M A"], overlaps: Float[Tensor, "B M A"]) -> Int[Tensor, "B A"]:
    """The one person each anchor learns, or -1."""
    count = asked.sum(1)
    owner = torch.where(count > 1, overlaps.argmax(1), asked.byte().argmax(1))
    return owner.masked_fill(count == 0, -1)


def _quality(
    owner: Int[Tensor, "B A"], alignment: Float[Tensor, "B M A"], overlaps: Float[Tensor, "B M A"]
) -> Float[Tensor, "B A"]:
    mine, slot = owner >= 0, owner.clamp(min=0)
    aligned, overlap = ((v.gather(1, slot[:, None])[:, 0] * mine).clamp(min=0) for v in (alignment, overlaps))
    empty = overlap.new_zeros(alignment.shape[:2])
    best_aligned = empty.scatter_reduce(1, slot, aligned, "amax").gather(1, slot)
    best_overlap = empty.scatter_reduce(1, slot, overlap, "amax").gather(1, slot)
    return aligned * best_overlap / (best_aligned + _EPS)
