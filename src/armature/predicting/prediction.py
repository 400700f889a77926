"""The people found in one picture, with everything that is needed to draw them or to hand them on."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from numpy.typing import NDArray
from torch import Tensor

from armature.errors import UserError
from armature.evaluation.results import HALF_PIXEL, Predictions
from armature.structures import Poses, Skeleton

if TYPE_CHECKING:
    from PIL.Image import Image


#: The number of people whom a tracker has given none.
NOBODY = -1


class Arrays(NamedTuple):
    """The people of one picture as numpy: views of the tensors, nothing is copied. Letters: N people, K keypoints."""

    keypoints: Float[NDArray[np.float32], "N K 2"]
    keypoint_scores: Float[NDArray[np.float32], "N K"]
    boxes: Float[NDArray[np.float32], "N 4"]
    scores: Float[NDArray[np.float32], " N"]
    ids: Int[NDArray[np.int64], " N"] | None


@dataclass
class Prediction(Poses):
    """People found in one picture, best first, in pixels of that picture.

    Coordinates are continuous, as everywhere: the middle of the first pixel is (0.5, 0.5). ``to_coco`` writes pixel
    indices, as COCO's files have them.

    Attributes:
        skeleton: what the K keypoints are. size: (H, W) of the picture. name: its file, "" where it had none.
        ids: (N,) whom a tracker takes them for, ``NOBODY`` where it cannot say; None where nobody has tracked.
    """

    skeleton: Skeleton
    size: tuple[int, int]
    name: str = ""
    ids: Int[Tensor, " N"] | None = None

    @classmethod
    def of(cls, poses: Poses, skeleton: Skeleton, size: tuple[int, int], name: str = "") -> Prediction:
        """Poses on the host, best first, that know their picture."""
        order = poses.scores.argsort(descending=True, stable=True)
        points, point_scores = poses.keypoints[order].float().cpu(), poses.keypoint_scores[order].float().cpu()
        boxes, scores = poses.boxes[order].float().cpu(), poses.scores[order].float().cpu()
        return cls(points, point_scores, boxes, scores, skeleton, size, name)

    def among(self, chosen: Sequence[int] | Tensor) -> Prediction:
        """Those people that a mask or a list of indices names."""
        index = torch.as_tensor(chosen)
        index = index.nonzero()[:, 0] if index.dtype == torch.bool else index.long()
        fields = ("keypoints", "keypoint_scores", "boxes", "scores")
        kept = {field: getattr(self, field)[index] for field in fields}
        return replace(self, **kept, ids=None if self.ids is None else self.ids[index])

    def above(self, min_score: float) -> Prediction:
        """Those people whose score is at least ``min_score``."""
        return self.among(self.scores >= min_score)

    def numpy(self) -> Arrays:
        """The numbers as numpy arrays that share the tensors' memory."""
        ids = None if self.ids is None else self.ids.numpy()
        return Arrays(
            self.keypoints.numpy(), self.keypoint_scores.numpy(), self.boxes.numpy(), self.scores.numpy(), ids
        )

    def point(self, name: str) -> Float[NDArray[np.float32], "N 3"]:
        """x, y and score of one keypoint of everybody.

        Raises:
            UserError: the skeleton has no such keypoint; lists those that it has.
        """
        if name not in self.skeleton.keypoints:
            raise UserError(f"no keypoint '{name}' in {self.skeleton.name}: {', '.join(self.skeleton.keypoints)}")
        k = self.skeleton.keypoints.index(name)
        return np.concatenate([self.keypoints[:, k].numpy(), self.keypoint_scores[:, k, None].numpy()], 1)

    def to_coco(self, image_id: int = 1, category: int = 1) -> list[dict[str, Any]]:
        """COCO keypoint results, a dictionary a person, exactly as ``armature evaluate`` judges them.

        ``track_id`` is added where people have been tracked.
        """
        rows = Predictions.from_poses([self], [image_id]).to_coco(category)
        if self.ids is not None:
            for row, number in zip(rows, self.ids.tolist(), strict=True):
                row |= {} if number == NOBODY else {"track_id": number}
        return rows

    def to_supervision(self) -> Any:
        """``supervision.KeyPoints``, in pixel indices, for that package's annotators and sinks.

        Raises:
            UserError: supervision is not installed.
        """
        try:
            import supervision  # type: ignore[import-not-found]
        except ImportError as error:
            raise UserError("to_supervision needs the package supervision: pip install supervision") from error
        points = self.keypoints.numpy() - np.float32(HALF_PIXEL)
        # Its name changed in supervision 0.29.
        known = inspect.signature(supervision.KeyPoints).parameters
        confidence = "keypoint_confidence" if "keypoint_confidence" in known else "confidence"
        return supervision.KeyPoints(
            xy=points, class_id=np.zeros(len(self), int), **{confidence: self.keypoint_scores.numpy()}
        )

    def draw(
        self, image: NDArray[np.uint8] | Image, boxes: bool = True, labels: bool = True
    ) -> UInt8[NDArray[np.uint8], "H W 3"]:
        """A copy of the picture with everybody drawn on it, the less certain the fainter.

        Args:
            image: the picture that was asked about, RGB. boxes: draw these too. labels: and scores, and track numbers.
        """
        from armature.predicting import drawing

        return drawing.draw(np.asarray(image), self, drawing.Style(boxes, labels))
