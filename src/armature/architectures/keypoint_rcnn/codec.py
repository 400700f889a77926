"""Keypoint R-CNN: people to anchors, regions and heatmap cells, and heatmaps to people."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torchvision.ops import batched_nms

from armature.architectures.keypoint_rcnn import drawn
from armature.architectures.keypoint_rcnn.model import REGION_SCALE
from armature.errors import ConfigError
from armature.ops.anchors import to_deltas
from armature.ops.drawable import Drawable
from armature.ops.fixed_people import EMPTY, FixedPeople, on_some, survivors
from armature.ops.fixed_roi_peaks import fixed_heatmap_peaks
from armature.ops.matching import NOBODY, balanced, covered, overlaps, owners_by_overlap
from armature.ops.overlaps import mirrored, twins
from armature.ops.roi_heatmaps import heatmap_peaks
from armature.structures import Batch, Outputs, Poses, Skeleton, Target

#: What a perfect network says: sure, but finite.
_SURE = 12.0
#: Of a keypoint's place in cells, so that the far edge of a window is in its last cell.
_EDGE = 1e-4


class Owned(NamedTuple):
    """Boxes matched to people: the slot (0 where there is none), whether somebody's, and whether surely nobody's."""

    slot: Int[Tensor, "B N"]
    positive: Bool[Tensor, "B N"]
    negative: Bool[Tensor, "B N"]


class KeypointRCNNCodec:
    """Matches anchors and regions to people; decodes the highest pixel of each heatmap, resized to its window.

    A lone person comes back from ``decode(ideal(encode))`` to half a cell of its window and half a pixel (Heckbert
    1990): in x to (width / 56 + 1) / 2 px. ``tolerance`` is the diagonal of that for a window of 160 px; keypoints
    outside the window are never learned.

    Regression is averaged over all sampled anchors and regions, of which negatives have nothing to learn (Girshick
    2015, eq. 1): their target is what they said. A box' numbers are averaged where the papers sum them: weight 4.

    Args:
        skeleton: gives K and the flip order.
        anchor_low, anchor_high: an anchor is nobody's below this IoU, somebody's from that one on; between them it
            is not learned from. Anchors that overlap a person best are somebody's in any case.
        anchors, anchor_share: how many are sampled per image, and how many of them at most are somebody's.
        region_overlap: a region is somebody's from this IoU on.
        regions, region_share: as for anchors; a model that samples leaves no choice here.
        overlap, max_people: of people that overlap by more than this IoU the best one stays; so many an image.
        ignored: anchors and regions that are covered by ``ignore`` to more than this share are nobody's negatives.
        keypoint_score: ``probability``, the softmax at the peak, at most 1; or ``logit``, as torchvision.
        score: of a person: the ``box``'s (published), or times the mean of the keypoints' probabilities
            (``box*keypoints``), which ranks people whose keypoints were not found behind others.
        shift: canvas px that are added to keypoints, and subtracted for learning. torchvision's released weights have
            learned pixel indices: 0.5 times the factor by which pictures were enlarged (about 0.8 at 800 px).

    Raises:
        ConfigError: shares and overlaps that are none.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        anchor_low: float = 0.3,
        anchor_high: float = 0.7,
        anchors: int = 256,
        anchor_share: float = 0.5,
        region_overlap: float = 0.5,
        regions: int = 512,
        region_share: float = 0.25,
        overlap: float = 0.5,
        max_people: int = 100,
        ignored: float = 0.5,
        keypoint_score: Literal["probability", "logit"] = "probability",
        score: Literal["box", "box*keypoints"] = "box",
        shift: float = 0.0,
    ) -> None:
        given = {"anchor_low": anchor_low, "anchor_high": anchor_high, "anchor_share": anchor_share}
        given |= {"region_overlap": region_overlap, "region_share": region_share, "overlap": overlap}
        given |= {"ignored": ignored}
        wrong = {name: value for name, value in given.items() if not 0 <= value <= 1}
        if wrong or anchor_low > anchor_high:
            found = wrong or {"anchor_low": anchor_low, "anchor_high": anchor_high}
            raise ConfigError(f"KeypointRCNNCodec: shares and overlaps lie in [0, 1], low below high; found {found}")
        if keypoint_score not in ("probability", "logit"):
            raise ConfigError(f"keypoint_score={keypoint_score!r}; known are 'probability' and 'logit'")
        if score not in ("box", "box*keypoints"):
            raise ConfigError(f"codec.score={score!r}; known are 'box' and 'box*keypoints'")
        self.flip = list(skeleton.flip)
        self.anchor_low, self.anchor_high = anchor_low, anchor_high
        self.anchors, self.anchor_share = anchors, anchor_share
        self.region_overlap, self.regions, self.region_share = region_overlap, regions, region_share
        self.overlap, self.max_people, self.ignored = overlap, max_people, ignored
        self.keypoint_score, self.score, self.shift = keypoint_score, score, shift

    @property
    def protocol(self) -> dict[str, str]:
        """How people come about, for the protocol card of a result."""
        return {
            "box_source": "the network's own regions",
            "score_rule": "box score" if self.score == "box" else "box score x mean keypoint probability",
            "nms": f"boxes by IoU {self.overlap}, best {self.max_people}",
        }

    @property
    def tolerance(self) -> float:
        """Half a cell of a window of 160 px and half a pixel, in x and in y."""
        return 0.5**0.5 * (160 / 56 + 1)

    # ------------------------------------------------------------------ people -> targets

    def encode(self, outputs: Outputs, batch: Batch) -> dict[str, Target]:
        """Targets of anchors and regions, sampled anew each time, and of the windows that are somebody's."""
        anchors = outputs["anchors"].expand(len(batch.images), -1, -1)
        of_anchors = self._owned(anchors, batch, self.anchor_low, self.anchor_high, at_least_one=True)
        objectness, deltas = _scored(of_anchors, self.anchors, self.anchor_share)
        regions, valid = outputs["regions"], outputs["region_valid"] > 0
        of_regions = self._owned(regions, batch, self.region_overlap, self.region_overlap, at_least_one=False)
        of_regions = Owned(of_regions.slot, of_regions.positive & valid, of_regions.negative & valid)
        scores, moves = _scored(of_regions, self.regions, self.region_share)
        people = batch.instances.boxes
        return self._windows(outputs, batch) | {
            "objectness": objectness,
            "anchor_deltas": _moved(outputs["anchor_deltas"], anchors, people, of_anchors, deltas, (1.0,) * 4),
            "roi_scores": scores,
            "roi_deltas": _moved(outputs["roi_deltas"], regions, people, of_regions, moves, REGION_SCALE),
        }

    def _owned(self, boxes: Tensor, batch: Batch, low: float, high: float, at_least_one: bool) -> Owned:
        people = batch.instances
        shared = overlaps(people.boxes.to(boxes), people.valid, boxes)
        owner = owners_by_overlap(shared, low, high, at_least_one)
        negative = owner == NOBODY
        if bool(batch.ignore.any()):
            negative &= covered(batch.ignore, boxes) <= self.ignored
        return Owned(owner.clamp(min=0), owner >= 0, negative)

    def _windows(self, outputs: Outputs, batch: Batch) -> dict[str, Target]:
        """Targets of everything that is said of windows: cells of keypoints, the person's box, how well it fits."""
        people, windows, image = batch.instances, outputs["windows"], outputs["window_images"].long()
        shared = overlaps(people.boxes[image].to(windows), people.valid[image], windows[:, None])[..., 0]
        fit, slot = shared.max(1)
        mine = fit >= self.region_overlap
        cells = outputs["keypoints"].shape[-1]
        points = people.keypoints[image, slot] - self.shift
        place, inside = _cells(points, windows, cells)
        on = inside & (people.visibility[image, slot] > 0) & mine[:, None]
        boxes = people.boxes[image, slot].to(windows)
        return {
            "keypoints": Target(place.where(on[..., None], 0.0), on[..., None].float()),
            "detections": Target(boxes, mine[:, None].float()),
            "detection_scores": Target(fit.clamp(min=0) * mine, torch.ones_like(fit)),
        }

    # ------------------------------------------------------------------ outputs -> people

    def decode(self, outputs: Outputs, canvas: tuple[int, int, int]) -> list[Poses]:
        """People in canvas pixels, those of the best boxes first."""
        boxes, image = outputs["detections"].float(), outputs["window_images"].long()
        scores = outputs["detection_scores"].float().sigmoid()
        kept = batched_nms(boxes, scores, image, self.overlap)
        by_image = [kept[image[kept] == b][: self.max_people] for b in range(canvas[0])]
        kept = torch.cat(by_image)
        maps = outputs["keypoints"][kept].float()
        points, peaks = heatmap_peaks(maps, outputs["windows"][kept].float())
        likely = (peaks - maps.flatten(2).logsumexp(2)).exp().clamp(max=1)
        if self.keypoint_score == "probability":
            peaks = likely
        if self.score == "box*keypoints":
            scores = scores.index_copy(0, kept, scores[kept] * likely.mean(1))
        counts = [len(k) for k in by_image]
        fields = (v.split(counts) for v in (points + self.shift, peaks, boxes[kept], scores[kept]))
        return [Poses(*person) for person in zip(*fields, strict=True)]

    def fixed(self, outputs: Outputs, size: tuple[int, int]) -> FixedPeople:
        """The people of ``decode`` on a canvas of ``size`` (H, W), in the slots of ``KeypointRCNN.fixed``."""
        boxes, maps = outputs["detections"].float(), outputs["keypoints"].float()
        there = outputs["window_images"] >= 0
        points, peaks, likely = on_some(there, _peaks, maps, outputs["windows"].float()).values()
        scores = outputs["detection_scores"].float().sigmoid().where(there, EMPTY)
        batch = outputs["objectness"].shape[0]
        kept = survivors(boxes.unflatten(0, (batch, -1)), scores.unflatten(0, (batch, -1)), self.overlap)
        if self.score == "box*keypoints":
            scores = (scores * likely.mean(1)).where(scores >= 0, EMPTY)
        if self.keypoint_score == "probability":
            peaks = likely
        slots = (v.unflatten(0, (batch, -1)) for v in (points + self.shift, peaks, boxes, scores))
        found = FixedPeople(*slots)
        return found.best(kept & (found.scores >= 0), self.max_people)

    # ------------------------------------------------------------------ mirrored images, ceilings

    def unflip(self, outputs: Outputs, flipped: Outputs) -> Outputs:
        """Everybody found upright, the mean of both views where the mirror shows them too.

        People are paired by their boxes. Mirrored heatmaps are laid into the upright windows; where they do not reach
        the upright ones stand alone.
        """
        windows = outputs["windows"].float()
        width = outputs["canvas"][0]
        back = mirrored(flipped["detections"].float(), width)
        images = [said["window_images"].long() for said in (outputs, flipped)]
        twin, fit = twins(outputs["detections"].float(), images[0], back, images[1])
        seen = fit >= self.overlap
        maps = outputs["keypoints"].float()
        if not bool(seen.any()):
            return outputs
        other = mirrored(flipped["windows"].float(), width)[twin]
        laid, known = _laid(flipped["keypoints"].float()[:, self.flip].flip(-1)[twin], other, windows)
        both = torch.where(known[:, None] & seen[:, None, None, None], (maps + laid) / 2, maps)
        scores, others = outputs["detection_scores"].float(), flipped["detection_scores"].float()[twin]
        mean = ((scores.sigmoid() + others.sigmoid()) / 2).logit(1e-6)
        return outputs | {"keypoints": both, "detection_scores": torch.where(seen, mean, scores)}

    def ideal(self, outputs: Outputs, targets: dict[str, Target]) -> Outputs:
        """The targets as outputs: sure scores, people's boxes, heatmaps that fall off around the keypoints' cells.

        Regions and windows stay where the model has looked; a window scores by how well it fits.
        """
        maps, place = outputs["keypoints"], targets["keypoints"].value.floor()[..., None, None, :]
        along = torch.arange(maps.shape[-1], device=maps.device)
        away = (along - place[..., 0]).square() + (along[:, None] - place[..., 1]).square()
        perfect = outputs | {"keypoints": -away.to(maps.dtype)}
        for name in ("objectness", "roi_scores", "detection_scores"):
            perfect[name] = ((2 * targets[name].value - 1) * _SURE).to(outputs[name].dtype)
        for name in ("anchor_deltas", "roi_deltas", "detections"):
            target = targets[name]
            perfect[name] = target.value.to(outputs[name].dtype).where(target.weight > 0, outputs[name])
        return perfect

    def drawable(self, outputs: Outputs, targets: dict[str, Target], canvas: tuple[int, int]) -> dict[str, Drawable]:
        """What can be looked at of the targets; canvas (H, W)."""
        return drawn.of_targets(outputs, targets, self.shift)


