"""A part of a data set: annotations and predictions of some of its images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from armature.evaluation.results import Predictions, Truth


def truth_of(truth: Truth, image_ids: NDArray[np.int64]) -> Truth:
    """The annotations of those images, which must be among the truth's; ids in any order."""
    kept = np.isin(truth.image_ids, image_ids)
    place = np.cumsum(kept) - 1
    people = kept[truth.image]
    rows = ("keypoints", "visibility", "labelled", "boxes", "areas", "crowd", "ids")
    return replace(
        truth,
        image_ids=truth.image_ids[kept],
        files=tuple(file for file, keep in zip(truth.files, kept, strict=True) if keep),
        sizes=truth.sizes[kept],
        image=place[truth.image[people]],
        crowd_index=None if truth.crowd_index is None else truth.crowd_index[kept],
        head_boxes=None if truth.head_boxes is None else truth.head_boxes[people],
        **{name: getattr(truth, name)[people] for name in rows},
    )


def predictions_of(predictions: Predictions, image_ids: NDArray[np.int64]) -> Predictions:
    """The predictions in those images."""
    kept = np.isin(predictions.image_ids, image_ids)
    rows = ("image_ids", "keypoints", "keypoint_scores", "scores", "boxes", "areas")
    return replace(predictions, **{name: getattr(predictions, name)[kept] for name in rows})
