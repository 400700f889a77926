"""Between people and YOLOv8-pose's anchors; distances in cells from the anchor, as the model gives them."""

from __future__ import annotations

from functools import partial
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from armature.architectures.yolo_pose import drawn
from armature.architectures.yolo_pose.assignment import TaskAligned
from armature.architectures.yolo_pose.auxiliary import cell_middles, heatmaps
from armature.errors import ConfigError
from armature.ops.drawable import Drawable
from armature.ops.fixed_people import EMPTY, FixedPeople, best_first, pick, survivors
from armature.ops.overlaps import paired_overlap
from armature.ops.peaks import centroids
from armature.ops.snapping import FIXED, LISTED, Search, Snap
from armature.ops.suppression import suppress
from armature.structures import Batch, Instances, Outputs, Poses, Skeleton, Target

_EPS = 1e-4


class YOLOPoseCodec:
    """Encodes people at the anchors that find them best; decodes by a threshold and suppression.

    ``decode(ideal(encode))`` gives every person that got an anchor back to 0.01 px (snapped to heatmaps of 4 px: to
    2.8); one whose box another's overlaps by more than ``overlap`` may be lost to it.

    Args:
        skeleton: gives K and the flip order.
        anchors: how many each person asks for in training (10).
        alpha, beta: exponents of score and overlap in the alignment (0.5 and 6).
        area: of a person, in the OKS loss: the whole ``box`` (published), or what the ``annotation`` says.
        min_score: people need more than this (0.001 in validation, 0.25 for pictures to look at).
        overlap: of two boxes by more than this IoU the better one stays (0.7).
        candidates: boxes considered per image; the published 30,000 are all there are.
        max_people: at most so many per image (300).
        snap_score: keypoints are put at the nearest peak of their heatmap in the person's box that reaches this; None:
            they stay as they were regressed, as in YOLOv8. For models with ``heatmaps``.
        snap_distance: and lies within this share of the box' longer side.
        max_joints: peaks considered per heatmap.
        score: of a person: the ``box``'s, as published, or ``box*keypoints``, times the mean of what the heatmaps say
            of the keypoints, which needs a ``snap_score``.
        shift: canvas px added to x and y of decoded keypoints. 0.5 with released weights, which were trained on pixel
            indices, for pictures shown at their own size.

    Raises:
        ConfigError: an unknown ``area`` or ``score``, or keypoints that are to snap where a model has no heatmaps.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        anchors: int = 10,
        alpha: float = 0.5,
        beta: float = 6.0,
        area: Literal["box", "annotation"] = "box",
        min_score: float = 0.001,
        overlap: float = 0.7,
        candidates: int = 1000,
        max_people: int = 300,
        shift: float = 0.0,
        snap_score: float | None = None,
        snap_distance: float = 0.3,
        max_joints: int = 30,
        score: Literal["box", "box*keypoints"] = "box",
    ) -> None:
        if area not in ("box", "annotation"):
            raise ConfigError(f"codec.area={area}: known areas are box (as published) and annotation")
        if score not in ("box", "box*keypoints"):
            raise ConfigError(f"codec.score={score}: known scores are box (as published) and box*keypoints")
        if score == "box*keypoints" and snap_score is None:
            raise ConfigError("codec.score=box*keypoints: heatmaps score keypoints, so set codec.snap_score (0.3, say)")
        self.score, self.snap = score, None if snap_score is None else Snap(snap_score, snap_distance, max_joints)
        self.flip = list(skeleton.flip)
        self.assign = TaskAligned(anchors, alpha, beta)
        self.area = area
        self.min_score, self.overlap = min_score, overlap
        self.candidates, self.max_people, self.shift = candidates, max_people, shift

    @property
    def protocol(self) -> dict[str, str]:
        """How people come about, for the protocol card."""
        most = f"at most {self.max_people} of the best {self.candidates} above {self.min_score}"
        snap = self.snap and f"; keypoints snap to peaks above {self.snap.score} within {self.snap.reach} of the box"
        return {
            "box_source": "the network's own boxes",
            "score_rule": "person score" + " x mean heatmap score of its keypoints" * (self.score != "box"),
            "nms": f"box IoU {self.overlap}, {most}{snap or ''}",
        }

    @property
    def tolerance(self) -> float:
        """Keypoints are numbers, not cells: only rounding is lost; snapped, half a heatmap's cell of 4 px."""
        return 0.01 if self.snap is None else 0.5 * 4 * 2**0.5

    # ------------------------------------------------------------------ people -> anchors

    def encode(self, outputs: Outputs, batch: Batch) -> dict[str, Target]:
        """Targets at all anchors, 0 with weight 0 where an anchor learns nobody.

        Boxes and bins weigh as much as the anchor's quality, keypoints so that each person counts the same however many
        of its points are labelled. Nobody's anchors learn the score 0, but under ``ignore`` nothing.
        """
        people, points, strides = batch.instances, outputs["anchors"], outputs["strides"]
        boxes = _corners(points) + outputs["boxes"] * strides[:, None]
        found = self.assign(outputs["scores"][..., 0].sigmoid(), boxes, points, people.boxes, people.valid)
        mine = found.owner >= 0
        learned = mine | ~_under(batch.ignore, points)
        at = mine.nonzero(as_tuple=True)
        b, a = at
        owners = (b, found.owner[at])
        rows = self._rows(people, owners, points[a], strides[a], found.quality[at], outputs["bins"].shape[-1])
        seen = rows["visibility"]
        rows["visibility"] = seen._replace(weight=seen.weight * batch.knows()[b])
        dense = {name: _spread(target, at, mine.shape) for name, target in rows.items()}
        if "heatmaps" in outputs:
            grid, size = outputs["heatmap_grid"], (outputs["heatmaps"].shape[-2], outputs["heatmaps"].shape[-1])
            # By where the cells are: on a padded canvas the grid does not lie over the mask.
            ignored = _under(batch.ignore, cell_middles(grid, size)).unflatten(1, size)
            dense["heatmaps"] = heatmaps(batch, ignored, grid)
        return dense | {"scores": Target(found.quality[..., None], learned[..., None].float())}

    def _rows(
        self,
        people: Instances,
        owners: tuple[Tensor, Tensor],
        points: Float[Tensor, "P 2"],
        strides: Float[Tensor, " P"],
        quality: Float[Tensor, " P"],
        bins: int,
    ) -> dict[str, Target]:
        """Targets of the P anchors that learn somebody, in cells from the anchor."""
        cell = strides[:, None]
        boxes = (people.boxes[owners] - _corners(points)) / cell
        joints = (people.keypoints[owners] - points[:, None]) / cell[..., None]
        labelled = (people.visibility[owners] > 0).to(boxes.dtype)
        count = labelled.sum(-1, keepdim=True)
        whole = (boxes[:, 2:] - boxes[:, :2]).prod(-1)
        area = whole if self.area == "box" else people.areas[owners] / strides.square()
        return {
            "boxes": Target(boxes, quality[:, None]),
            "bins": Target(_two_bins(boxes, bins), quality[:, None, None]),
            "keypoints": Target(joints, (labelled / count.clamp(min=1))[..., None], area[:, None, None]),
            # Where nobody labelled anything, nobody said that nothing is to be seen.
            "visibility": Target(labelled, (count > 0).to(boxes.dtype)),
        }

    # ------------------------------------------------------------------ anchors -> people

    def decode(self, outputs: Outputs, canvas: tuple[int, int, int]) -> list[Poses]:
        """People in canvas pixels, best first; a keypoint's score is the probability that it is labelled."""
        points, strides = outputs["anchors"].float(), outputs["strides"].float()
        scores = outputs["scores"][..., 0].float().sigmoid()
        boxes = _corners(points) + outputs["boxes"].float() * strides[:, None]
        people = []
        for b in range(canvas[0]):
            a = suppress(boxes[b], scores[b], self.overlap, self.min_score, self.candidates, self.max_people)
            joints = points[a, None] + outputs["keypoints"][b, a].float() * strides[a, None, None] + self.shift
            visible = outputs["visibility"][b, a].float().sigmoid()
            found = FixedPeople(*(v[None] for v in (joints, visible, boxes[b, a], scores[b, a])))
            found = self._refined(found, outputs, slice(b, b + 1), LISTED)
            people.append(Poses(*(values[0] for values in found)))
        return people

    def _refined(self, people: FixedPeople, outputs: Outputs, images: slice, search: Search) -> FixedPeople:
        """The people as the heatmaps of their ``images`` have it, where keypoints are to snap."""
        if self.snap is None:
            return people
        if "heatmaps" not in outputs:
            wish = f"codec.snap_score={self.snap.score}"
            raise ConfigError(f"{wish}: this model has no heatmaps; set model.heatmaps=true or codec.snap_score=null")
        heat, (corner, cell) = outputs["heatmaps"][images].float(), outputs["heatmap_grid"].float().split([2, 1])
        joints, boxes = (people.keypoints - self.shift - corner) / cell, (people.boxes - _corners(corner)) / cell
        joints, likely = self.snap(heat, joints, boxes, partial(centroids, heat, logits=True), search)
        scores = people.scores if self.score == "box" else people.scores * likely.mean(-1)
        return people._replace(keypoints=joints * cell + corner + self.shift, scores=scores)

    def fixed(self, outputs: Outputs, size: tuple[int, int]) -> FixedPeople:
        """The people of ``decode``, in ``max_people`` slots an image."""
        points, strides = outputs["anchors"].float(), outputs["strides"].float()
        scores, best = best_first(outputs["scores"][..., 0].float().sigmoid(), self.candidates)
        boxes = pick(_corners(points) + outputs["boxes"].float() * strides[:, None], best)
        keep = survivors(boxes, scores, self.overlap) & (scores > self.min_score)
        joints = pick(outputs["keypoints"].float(), best) * strides[best][..., None, None]
        visible = pick(outputs["visibility"].float(), best).sigmoid()
        everybody = FixedPeople(joints + points[best][:, :, None] + self.shift, visible, boxes, scores)
        found = everybody.best(keep, self.max_people)
        # Once more: the heatmaps may put people in another order.
        refined = self._refined(found, outputs, slice(None), FIXED)
        return refined.best(found.scores > EMPTY, self.max_people)

    # ------------------------------------------------------------------ mirrored images, ceilings

    def unflip(self, outputs: Outputs, flipped: Outputs) -> Outputs:
        """The mean of both views at each anchor where they speak of the same person, else the more confident view.

        Bins stay as they are: nothing is decoded from them. The views of a canvas of odd width that is padded are one
        px apart.
        """
        other = _mirrored(flipped, self.flip)
        score, back = outputs["scores"].float().sigmoid(), other["scores"].float().sigmoid()
        same = paired_overlap(outputs["boxes"], other["boxes"])[..., None] > self.overlap
        share = torch.where(same, 0.5, (back > score).float())  # of the other view
        visible = [v.float().sigmoid() for v in (outputs["visibility"], other["visibility"])]
        return (
            outputs
            | self._heat_of_both(outputs, flipped)
            | {
                "scores": _logit((score + back) / 2),
                "boxes": outputs["boxes"].lerp(other["boxes"], share.to(outputs["boxes"].dtype)),
                "keypoints": outputs["keypoints"].lerp(
                    other["keypoints"], share[..., None].to(outputs["keypoints"].dtype)
                ),
                "visibility": _logit(visible[0].lerp(visible[1], share)),
            }
        )

    def _heat_of_both(self, outputs: Outputs, flipped: Outputs) -> Outputs:
        """The mean of both views' heatmaps, if there are any."""
        if "heatmaps" not in outputs:
            return {}
        heat, back = (o["heatmaps"].float().sigmoid() for o in (outputs, flipped))
        return {"heatmaps": _logit((heat + back.flip(-1)[:, self.flip]) / 2)}

    def ideal(self, outputs: Outputs, targets: dict[str, Target]) -> Outputs:
        """The targets; boxes as far as the bins reach, and for a score what the box then overlaps the truth."""
        area = targets["keypoints"].scale
        assert area is not None
        mine = (area[..., 0, 0] > 0).float()
        far = outputs["bins"].shape[-1] - 1
        boxes = targets["boxes"].value.clamp(-far, far)
        quality = paired_overlap(boxes, targets["boxes"].value).clamp(min=0) * mine
        values = {
            "scores": _logit(quality[..., None]),
            "boxes": boxes,
            "bins": targets["bins"].value.clamp(min=_EPS).log(),
            "keypoints": targets["keypoints"].value,
            "visibility": _logit(targets["visibility"].value),
        }
        if "heatmaps" in targets:
            values["heatmaps"] = _logit(targets["heatmaps"].value)
        return outputs | {name: value.to(outputs[name].dtype) for name, value in values.items()}

    def drawable(self, outputs: Outputs, targets: dict[str, Target], canvas: tuple[int, int]) -> dict[str, Drawable]:
        """What can be looked at of the targets; canvas (H, W)."""
        return drawn.of_targets(outputs, targets)


