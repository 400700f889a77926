"""Which anchors are responsible for which people (YOLOv4 as in darknet's ``yolo`` layer)."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from armature.ops.overlaps import paired_overlap
from armature.structures import Batch, Outputs, Target


def detector_targets(
    outputs: Outputs, batch: Batch, iou_thresh: float = 0.213, ignore_thresh: float = 0.7
) -> dict[str, Target]:
    """Targets of boxes, objectness and classes.

    A person's anchors, in the cell of its centre: the one whose shape is most like the box, and every other one whose
    shape overlaps it by more than ``iou_thresh`` (IoU with one centre). They learn the box, an objectness of 1 and the
    class. All others learn an objectness of 0, but those that predict a person's box already (IoU above
    ``ignore_thresh``) or lie under ``ignore`` learn nothing. An anchor that two people claim learns the more alike.
    """
    boxes, classes = outputs["boxes"], outputs["classes"]
    if not boxes.shape[1]:
        zero = boxes.new_zeros(len(boxes), 0)
        return {
            "boxes": Target(boxes, zero[..., None]),
            "objectness": Target(zero, zero),
            "classes": Target(classes, zero[..., None]),
        }
    owner = responsible(batch, outputs["anchors"], outputs["grids"].long(), boxes.shape[1], iou_thresh)
    mine = owner >= 0
    image = torch.arange(len(boxes), device=boxes.device)[:, None]
    true = batch.instances.boxes[image, owner.clamp(min=0)].to(boxes.dtype)
    counted = mine | ~(_found(boxes, batch, ignore_thresh) | _ignored(batch, outputs))
    person = torch.zeros_like(classes)
    person[..., 0] = 1
    return {
        "boxes": Target(true.where(mine[..., None], boxes), mine[..., None].float()),
        "objectness": Target(mine.float(), counted.float()),
        "classes": Target(person, mine[..., None].float()),
    }


def responsible(
    batch: Batch, anchors: Float[Tensor, "V a 2"], grids: Int[Tensor, "V 3"], count: int, iou_thresh: float
) -> Int[Tensor, "B A"]:
    """For each anchor the slot of the person it is responsible for, or -1."""
    people = batch.instances
    size = (people.boxes[..., 2:] - people.boxes[..., :2]).clamp(min=1e-3)[:, :, None, None]
    shared = torch.minimum(size, anchors).prod(-1)
    alike = shared / (size.prod(-1) + anchors.prod(-1) - shared)  # B M V a
    best = alike >= alike.amax((2, 3), keepdim=True)
    chosen = (best | (alike > iou_thresh)) & people.valid[:, :, None, None]
    at = _indices(batch, anchors.shape[1], grids).flatten(1)
    alike = alike.where(chosen, -1.0).flatten(1)
    most = alike.new_zeros(len(at), count).scatter_reduce(1, at, alike, "amax")
    winner = (alike == most.gather(1, at)) & (alike > 0)
    slot = torch.arange(people.valid.shape[1], device=at.device)[:, None].expand(-1, anchors[..., 0].numel()).flatten()
    owner = torch.full_like(most, -1, dtype=torch.long)
    return owner.scatter_reduce(1, at, torch.where(winner, slot, -1), "amax")


def _indices(batch: Batch, per_cell: int, grids: Int[Tensor, "V 3"]) -> Int[Tensor, "B M V a"]:
    """Where in the flat row of anchors those in the cell of each person's centre are."""
    boxes = batch.instances.boxes
    height, width, stride = grids.unbind(1)
    cell = ((boxes[..., None, :2] + boxes[..., None, 2:]) / 2 / stride[:, None]).floor().long()
    x = torch.minimum(cell[..., 0].clamp(min=0), width - 1)
    y = torch.minimum(cell[..., 1].clamp(min=0), height - 1)
    many = height * width * per_cell
    first = many.cumsum(0) - many
    return (first + (y * width + x) * per_cell)[..., None] + torch.arange(per_cell, device=boxes.device)


def _found(boxes: Float[Tensor, "B A 4"], batch: Batch, threshold: float) -> Bool[Tensor, "B A"]:
    """Anchors that predict somebody's box, whoever is responsible for it; person by person, to keep memory small."""
    people = batch.instances
    best = boxes.new_zeros(boxes.shape[:2])
    for slot in range(people.valid.shape[1]):
        overlap = paired_overlap(boxes, people.boxes[:, slot, None].to(boxes.dtype).expand_as(boxes))
        best = torch.maximum(best, overlap * people.valid[:, slot, None])
    return best > threshold


def _ignored(batch: Batch, outputs: Outputs) -> Bool[Tensor, "B A"]:
    """Anchors whose cell's centre lies under ``ignore``."""
    per_cell = outputs["anchors"].shape[1]
    rows, columns = batch.ignore.shape[-2:]
    ignored = []
    for height, width, stride in outputs["grids"].long().tolist():
        y, x = (
            ((torch.arange(n, device=batch.ignore.device) + 0.5) * stride).long().clamp(max=most - 1)
            for n, most in ((height, rows), (width, columns))
        )
        cells = batch.ignore[:, y[:, None], x]
        ignored.append(cells.flatten(1).repeat_interleave(per_cell, dim=1))
    return torch.cat(ignored, 1)
