"""Where the second stage looks: at true people while it learns, else at what a detector found or somebody gave."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from armature.architectures.posted.detection import Found
from armature.ops.overlaps import paired_overlap
from armature.structures import Instances

Source = Literal["truth", "detections"]
#: A detection stands for a person from this overlap on (IoU), as in PASCAL VOC.
_SAME = 0.5


class Look(NamedTuple):
    """R boxes of B images, at least one: without people a box over the first image that stands for nobody.

    Attributes:
        boxes: xyxy, canvas px. scores: of the boxes. image: which of the batch, -1 for the one that stands for nobody.
        slot: of the person in ``instances``, -1 where unknown. true: the box is an annotated one, not a detector's.
    """

    boxes: Float[Tensor, "R 4"]
    scores: Float[Tensor, " R"]
    image: Int[Tensor, " R"]
    slot: Int[Tensor, " R"]
    true: Bool[Tensor, " R"]


def at_found(found: list[Found], most: int, canvas: tuple[int, int]) -> Look:
    """The best ``most`` people of each image."""
    boxes = torch.cat([f.boxes[:most] for f in found])
    scores = torch.cat([f.scores[:most] for f in found])
    counts = torch.tensor([min(len(f.scores), most) for f in found], device=boxes.device)
    image = torch.repeat_interleave(torch.arange(len(found), device=boxes.device), counts)
    nobody = torch.full_like(image, -1)
    return _somebody(Look(boxes, scores, image, nobody, torch.zeros_like(image, dtype=torch.bool)), canvas)


def at_given(given: Instances, most: int, canvas: tuple[int, int]) -> Look:
    """The boxes of ``given``, as they are; scores are theirs where they have some, else 1."""
    scores = torch.ones_like(given.areas) if given.scores is None else given.scores
    image, slot = _best(scores.masked_fill(~given.valid, -1.0), most)
    look = Look(given.boxes[image, slot], scores[image, slot], image, torch.full_like(slot, -1), image >= 0)
    return _somebody(look, canvas)


def at_people(people: Instances, most: int, canvas: tuple[int, int]) -> Look:
    """The true boxes of people with labelled keypoints; of too many in an image a random choice."""
    labelled = people.valid & (people.visibility > 0).any(-1)
    order = torch.rand(labelled.shape, device=labelled.device).masked_fill(~labelled, -1.0)
    image, slot = _best(order, most)
    boxes = people.boxes[image, slot]
    look = Look(boxes, torch.ones_like(boxes[:, 0]), image, slot, torch.ones_like(image, dtype=torch.bool))
    return _somebody(look, canvas)


def where_found(look: Look, found: list[Found]) -> Look:
    """The same people, with the box that the detector found for them where it did (the one that overlaps most)."""
    boxes = torch.zeros(len(found), max(1, *(len(f.scores) for f in found)), 4, device=look.boxes.device)
    for i, f in enumerate(found):
        boxes[i, : len(f.scores)] = f.boxes
    candidates = boxes[look.image.clamp(min=0)]
    overlap = paired_overlap(look.boxes[:, None].expand_as(candidates), candidates)
    best = overlap.max(1)
    same = (best.values >= _SAME) & (look.image >= 0)
    mine = candidates[torch.arange(len(candidates), device=boxes.device), best.indices]
    return look._replace(boxes=torch.where(same[:, None], mine, look.boxes), true=look.true & ~same)


def _best(order: Float[Tensor, "B M"], most: int) -> tuple[Tensor, Tensor]:
    """(image, slot) of the highest ``most`` numbers of each row that are not negative, row by row."""
    top = order.topk(min(most, order.shape[1]), dim=1)
    row, column = (top.values >= 0).nonzero(as_tuple=True)
    return row, top.indices[row, column]


def _somebody(look: Look, canvas: tuple[int, int]) -> Look:
    if len(look.scores):
        return look
    boxes = look.boxes.new_tensor([[0.0, 0.0, canvas[1], canvas[0]]])
    nobody = torch.full((1,), -1, dtype=torch.long, device=boxes.device)
    return Look(boxes, boxes.new_zeros(1), nobody, nobody, torch.zeros_like(nobody, dtype=torch.bool))