def _scored(owned: Owned, count: int, share: float) -> tuple[Target, Tensor]:
    """Who is somebody's, for a balanced sample; and the sample itself."""
    sample = balanced(owned.positive, owned.negative, count, share)
    return Target(owned.positive.float(), sample.float()), sample


def _moved(
    said: Tensor, boxes: Tensor, people: Tensor, owned: Owned, sample: Tensor, scale: tuple[float, ...]
) -> Target:
    """Deltas of sampled boxes that are somebody's onto that person's; of the others what was said."""
    to = people.to(boxes).gather(1, owned.slot[..., None].expand(-1, -1, 4))
    learned = (owned.positive & sample)[..., None]
    # Others may be empty slots, whose deltas are infinite.
    unit = boxes.new_tensor([0.0, 0.0, 1.0, 1.0])
    deltas = to_deltas(to.where(learned, unit), boxes.where(learned, unit), scale)
    return Target(torch.where(learned, deltas, said), sample[..., None].float())


def _peaks(maps: Tensor, windows: Tensor) -> dict[str, Tensor]:
    points, peaks = fixed_heatmap_peaks(maps, windows)
    likely = (peaks - maps.flatten(2).logsumexp(2)).exp().clamp(max=1)
    return {"points": points, "peaks": peaks, "likely": likely}


