"""The words every other file uses: skeletons, people, batches, targets and predictions.

Frames and units, everywhere: points are xy, boxes are xyxy, sizes are (H, W), in canvas pixels unless
a name says otherwise. Coordinates are continuous: pixel ``i`` spans ``[i, i + 1)`` and its centre is ``i + 0.5``.

Letters in shapes: B images, M person slots, K keypoints, N people found in one image, H W canvas, h w grid.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor

#: What a model returns: named tensors. A name is the same in outputs, targets, loss terms and logs.
Outputs = dict[str, Tensor]

_T = TypeVar("_T", bound="_Tensors")


@dataclass(frozen=True)
class Skeleton:
    """The named points of one kind of object and everything that follows from them.

    K, flip order and sigmas come from here and from nowhere else.

    Attributes:
        name: the skeleton's file name, e.g. ``coco_person``.
        keypoints: K names, in the order of every keypoint array.
        edges: pairs of keypoint indices that are drawn as limbs (and that part affinity fields span).
        flip: ``flip[i]`` is the keypoint that ``i`` becomes when the picture is mirrored; an involution.
        sigmas: K per-keypoint OKS constants (sigma, not 2 sigma), or None where nobody has measured them.
        colours: K RGB triples, 0-255.
        groups: names and keypoint indices of what is reported together; () derives them from the names.
    """

    name: str
    keypoints: tuple[str, ...]
    edges: tuple[tuple[int, int], ...]
    flip: tuple[int, ...]
    sigmas: tuple[float, ...] | None
    colours: tuple[tuple[int, int, int], ...]
    groups: tuple[tuple[str, tuple[int, ...]], ...] = ()

    @property
    def count(self) -> int:
        """K, the number of keypoints."""
        return len(self.keypoints)


class _Tensors:
    """Moves every tensor of a dataclass between devices; nested structures included."""

    def _map(self: _T, fn) -> _T:  # type: ignore[no-untyped-def]
        changed = {}
        for f in fields(self):  # type: ignore[arg-type]
            value = getattr(self, f.name)
            if isinstance(value, Tensor):
                changed[f.name] = fn(value)
            elif isinstance(value, _Tensors):
                changed[f.name] = value._map(fn)
        return replace(self, **changed)  # type: ignore[type-var]

    def to(self: _T, *args, **kwargs) -> _T:  # type: ignore[no-untyped-def]
        """A copy with every tensor moved, as ``Tensor.to`` moves one."""
        return self._map(lambda t: t.to(*args, **kwargs))

    def pin_memory(self: _T) -> _T:
        """A copy in page-locked memory, as DataLoader(pin_memory=True) asks for."""
        return self._map(lambda t: t.pin_memory())


@dataclass
class Instances(_Tensors):
    """People of a batch, padded to M slots.

    Attributes:
        boxes: xyxy, canvas px.
        keypoints: xy, canvas px; meaningless where visibility is 0.
        visibility: 0 not labelled, 1 labelled but hidden, 2 labelled and visible.
        areas: px^2 of the person's segment (or what the data set uses for it), on the canvas.
        valid: False for padding slots.
        scores: of boxes that a detector found; None for annotated people.
    """

    boxes: Float[Tensor, "B M 4"]
    keypoints: Float[Tensor, "B M K 2"]
    visibility: Int[Tensor, "B M K"]
    areas: Float[Tensor, "B M"]
    valid: Bool[Tensor, "B M"]
    scores: Float[Tensor, "B M"] | None = None


@dataclass
class Batch(_Tensors):
    """One batch, the same for every architecture.

    Attributes:
        images: float in [0, 1], RGB; uint8 between the loader and the device, where it is converted.
        instances: the people to learn from.
        ignore: canvas pixels that supervise nothing (crowds, unlabelled people, ...).
        to_source: canvas px -> source px, homogeneous.
        image_ids: the ids of the annotation file.
        proposals: boxes from elsewhere for two-stage models, or None.
        known: keypoints that the image's data set labels at all; None: all of them. An unlabelled point that is known
            is mostly not to be seen; of one that is not known nothing is said, and it is never supervised.
    """

    images: Float[Tensor, "B 3 H W"]
    instances: Instances
    ignore: Bool[Tensor, "B H W"]
    to_source: Float[Tensor, "B 3 3"]
    image_ids: Int[Tensor, " B"]
    proposals: Instances | None = None
    known: Bool[Tensor, "B K"] | None = None

    def knows(self) -> Bool[Tensor, "B K"]:
        """``known``, all True where it is None."""
        if self.known is not None:
            return self.known
        people = self.instances.visibility
        return torch.ones(len(people), people.shape[2], dtype=torch.bool, device=people.device)


class Target(NamedTuple):
    """What one output should have been.

    Attributes:
        value: as the output of the same name (leading stage dimensions may be missing: losses broadcast).
        weight: >= 0, broadcastable to value; 0 means not supervised.
        scale: area of the person in value's unit squared, for OKS-aware losses; None where there is none.
    """

    value: Tensor
    weight: Tensor
    scale: Tensor | None = None

    def fits(self, output: Tensor) -> bool:
        """Whether value has the output's shape, but for leading stages of the output."""
        missing = output.ndim - self.value.ndim
        return missing >= 0 and self.value.shape == output.shape[missing:]


@dataclass
class Poses(_Tensors):
    """People found in ONE image, best first is not promised."""

    keypoints: Float[Tensor, "N K 2"]
    keypoint_scores: Float[Tensor, "N K"]
    boxes: Float[Tensor, "N 4"]
    scores: Float[Tensor, " N"]

    def __len__(self) -> int:
        return len(self.scores)

    def transform(self, matrix: Float[Tensor, "3 3"]) -> Poses:
        """The same people after an affine map of the plane; boxes become the bounds of their mapped corners."""
        matrix = matrix.to(self.keypoints)
        points = self.keypoints @ matrix[:2, :2].T + matrix[:2, 2]
        x1, y1, x2, y2 = self.boxes.unbind(-1)
        corners = torch.stack([x1, y1, x2, y1, x2, y2, x1, y2], -1).view(-1, 4, 2) @ matrix[:2, :2].T + matrix[:2, 2]
        return replace(self, keypoints=points, boxes=torch.cat([corners.amin(1), corners.amax(1)], 1))


@dataclass(frozen=True)
class Record:
    """One image of a data set and the people in it, in source pixels, as numpy (float64).

    Continuous coordinates: COCO's pixel indices have had 0.5 added by the reader.

    Attributes:
        image_id: unique in the data set, any integer.
        file: path of the picture relative to the data root; "" for generated pictures.
        size: (H, W) of the source.
        keypoints: (M, K, 2) xy; visibility: (M, K) in {0, 1, 2}; boxes: (M, 4) xyxy; areas: (M,) px^2.
        crowd: (M,) bool; a crowd is never a training target and its region is ignored.
        annotation_ids: (M,) ints >= 1.
        regions: per person the polygons of the segment, each (P, 2), or () where there is none.
        known: K flags: the points that the picture's data set labels at all; None: all of them.
    """

    image_id: int
    file: str
    size: tuple[int, int]
    keypoints: NDArray[np.float64]
    visibility: NDArray[np.int64]
    boxes: NDArray[np.float64]
    areas: NDArray[np.float64]
    crowd: NDArray[np.bool_]
    annotation_ids: NDArray[np.int64]
    regions: tuple[tuple[NDArray[np.float64], ...], ...] = ()
    known: tuple[bool, ...] | None = None


class Truth(Protocol):
    """A data set as everything after the reader sees it."""

    skeleton: Skeleton
    records: list[Record]