def _corners(points: Float[Tensor, "*n 2"]) -> Float[Tensor, "*n 4"]:
    """Points as empty boxes."""
    return torch.cat([points, points], -1)


def _under(mask: Bool[Tensor, "B H W"], points: Float[Tensor, "A 2"]) -> Bool[Tensor, "B A"]:
    """What the mask says where the points are, or at its border beside them."""
    x, y = points.floor().long().unbind(-1)
    return mask[:, y.clamp(0, mask.shape[1] - 1), x.clamp(0, mask.shape[2] - 1)]


def _two_bins(boxes: Float[Tensor, "P 4"], bins: int) -> Float[Tensor, "P 4 n"]:
    """Each side's distance from the anchor as shares of the two bins around it.

    Published: a distance is at most bins - 1 - 0.01.
    """
    distances = torch.cat([-boxes[:, :2], boxes[:, 2:]], -1).clamp(0, bins - 1 - 0.01)
    return (1 - (distances[..., None] - torch.arange(bins, device=boxes.device)).abs()).clamp(min=0)


def _spread(target: Target, at: tuple[Tensor, ...], shape: torch.Size) -> Target:
    """The rows of some anchors laid out over all of them, 0 elsewhere."""

    def over_all(rows: Tensor | None) -> Tensor | None:
        return None if rows is None else rows.new_zeros(*shape, *rows.shape[1:]).index_put_(at, rows)

    return Target(*(over_all(field) for field in target))  # type: ignore[arg-type]