def _cells(points: Tensor, windows: Tensor, cells: int) -> tuple[Float[Tensor, "P K 2"], Bool[Tensor, "P K"]]:
    """Where in the windows points are, in cells, and whether they are inside, far edges included (Heckbert 1990)."""
    low, high = windows[:, None, :2], windows[:, None, 2:]
    place = (points - low) * (cells / (high - low))
    inside = ((place >= 0) & ((place < cells) | (points == high))).all(-1)
    return place.clamp(max=cells - _EDGE), inside


def _laid(maps: Tensor, windows: Tensor, onto: Tensor) -> tuple[Tensor, Tensor]:
    """Maps (P K h w) of windows resampled at the cells of other windows, and where (P h w) they reach."""
    height, width = maps.shape[-2:]
    x = (torch.arange(width, device=maps.device) + 0.5) / width
    y = (torch.arange(height, device=maps.device) + 0.5) / height
    size, to = (windows[:, 2:] - windows[:, :2]).clamp(min=1e-6), onto[:, 2:] - onto[:, :2]
    across = (onto[:, :1] + x * to[:, :1] - windows[:, :1]) / size[:, :1]
    down = (onto[:, 1:2] + y * to[:, 1:] - windows[:, 1:2]) / size[:, 1:]
    grid = torch.stack(torch.broadcast_tensors(across[:, None], down[:, :, None]), -1)
    laid = F.grid_sample(maps, 2 * grid - 1, mode="bilinear", padding_mode="border", align_corners=False)
    return laid, ((grid >= 0) & (grid <= 1)).all(-1)
