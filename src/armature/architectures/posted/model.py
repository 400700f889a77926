"""A PoseTED-like network: people's boxes, crops of them, and a transformer that says where their keypoints are."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from armature.architectures.posted import crops, looking
from armature.architectures.posted.crops import Aspect, Border, Jitter, Refiner
from armature.architectures.posted.detection import Detector, External, TrainedDetector
from armature.architectures.posted.looking import Look, Source
from armature.architectures.posted.pose import PoseTransformer, shrunk
from armature.errors import ConfigError
from armature.ops.fixed_people import on_some
from armature.structures import Instances, Outputs


class PoseTED(nn.Module):
    """A detector, a spatial transformer that crops what it found, and keypoints relative to the box.

    Where the second stage looks: with ``instances`` in training at people, at most ``max_crops`` of each image, each by
    its true box with jitter or by the detector's (``source``); with ``instances`` otherwise at exactly their boxes
    (and their scores, where they carry any), which may be proposals from elsewhere; without at what the detector found.

    Args:
        detector: a ``TrainedDetector`` module, any callable from images to a list of ``Found``, or a string that
            ``open_detector`` makes one of: a run folder.
        pose: pictures of crops -> keypoints.
        crop: (h, w) of the pictures. enlarge: of boxes. aspect: ``stretch`` the box to the crop, or ``keep`` its shape.
        border: what lies outside the canvas: its ``border`` pixels or ``zeros``.
        max_crops: of each image, the best.
        source: boxes in training, ``truth`` or ``detections`` (true ones of those who were not found).
        jitter: of true boxes in training; None leaves them as they are.
        refine: corrects crops by what it sees in them; None takes the box as it is.
        train_detector: False leaves it as it is, statistics included: keypoints alone are learned.
        through_boxes: gradients of the second stage reach the detector's boxes (a cascade trained end to end; then
            learn ``points``, whose frame does not move with the box).

    Returns:
        the detector's boxes, objectness, classes, anchors and grids;
        keypoints (L R Q 2) in units of the box enlarged, 0 to 1 from its edges (of the refined crop before refinement);
        presence or types, see ``PoseTransformer``; points (L R Q 2), the keypoints on the canvas, px, where Q = K;
        crops (R 2 3) from these units to canvas px, regions (R 4) the boxes that were cropped, xyxy, canvas px,
        region_scores, region_images and region_slots (R), see ``Look``; canvas (2) width and height.
        R is at least 1: without people one region of image -1 that no decoder reads.

    Raises:
        ConfigError: a detector that cannot be opened, bad sizes.
    """

    def __init__(
        self,
        detector: nn.Module | Detector | str,
        pose: PoseTransformer,
        crop: tuple[int, int] = (384, 288),
        enlarge: float = 1.25,
        aspect: Aspect = "stretch",
        border: Border = "border",
        max_crops: int = 20,
        source: Source = "detections",
        jitter: Jitter | None = None,
        refine: Refiner | None = None,
        train_detector: bool = True,
        through_boxes: bool = False,
        open_detector: Callable[[str], Detector] | None = None,
    ) -> None:
        super().__init__()
        _check(source=(source, ("truth", "detections")), aspect=(aspect, ("stretch", "keep")))
        _check(border=(border, ("border", "zeros")))
        if max_crops < 1 or enlarge <= 0 or min(crop) < 1:
            raise ConfigError(
                f"PoseTED: max_crops, enlarge and crop must be above 0; found {max_crops}, {enlarge}, {crop}"
            )
        self.detector: TrainedDetector = _detector(detector, open_detector)  # type: ignore[assignment]
        self.pose, self.jitter, self.refine = pose, jitter, refine
        self.crop, self.enlarge, self.max_crops = (int(crop[0]), int(crop[1])), enlarge, max_crops
        self.aspect, self.border, self.source = aspect, border, source
        self.train_detector, self.through_boxes = train_detector, through_boxes
        if not train_detector and isinstance(self.detector, nn.Module):
            self.detector.requires_grad_(False)

    def train(self, mode: bool = True) -> PoseTED:
        """A detector that is not trained keeps its statistics."""
        super().train(mode)
        if not self.train_detector and isinstance(self.detector, nn.Module):
            self.detector.eval()
        return self

    def forward(self, images: Float[Tensor, "B 3 H W"], instances: Instances | None = None) -> Outputs:
        canvas = (images.shape[-2], images.shape[-1])
        whole = filled_up(images, self.detector.divisor)
        detected = self.detector(whole)
        look = self._look(whole, detected, instances, canvas)
        upright = self._crops(look, detected)
        which = look.image.clamp(min=0)
        pictures = crops.sample(images, upright, which, self.crop, self.border)
        said, upright = self._pose(images, pictures, upright, which)
        return (
            detected
            | said
            | {
                "crops": upright,
                "regions": look.boxes,
                "region_scores": look.scores,
                "region_images": look.image,
                "region_slots": look.slot,
                "canvas": torch.tensor([canvas[1], canvas[0]], device=images.device),
            }
        )

    def fixed(self, images: Float[Tensor, "B 3 H W"]) -> Outputs:
        """``forward`` without people given, in shapes that do not depend on how many are found: for exported graphs.

        Regions are equally many slots of every image, image by image; those of image -1 stand for nobody. Of the
        decoder's layers the last one speaks.

        Raises:
            ConfigError: a detector that is no part of the network.
        """
        if not hasattr(self.detector, "fixed"):
            raise ConfigError("its detector is another program: choose the boxes' detector as a part of the network")
        canvas = (images.shape[-2], images.shape[-1])
        detected = self.detector(filled_up(images, self.detector.divisor))
        boxes, scores = (v[:, : self.max_crops] for v in self.detector.fixed(detected))
        image = torch.arange(images.shape[0], device=images.device).repeat_interleave(boxes.shape[1])
        boxes, scores = boxes.flatten(0, 1), scores.flatten()
        there = scores >= 0
        upright = crops.crops_of(boxes, self.enlarge, self.crop, self.aspect)
        pictures = crops.sample_slots(images, upright, self.crop, self.border)
        inner = None
        if self.refine is not None:
            inner = self.refine(shrunk(pictures, self.refine.size))
            pictures = crops.sample_slots(images, crops.compose(upright, inner), self.crop, self.border)
        said = on_some(there, lambda some: {n: v[-1] for n, v in self.pose(some).items()}, pictures)
        if inner is not None:
            said["keypoints"] = crops.apply(inner, said["keypoints"])
        return (
            detected
            | {name: value[None] for name, value in said.items()}
            | {"crops": upright, "regions": boxes, "region_scores": scores, "region_images": image.where(there, -1)}
            | {"canvas": torch.tensor([canvas[1], canvas[0]], device=images.device)}
        )

    def _look(self, images: Tensor, detected: Outputs, instances: Instances | None, canvas: tuple[int, int]) -> Look:
        if instances is None:
            return looking.at_found(self.detector.find(images, detected), self.max_crops, canvas)
        if not self.training:
            return looking.at_given(instances, self.max_crops, canvas)
        look = looking.at_people(instances, self.max_crops, canvas)
        if self.source == "detections":
            look = looking.where_found(look, self.detector.find(images, detected))
        return look

    def _crops(self, look: Look, detected: Outputs) -> Tensor:
        boxes = look.boxes if not self.through_boxes else _attached(look, detected["boxes"])
        upright = crops.crops_of(boxes, self.enlarge, self.crop, self.aspect)
        if self.training and self.jitter is not None:
            upright = torch.where(look.true[:, None, None], self.jitter(upright), upright)
        return upright

    def _pose(self, images: Tensor, pictures: Tensor, upright: Tensor, which: Tensor) -> tuple[Outputs, Tensor]:
        """What the second stage says, and the crops in whose units it says it."""
        if self.refine is None:
            said = self.pose(pictures)
        else:
            inner = self.refine(shrunk(pictures, self.refine.size))
            said = self.pose(crops.sample(images, crops.compose(upright, inner), which, self.crop, self.border))
            # Back to the units of the box, whose targets do not move with the refinement.
            said["keypoints"] = crops.apply(inner, said["keypoints"])
        if "presence" in said:
            said["points"] = crops.apply(upright, said["keypoints"])
        return said, upright


def filled_up(images: Float[Tensor, "B 3 H W"], divisor: int) -> Float[Tensor, "B 3 H2 W2"]:
    """Images continued by their border, to the right and below, to sides that are multiples of ``divisor``."""
    right, below = -images.shape[-1] % divisor, -images.shape[-2] % divisor
    return F.pad(images, (0, right, 0, below), mode="replicate") if right or below else images


def _attached(look: Look, boxes: Float[Tensor, "B A 4"]) -> Float[Tensor, "R 4"]:
    """Regions that are a detector's boxes, as these boxes themselves, with their graph."""
    if look.true.all() or not boxes.shape[1]:
        return look.boxes
    dense = boxes[look.image.clamp(min=0)]
    away = (dense.detach() - look.boxes[:, None]).abs().amax(-1).min(1)
    mine = dense[torch.arange(len(dense), device=boxes.device), away.indices]
    return torch.where(((away.values < 1e-3) & ~look.true)[:, None], mine, look.boxes)


def _detector(detector: nn.Module | Detector | str, open_detector: Callable[[str], Detector] | None) -> nn.Module:
    if isinstance(detector, str):
        if open_detector is None:
            raise ConfigError(f"PoseTED: detector={detector!r} is a name, and open_detector, which opens it, is None")
        detector = open_detector(detector)
    if isinstance(detector, nn.Module) and hasattr(detector, "find"):
        return detector
    if not callable(detector):
        raise ConfigError(f"PoseTED: a detector is called with images; {type(detector).__name__} cannot be called")
    return External(detector)


def _check(**choices: tuple[str, tuple[str, ...]]) -> None:
    for name, (found, known) in choices.items():
        if found not in known:
            raise ConfigError(f"PoseTED: {name}={found!r}; known are {', '.join(known)}")
