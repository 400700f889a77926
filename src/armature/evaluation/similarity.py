"""Object keypoint similarity of every predicted person with every annotated person of its image."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from armature.errors import UserError
from armature.evaluation.grouping import count_within, stable_argsort
from armature.evaluation.results import Predictions, Truth

#: Pairs worked on at once: a few arrays of (ROWS, K) float64 fit a core's cache.
ROWS = 2048


@dataclass(frozen=True)
class Ranked:
    """The predictions that count, best first within each image.

    Attributes:
        source: (D,) index into the predictions. image: (D,) index into the truth's images, ascending.
        rank: (D,) 0 for the best of its image. scores: (D,).
    """

    source: NDArray[np.int64]
    image: NDArray[np.int64]
    rank: NDArray[np.int64]
    scores: NDArray[np.float64]


@dataclass(frozen=True)
class Pairs:
    """Every prediction with every person of the same image, by prediction, then by person.

    Attributes:
        prediction: (P,) index into ``Ranked``. person: (P,) index into the truth's people. oks: (P,) in [0, 1].
    """

    prediction: NDArray[np.int64]
    person: NDArray[np.int64]
    oks: NDArray[np.float64]

    def take(self, which: NDArray[np.bool_]) -> Pairs:
        """Only those pairs."""
        where = np.flatnonzero(which)
        return Pairs(self.prediction[where], self.person[where], self.oks[where])


def rank(truth: Truth, predictions: Predictions, most: int) -> Ranked:
    """The ``most`` best predictions of each image; equal scores keep their order, as in COCO.

    Predictions of images that the truth does not know are left out.
    """
    if len(truth.image_ids):
        place = np.minimum(np.searchsorted(truth.image_ids, predictions.image_ids), len(truth.image_ids) - 1)
        source = np.flatnonzero(truth.image_ids[place] == predictions.image_ids)
    else:
        place = source = np.zeros(0, np.int64)
    source = source[np.argsort(-predictions.scores[source], kind="stable")]
    image = place[source]
    order = stable_argsort(image)
    source, image = source[order], image[order]
    position = count_within(image)
    kept = np.flatnonzero(position < most)
    source = source[kept]
    return Ranked(source, image[kept], position[kept], predictions.scores[source])


def pair(truth: Truth, predictions: Predictions, ranked: Ranked, sigmas: NDArray[np.float64]) -> Pairs:
    """All pairs with their OKS (Ronchi & Perona 2017; the arithmetic is in the order of cocoapi's ``computeOks``).

    The mean over the person's labelled keypoints of exp(-d^2 / (2 sigma)^2 / area / 2). For people without labelled
    keypoints d is the distance to the box enlarged by its own width and height on each side, over all keypoints.

    Args:
        sigmas: (K,).

    Raises:
        UserError: their number is not that of the keypoints.
    """
    sigmas = np.asarray(sigmas, np.float64)
    shapes = {len(sigmas), len(truth.names), *predictions.keypoints.shape[1:2]}
    if len(shapes) > 1:
        raise UserError(
            f"{len(sigmas)} sigmas for {len(truth.names)} keypoints of the annotations and "
            f"{predictions.keypoints.shape[1]} of the predictions; the three must be equal"
        )
    first = np.searchsorted(truth.image, ranked.image, side="left")
    count = np.searchsorted(truth.image, ranked.image, side="right") - first
    prediction = np.repeat(np.arange(len(ranked.image)), count)
    person = np.arange(len(prediction)) - np.repeat(np.cumsum(count) - count - first, count)
    points = np.ascontiguousarray(predictions.keypoints[ranked.source].transpose(2, 0, 1))
    oks = np.zeros(len(prediction))
    for rows, labelled in _blocks(truth, person):
        error = _squared(points, truth, prediction[rows], person[rows], boxed=labelled == 0)
        error /= (sigmas * 2) ** 2
        error /= (truth.areas[person[rows]] + np.spacing(1))[:, None]
        error *= -0.5
        if 0 < labelled < len(sigmas):
            error = error[truth.visibility[person[rows]] > 0].reshape(len(rows), labelled)
        oks[rows] = np.exp(error, out=error).sum(1) / error.shape[1]
    return Pairs(prediction, person, oks)


def _blocks(truth: Truth, person: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], int]]:
    """Pairs in blocks of ``ROWS`` whose people have equally many labelled keypoints.

    Summing n labelled terms as an array of n, and not K terms with zeros between, rounds as cocoapi does.
    """
    labelled = (truth.visibility > 0).sum(1)[person]
    for count in np.unique(labelled):
        rows = np.flatnonzero(labelled == count)
        for start in range(0, len(rows), ROWS):
            yield rows[start : start + ROWS], int(count)


def _squared(
    points: NDArray[np.float64], truth: Truth, prediction: NDArray[np.int64], person: NDArray[np.int64], boxed: bool
) -> NDArray[np.float64]:
    """(P, K) px^2 from each predicted point to its person's, or to the person's enlarged box."""
    total = np.zeros(())
    for axis in (0, 1):
        distance = points[axis].take(prediction, axis=0)
        if boxed:
            low, size = truth.boxes[person, axis], truth.boxes[person, 2 + axis]
            below = np.maximum((low - size)[:, None] - distance, 0)
            distance = below + np.maximum(distance - (low + size * 2)[:, None], 0)
        else:
            distance -= truth.keypoints[:, :, axis].take(person, axis=0)
        np.multiply(distance, distance, out=distance)
        total = distance if axis == 0 else np.add(total, distance, out=total)
    return total
