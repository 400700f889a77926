"""Keypoint R-CNN on a feature pyramid over any backbone (He et al. 2017; Lin et al. 2017)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torchvision.ops import batched_nms

from armature.architectures.keypoint_rcnn.heads import BoxHead, KeypointHead
from armature.architectures.keypoint_rcnn.proposals import ProposalNetwork, Regions, Said
from armature.architectures.keypoint_rcnn.sampling import RegionSampling
from armature.errors import ConfigError
from armature.layers.freezing import freeze_levels, freeze_norms
from armature.layers.roi_pooling import PyramidPooling
from armature.ops.anchors import clipped, from_deltas
from armature.ops.fixed_people import EMPTY, best_first, on_some, pick, survivors
from armature.structures import Instances, Outputs, Skeleton

#: Deltas of regions are learned this many times larger than they are (dx, dy, dw, dh; Girshick's released code).
REGION_SCALE = (10.0, 10.0, 5.0, 5.0)
#: Smaller boxes (canvas px) are nobody.
_SMALLEST = 1e-2


@dataclass(frozen=True)
class Detection:
    """Which regions become people.

    Attributes:
        min_score: a person scores more than this. overlap: IoU above which the better one of two stays.
        most: per image.
    """

    min_score: float = 0.05
    overlap: float = 0.5
    most: int = 100


class KeypointRCNN(nn.Module):
    """Proposals, a score and a box for each, and heatmaps for the keypoints of those who are found.

    While people are given, the box head looks at a sample of proposals and true boxes, the keypoint head at those of
    them that are somebody's. Otherwise the box head looks at all proposals, or in their place at the boxes of a
    detector (``instances`` with ``scores``), and the keypoint head at the people that were found.

    Args:
        skeleton: gives K.
        backbone: images -> levels, finest first; has ``channels``, ``strides`` (powers of two) and ``mean``.
        neck: called with the backbone's channels; levels -> levels of one width; has ``channels`` and ``extra``.
        proposals: called with the neck's channels.
        sampling: of regions while people are given. detection: otherwise.
        box_window, box_hidden: cells and width of the box head.
        keypoint_window, keypoint_widths: cells and widths of the keypoint head; heatmaps have 4 times the cells.
        canonical, aligned: see ``PyramidPooling``.
        frozen_norms: batch normalisation of the backbone keeps the statistics and weights it was loaded with.
        frozen_levels: so many levels of the backbone, the stem included, are not trained.
        divisor: canvases are continued to multiples of it by the mean colour.

    Returns:
        objectness (B A), anchor_deltas (B A 4) of anchors (A 4);
        roi_scores (B R), roi_deltas (B R 4, times ``REGION_SCALE``) of regions (B R 4) where region_valid (B R);
        keypoints (P K h w) in windows (P 4) of window_images (P), which have become detections (P 4) with
        detection_scores (P). Scores are logits, boxes xyxy in canvas px; canvas (2) is width and height.

    Raises:
        ConfigError: parts that do not fit together.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        backbone: nn.Module,
        neck: Callable[[Sequence[int]], nn.Module],
        proposals: Callable[[int], ProposalNetwork],
        sampling: RegionSampling | None = None,
        detection: Detection | None = None,
        box_window: int = 7,
        box_hidden: int = 1024,
        keypoint_window: int = 14,
        keypoint_widths: Sequence[int] = (512,) * 8,
        canonical: Sequence[float] = (224, 16),
        aligned: bool = False,
        frozen_norms: bool = False,
        frozen_levels: int = 0,
        divisor: int = 32,
    ) -> None:
        super().__init__()
        strides = [int(s) for s in backbone.strides]  # type: ignore[union-attr]
        if divisor % strides[-1]:
            raise ConfigError(
                f"KeypointRCNN: divisor must be a multiple of the coarsest stride {strides[-1]}; found {divisor}"
            )
        freeze_levels(backbone, frozen_levels)
        if frozen_norms:
            freeze_norms(backbone)
        self.backbone, self.neck, self.divisor = backbone, neck(list(backbone.channels)), divisor  # type: ignore[arg-type]
        width = int(self.neck.channels)  # type: ignore[arg-type]
        self.proposals = proposals(width)
        _check_levels(self.proposals, strides, int(self.neck.extra))  # type: ignore[arg-type]
        self.sampling, self.detection = sampling or RegionSampling(), detection or Detection()
        self.box_pooling = PyramidPooling(strides, box_window, 2, canonical, aligned)
        self.box_head = BoxHead(width, box_window, box_hidden)
        self.keypoint_pooling = PyramidPooling(strides, keypoint_window, 2, canonical, aligned)
        self.keypoint_head = KeypointHead(width, skeleton.count, keypoint_widths)

    def forward(self, images: Float[Tensor, "B 3 H W"], instances: Instances | None = None) -> Outputs:
        canvas = (images.shape[-2], images.shape[-1])
        images = self._continued(images)
        levels = self.neck(self.backbone(images))
        said = self.proposals(levels, (images.shape[-2], images.shape[-1]))
        people = instances if instances is not None and instances.scores is None else None
        regions = self._looked_at(said, instances, canvas)
        scores, deltas = self._regions(levels, regions)
        boxes = clipped(from_deltas(deltas, regions.boxes, REGION_SCALE), canvas)
        if people is not None:
            chosen = (self.sampling.somebodys(regions.boxes, people) & regions.valid).nonzero()
            windows = regions.boxes
        else:
            chosen, windows = self._detected(boxes.detach(), scores.detach(), regions.valid), boxes.detach()
        image, place = chosen.unbind(1)
        return {
            "objectness": said.objectness,
            "anchor_deltas": said.deltas,
            "anchors": said.anchors,
            "regions": regions.boxes,
            "region_valid": regions.valid,
            "roi_scores": scores,
            "roi_deltas": deltas,
            "windows": windows[image, place],
            "window_images": image,
            "detections": boxes[image, place],
            "detection_scores": scores[image, place],
            "canvas": torch.tensor([canvas[1], canvas[0]], device=images.device),
            "keypoints": self.keypoint_head(self.keypoint_pooling(levels, windows[image, place], image)),
        }

    def fixed(self, images: Float[Tensor, "B 3 H W"]) -> Outputs:
        """What ``forward`` says of whom it finds, in shapes that do not depend on how many: for exported graphs.

        Windows are ``detection.most`` slots of every image, image by image; those of image -1 stand for nobody.
        """
        canvas = (images.shape[-2], images.shape[-1])
        images = self._continued(images)
        levels = self.neck(self.backbone(images))
        said = self.proposals(levels, (images.shape[-2], images.shape[-1]))
        regions = self.proposals.fixed(said, canvas)
        batch, count = regions.valid.shape
        image = torch.arange(batch, device=images.device)
        pooled = self.box_pooling.fixed(levels, regions.boxes.flatten(0, 1), image.repeat_interleave(count))
        logits, deltas = (v.unflatten(0, (batch, count)) for v in self.box_head(pooled))
        boxes = clipped(from_deltas(deltas, regions.boxes, REGION_SCALE), canvas)
        logits, boxes, there = self._found(boxes, logits, regions.valid)
        image = image.repeat_interleave(there.shape[1])
        logits, boxes, there = logits.flatten(), boxes.flatten(0, 1), there.flatten()
        maps = on_some(there, lambda b, i: self._maps(levels, b, i), boxes, image)
        return {
            "objectness": said.objectness,
            "windows": boxes,
            "window_images": image.where(there, -1),
            "detections": boxes,
            "detection_scores": logits.where(there, -torch.inf),
            "canvas": torch.tensor([canvas[1], canvas[0]], device=images.device),
        } | maps

    def _maps(self, levels: Sequence[Tensor], boxes: Tensor, image: Tensor) -> Outputs:
        return {"keypoints": self.keypoint_head(self.keypoint_pooling.fixed(levels, boxes, image))}

    def _found(self, boxes: Tensor, logits: Tensor, valid: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits, boxes and whether there is anybody, in the slots of those who are found, best first."""
        large = (boxes[..., 2:] - boxes[..., :2] >= _SMALLEST).all(-1)
        candidates = (logits.sigmoid() > self.detection.min_score) & large & valid
        scores = logits.sigmoid().where(candidates, EMPTY)
        kept = survivors(boxes, scores, self.detection.overlap) & candidates
        scores, order = best_first(scores.where(kept, EMPTY), self.detection.most)
        return pick(logits, order), pick(boxes, order), scores >= 0

    def _continued(self, images: Tensor) -> Tensor:
        """The images, continued to the right and below by the mean colour, which normalisation turns into zeros."""
        height, width = images.shape[-2:]
        right, below = -width % self.divisor, -height % self.divisor
        if not right and not below:
            return images
        mean: Tensor = self.backbone.mean  # type: ignore[assignment]
        larger = mean.to(images).expand(images.shape[0], -1, height + below, width + right).clone()
        larger[:, :, :height, :width] = images
        return larger

    def _looked_at(self, said: Said, instances: Instances | None, canvas: tuple[int, int]) -> Regions:
        """Where the box head looks: at proposals, at a sample of them and of people, or where a detector has found."""
        if instances is None:
            return self.proposals.propose(said, canvas, taught=False)
        if instances.scores is not None:
            return Regions(clipped(instances.boxes.to(said.anchors), canvas), instances.valid)
        return self.sampling(self.proposals.propose(said, canvas, taught=True), instances)

    def _regions(self, levels: Sequence[Tensor], regions: Regions) -> tuple[Tensor, Tensor]:
        """Scores (B R) and deltas (B R 4) of regions, 0 where there is none."""
        image = regions.valid.nonzero()[:, 0]
        said = self.box_head(self.box_pooling(levels, regions.boxes[regions.valid], image))
        scores = said[0].new_zeros(regions.valid.shape).masked_scatter(regions.valid, said[0])
        mask = regions.valid[..., None].expand(-1, -1, 4)
        return scores, said[1].new_zeros(mask.shape).masked_scatter(mask, said[1])

    def _detected(self, boxes: Tensor, scores: Tensor, valid: Tensor) -> Tensor:
        """(P 2): image and region of everybody who is found, image by image, best first."""
        large = (boxes[..., 2:] - boxes[..., :2] >= _SMALLEST).all(-1)
        scores = scores.sigmoid()
        candidates = (scores > self.detection.min_score) & large & valid
        found = []
        for image, (box, score, mask) in enumerate(zip(boxes, scores, candidates, strict=True)):
            at = mask.nonzero().flatten()
            kept = at[batched_nms(box[at], score[at], torch.zeros_like(at), self.detection.overlap)]
            kept = kept[: self.detection.most]
            found.append(torch.stack([torch.full_like(kept, image), kept], 1))
        return torch.cat(found)


def _check_levels(proposals: ProposalNetwork, strides: Sequence[int], extra: int) -> None:
    if len(proposals.cells) != len(strides) + extra:
        raise ConfigError(
            f"KeypointRCNN: anchors are needed for {len(strides) + extra} levels (strides {list(strides)} and {extra} "
            f"coarser); found sizes for {len(proposals.cells)}"
        )