def _mirrored(outputs: Outputs, flip: list[int]) -> Outputs:
    """What a mirror shows of scores, boxes, keypoints and visibility: each anchor's twin in its row, x negated."""
    twin = _twins(outputs["anchors"], outputs["strides"])
    x1, y1, x2, y2 = outputs["boxes"][:, twin].unbind(-1)
    x, y = outputs["keypoints"][:, twin][:, :, flip].unbind(-1)
    return {
        "scores": outputs["scores"][:, twin],
        "boxes": torch.stack([-x2, y1, -x1, y2], -1),
        "keypoints": torch.stack([-x, y], -1),
        "visibility": outputs["visibility"][:, twin][:, :, flip],
    }


def _twins(anchors: Float[Tensor, "A 2"], strides: Float[Tensor, " A"]) -> Int[Tensor, " A"]:
    """The index of each anchor's mirror image; levels lie one after another, each row by row."""
    twins, start = [], 0
    for count in strides.unique_consecutive(return_counts=True)[1].tolist():
        width = int((anchors[start : start + count, 1] == anchors[start, 1]).sum())
        twins.append(torch.arange(start, start + count, device=anchors.device).view(-1, width).flip(-1).flatten())
        start += count
    return torch.cat(twins)


def _logit(probability: Tensor) -> Tensor:
    return probability.clamp(_EPS, 1 - _EPS).logit()
