"""PoseTED-like: anchors and crops to people and back."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from armature.architectures.posted import crops, drawn, matching
from armature.architectures.posted.anchors import detector_targets
from armature.architectures.posted.people import distinct, distinct_slots
from armature.errors import ConfigError
from armature.ops.drawable import Drawable
from armature.ops.fixed_people import EMPTY, FixedPeople
from armature.ops.overlaps import mirrored, paired_overlap, twins
from armature.skeletons import sigmas_or_default
from armature.structures import Batch, Outputs, Poses, Skeleton, Target

_EPS = 1e-6


class Supervised(NamedTuple):
    """The person in each crop: places in crop units, which of them are labelled and inside, is anybody there, area.

    ``known``: the keypoints that the image's data set labels.
    """

    points: Float[Tensor, "R K 2"]
    labelled: Bool[Tensor, "R K"]
    somebody: Bool[Tensor, " R"]
    area: Float[Tensor, " R"]
    known: Bool[Tensor, "R K"]


class PoseTEDCodec:
    """Between people and a detector's anchors, and between people and points in crops of them.

    A lone person comes back from ``decode(ideal(encode))`` exactly, to the rounding of float32 (``tolerance`` px), as
    far as its keypoints lie in the crop; the others are never learned.

    Args:
        skeleton: gives K, flip order, sigmas.
        iou_thresh, ignore_thresh: which anchors learn (``detector_targets``).
        match_overlap: a crop that the model has not looked for on somebody's behalf is of the person whose box it
            overlaps most, from this IoU on; else of nobody.
        match_distance: factor of L1 in the matching of queries (``types`` only).
        visible: the score of a person is the box's times the mean of keypoint scores above this (0.2 in PRTR).
        oks_nms: of two people more alike than this OKS the better one stays (0.9 in PRTR); None keeps both.
        max_people: of an image, the best.

    Raises:
        ConfigError: thresholds that are no shares.
    """

    tolerance = 0.05

    def __init__(
        self,
        skeleton: Skeleton,
        iou_thresh: float = 0.213,
        ignore_thresh: float = 0.7,
        match_overlap: float = 0.5,
        match_distance: float = 5.0,
        visible: float = 0.2,
        oks_nms: float | None = 0.9,
        max_people: int = 20,
    ) -> None:
        shares = {
            "iou_thresh": iou_thresh,
            "ignore_thresh": ignore_thresh,
            "match_overlap": match_overlap,
            "visible": visible,
        }
        wrong = {name: value for name, value in shares.items() if not 0 <= value <= 1}
        if wrong or max_people < 1:
            raise ConfigError(
                f"PoseTEDCodec: shares lie in [0, 1], max_people is at least 1; found {wrong or max_people}"
            )
        self.count, self.flip = skeleton.count, list(skeleton.flip)
        self.sigmas = sigmas_or_default(skeleton)
        self.iou_thresh, self.ignore_thresh = iou_thresh, ignore_thresh
        self.match_overlap, self.match_distance = match_overlap, match_distance
        self.visible, self.oks_nms, self.max_people = visible, oks_nms, max_people

    @property
    def protocol(self) -> dict[str, str]:
        """How people come about, for the protocol card of a result."""
        return {
            "box_source": "the model's detector, or boxes it is given",
            "score_rule": f"box score x mean keypoint score above {self.visible}",
            "nms": f"boxes by IoU, then people by OKS {self.oks_nms}" if self.oks_nms else "boxes by IoU",
        }

    # ------------------------------------------------------------------ people -> targets

    def encode(self, outputs: Outputs, batch: Batch) -> dict[str, Target]:
        """Targets of the detector's outputs, and of every crop that is of somebody."""
        detector = detector_targets(outputs, batch, self.iou_thresh, self.ignore_thresh)
        said = self._supervised(outputs, batch)
        pose = self._typed(outputs, said) if "types" in outputs else self._bound(outputs, said)
        return detector | pose

    def _supervised(self, outputs: Outputs, batch: Batch) -> Supervised:
        people, image, slot = batch.instances, outputs["region_images"].long(), outputs["region_slots"].long()
        near, overlap = self._overlapping(outputs["regions"], image, batch)
        told = slot >= 0
        slot = torch.where(told, slot, near).clamp(min=0, max=people.valid.shape[1] - 1)
        somebody = (image >= 0) & (told | (overlap >= self.match_overlap))
        at = (image.clamp(min=0), slot)
        maps = outputs["crops"].float()
        points = crops.apply(crops.inverse(maps), people.keypoints[at].float())
        inside = ((points >= 0) & (points <= 1)).all(-1)
        labelled = (people.visibility[at] > 0) & somebody[:, None]
        somebody = labelled.any(-1)
        area = people.areas[at].float()
        # Labelled but outside the crop: neither here nor absent. Infinite places must not reach a loss.
        known = batch.knows()[at[0]]
        return Supervised(points.nan_to_num(posinf=0, neginf=0), labelled & inside, somebody, area, known)

    def _overlapping(self, regions: Tensor, image: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """The slot whose box each region overlaps most, and by how much."""
        at = image.clamp(min=0)
        boxes = batch.instances.boxes[at].to(regions.dtype)
        overlap = paired_overlap(regions[:, None].expand_as(boxes), boxes) * batch.instances.valid[at]
        best = overlap.max(1)
        return best.indices, best.values

    def _bound(self, outputs: Outputs, said: Supervised) -> dict[str, Target]:
        """One query for each keypoint."""
        weight = said.labelled[..., None].float()
        on_canvas = crops.apply(outputs["crops"].float(), said.points)
        return {
            "keypoints": Target(said.points, weight),
            "points": Target(on_canvas, weight, said.area[:, None, None].expand(-1, self.count, 1)),
            "presence": Target(said.labelled.float(), (said.somebody[:, None] & said.known).float()),
        }

    def _typed(self, outputs: Outputs, said: Supervised) -> dict[str, Target]:
        """The query that is matched to a keypoint, after every layer, learns its type and place, the others "none".

        Where the data set does not label all keypoints the others learn nothing: they may be of one that it does not.
        """
        types, points = outputs["types"], outputs["keypoints"]
        query = matching.match(types, points, said.points, said.labelled, self.match_distance)
        onto = (query[..., None] == torch.arange(points.shape[-2], device=points.device)) & said.labelled[..., None]
        kind = onto.mT.float()  # L R Q K
        places = kind @ said.points
        none = 1 - kind.sum(-1, keepdim=True)
        told = said.somebody[:, None, None] & (said.known.all(-1)[:, None, None] | (none == 0))
        return {
            "keypoints": Target(places, 1 - none),
            "types": Target(torch.cat([kind, none], -1), told.float()),
        }

    # ------------------------------------------------------------------ outputs -> people

    def decode(self, outputs: Outputs, canvas: tuple[int, int, int]) -> list[Poses]:
        """People in canvas pixels, as the last decoder layer sees them."""
        points, scores = self._resolved(outputs)
        points = crops.apply(outputs["crops"].float(), points)
        seen = scores * (scores > self.visible)
        mean = seen.sum(-1) / (seen > 0).sum(-1).clamp(min=1)
        total = outputs["region_scores"].float() * mean
        boxes, image = outputs["regions"].float(), outputs["region_images"]
        people = []
        for b in range(canvas[0]):
            mine = (image == b).nonzero().flatten()
            mine = mine[total[mine].argsort(descending=True)]
            kept = mine[distinct(points[mine], boxes[mine], self.sigmas, self.oks_nms)][: self.max_people]
            people.append(Poses(points[kept], scores[kept], boxes[kept], total[kept]))
        return people

    def fixed(self, outputs: Outputs, size: tuple[int, int]) -> FixedPeople:
        """The people of ``decode``, in as many slots as the model has crops of an image.

        Raises:
            ConfigError: queries that are not bound to keypoints.
        """
        if "types" in outputs:
            raise ConfigError(
                "its queries are matched to keypoints at the lowest total cost (Hungarian matching), for which graphs "
                "have no operator"
            )
        points, scores = self._resolved(outputs)
        points = crops.apply(outputs["crops"].float(), points)
        seen = scores * (scores > self.visible)
        total = outputs["region_scores"].float() * seen.sum(-1) / (seen > 0).sum(-1).clamp(min=1)
        total = total.where(outputs["region_images"] >= 0, EMPTY)
        batch = outputs["objectness"].shape[0]
        slots = (v.unflatten(0, (batch, -1)) for v in (points, scores, outputs["regions"].float(), total))
        found = FixedPeople(*slots)
        found = found.best(found.scores >= 0, found.scores.shape[1])
        keep = distinct_slots(found.keypoints, found.boxes, self.sigmas, self.oks_nms) & (found.scores >= 0)
        return found.best(keep, self.max_people)

    def _resolved(self, outputs: Outputs) -> tuple[Float[Tensor, "R K 2"], Float[Tensor, "R K"]]:
        """Each keypoint's place in crop units and its score."""
        points = outputs["keypoints"][-1].float()
        if "keypoint_scores" in outputs:  # of both views
            return points, outputs["keypoint_scores"].float()
        if "types" in outputs:
            return matching.resolve(outputs["types"][-1].float(), points)
        return points, outputs["presence"][-1].float().sigmoid()

    # ------------------------------------------------------------------ mirrored images, ceilings

    def unflip(self, outputs: Outputs, flipped: Outputs) -> Outputs:
        """Each person found upright, the mean of both views where the mirror shows it too.

        Keypoints and their scores are merged, and the box's score; boxes are the upright ones. People are paired by
        their boxes, so that both views may have found another number of them.
        """
        points, scores = self._resolved(outputs)
        others, other_scores = self._resolved(flipped)
        width = outputs["canvas"][0]
        others = crops.apply(flipped["crops"].float(), others)[:, self.flip]
        others = torch.stack([width - others[..., 0], others[..., 1]], -1)
        back = mirrored(flipped["regions"].float(), width)
        twin, fit = twins(outputs["regions"].float(), outputs["region_images"], back, flipped["region_images"])
        seen = fit >= self.match_overlap
        merged = (points + crops.apply(crops.inverse(outputs["crops"].float()), others[twin])) / 2
        both = (scores + other_scores[:, self.flip][twin]) / 2
        found = (outputs["region_scores"] + flipped["region_scores"][twin]) / 2
        return outputs | {
            "keypoints": torch.where(seen[:, None, None], merged, points)[None],
            "keypoint_scores": torch.where(seen[:, None], both, scores),
            "region_scores": torch.where(seen, found, outputs["region_scores"]),
        }

    def ideal(self, outputs: Outputs, targets: dict[str, Target]) -> Outputs:
        """The targets as outputs, logits where outputs are; boxes and crops stay where the model has put them."""
        perfect = dict(outputs)
        for name, target in targets.items():
            value = target.value.to(outputs[name].dtype).expand_as(outputs[name])
            if name in ("objectness", "classes", "presence"):
                perfect[name] = value.clamp(_EPS, 1 - _EPS).logit()
            elif name == "types":
                perfect[name] = value.clamp(_EPS, 1 - _EPS).log()
            else:
                perfect[name] = value.where(target.weight > 0, outputs[name])
        return perfect

    def drawable(self, outputs: Outputs, targets: dict[str, Target], canvas: tuple[int, int]) -> dict[str, Drawable]:
        """What can be looked at of the targets; canvas (H, W)."""
        return drawn.of_targets(outputs, targets)
