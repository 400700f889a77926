"""People annotated and people predicted with different keypoints, made comparable by what both of them have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from armature.errors import DataError
from armature.evaluation.results import Predictions, Truth
from armature.skeleton_mapping import Correspondence, between
from armature.skeletons import make, restrict

if TYPE_CHECKING:
    from armature.structures import Skeleton


class Aligned(NamedTuple):
    """Truth and predictions with the keypoints of one skeleton, and in words which of those are judged."""

    truth: Truth
    predictions: Predictions
    skeleton: Skeleton
    said: str


def align(
    truth: Truth,
    results: str | Path | Sequence[Mapping[str, Any]],
    predicted: Skeleton,
    judged: Skeleton,
    derive: bool = False,
) -> Aligned:
    """Both in those keypoints of ``judged`` that annotations and predictions have; its sigmas stay.

    Args:
        truth: whose keypoints are known by the names of its file; by ``judged`` where the file names none.
        results: a COCO results file, or its contents, with the keypoints of ``predicted``.
        derive: see ``skeleton_mapping.between``.

    Raises:
        DataError: nothing common; lists what each side lacks. As ``Predictions.from_coco``.
        SkeletonError: one of the two has no keypoint of ``judged`` at all.
    """
    sides = between(_annotated(truth, judged), judged, derive), between(predicted, judged, derive)
    kept = [i for i in range(judged.count) if all(side.known[i] for side in sides)]
    said = _said(judged, sides, kept)
    if not kept:
        raise DataError(f"no keypoint of skeleton '{judged.name}' is both annotated and predicted: {said}")
    small = restrict(judged, kept)
    of_truth, of_predictions = (
        Correspondence(side.source, small, tuple(side.origins[i] for i in kept)) for side in sides
    )
    predictions = Predictions.from_coco(results, replace(truth, names=predicted.keypoints))
    return Aligned(map_truth(truth, of_truth), map_predictions(predictions, of_predictions), small, said)


def map_truth(truth: Truth, correspondence: Correspondence) -> Truth:
    """The same people with the target's keypoints; those of whom nothing is left become ignored, as COCO has it."""
    keypoints, visibility = correspondence.points(truth.keypoints, truth.visibility)
    labelled = np.where(truth.labelled > 0, (visibility > 0).sum(1), 0)
    names = correspondence.target.keypoints
    return replace(truth, keypoints=keypoints, visibility=visibility, labelled=labelled, names=names)


def map_predictions(predictions: Predictions, correspondence: Correspondence) -> Predictions:
    """The same people with the target's keypoints; areas from keypoints are those of the keypoints that are left.

    Raises:
        DataError: a target that the predictions lack a keypoint of: nobody can say where it was predicted.
    """
    names = correspondence.target.keypoints
    if lost := [name for name, known in zip(names, correspondence.known, strict=True) if not known]:
        raise DataError(f"predictions with keypoints of '{correspondence.source.name}' have no {lost}")
    keypoints = correspondence.places(predictions.keypoints)
    areas = predictions.areas
    if predictions.area_source == "keypoints":
        areas = np.ptp(keypoints, axis=1).prod(-1)
    scores = correspondence.scores(predictions.keypoint_scores)
    return replace(predictions, keypoints=keypoints, keypoint_scores=scores, areas=areas)


def _annotated(truth: Truth, judged: Skeleton) -> Skeleton:
    unnamed = truth.names == tuple(f"keypoint_{i}" for i in range(len(truth.names)))
    if unnamed and len(truth.names) == judged.count:
        return judged
    if unnamed:
        raise DataError(
            f"the annotations do not name their {len(truth.names)} keypoints, and skeleton '{judged.name}' has "
            f"{judged.count}; put their names into categories[].keypoints"
        )
    return make("annotations", truth.names, flip_pairs=())


def _said(judged: Skeleton, sides: tuple[Correspondence, Correspondence], kept: Sequence[int]) -> str:
    parts = [f"{len(kept)} of {judged.count} of {judged.name}"]
    for word, side in zip(("annotated", "predicted"), sides, strict=True):
        lost = [name for name, known in zip(judged.keypoints, side.known, strict=True) if not known]
        parts += [f"not {word}: {', '.join(lost)}"] if lost else []
    return "; ".join(parts)
