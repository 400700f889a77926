"""How far predicted keypoints lie from the annotated ones: PCK and pixel errors.

Who is compared with whom: of each image the N predictions with the best scores are paired one to one with its
labelled people, the highest OKS first (the nearest where OKS is equal, as when it is 0 everywhere). N is the number
of the image's annotations, crowds and unlabelled people included. No similarity is too low for a pair, so with one
person in each image the best-scored prediction is always the one that is measured, however bad it is. People that
are left without a prediction count as wrong in PCK and have no pixel error; ``matched`` is the share that has one.
Where many people share an image, the mean error is ruled by those whose prediction shows somebody else, and the
median says more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from armature.evaluation.grouping import steps
from armature.evaluation.oks import Matches
from armature.evaluation.results import Predictions, Truth

RULE = (
    "each image's N best-scored predictions (N: its annotations) paired one to one with its labelled people, highest "
    "OKS first, no lower limit; a person without prediction is wrong in PCK and has no pixel error"
)
NORMALISER = "longer side of the annotated box"


@dataclass(frozen=True)
class Localisation:
    """Labelled people and the predictions they are compared with. L is the number of such people.

    Attributes:
        person: (L,) index into the truth's people. prediction: (L,) index into the predictions, -1 for none.
        oks: (L,) of that pair, 0 for none.
        distances: (L, K) px; NaN where not labelled or without prediction.
        labelled: (L, K) bool. scale: (L,) px, longer side of the box.
    """

    person: NDArray[np.int64]
    prediction: NDArray[np.int64]
    oks: NDArray[np.float64]
    distances: NDArray[np.float64]
    labelled: NDArray[np.bool_]
    scale: NDArray[np.float64]

    def pck(self, threshold: float) -> NDArray[np.float64]:
        """(K + 1,) share of labelled keypoints nearer than ``threshold`` x box side: all together, then each."""
        with np.errstate(invalid="ignore"):
            right = self.distances < threshold * self.scale[:, None]
        return _with_total(right.sum(0), self.labelled.sum(0))

    def numbers(self, names: Sequence[str], thresholds: Sequence[float]) -> dict[str, float]:
        """``PCK@t``, ``error/mean``, ``error/median`` (px), each also as ``.../<keypoint>``, and ``matched``.

        NaN where nothing is labelled, and for errors where nothing labelled was predicted.
        """
        kinds = {f"PCK@{threshold:g}": self.pck(threshold) for threshold in thresholds}
        kinds["error/mean"] = _over(self.distances, np.mean)
        kinds["error/median"] = _over(self.distances, np.median)
        totals = {kind: float(values[0]) for kind, values in kinds.items()}
        each = {
            f"{kind}/{name}": float(value)
            for kind, values in kinds.items()
            for name, value in zip(names, values[1:], strict=True)
        }
        matched = float((self.prediction >= 0).mean()) if len(self.person) else float("nan")
        return totals | {"matched": matched} | each


def localise(truth: Truth, predictions: Predictions, matches: Matches) -> Localisation:
    """Pairs labelled people with predictions by this module's rule and measures their distances, source px."""
    found, oks = _assign(truth, predictions, matches)
    person = np.flatnonzero(_judged(truth))
    prediction = found[person]
    labelled = truth.visibility[person] > 0
    # the index -1 of people without a prediction would read the last one; they become NaN below
    points = predictions.keypoints[prediction] if len(predictions) else np.zeros_like(truth.keypoints[person])
    distances = np.linalg.norm(points - truth.keypoints[person], axis=2)
    distances[~labelled | (prediction < 0)[:, None]] = np.nan
    return Localisation(person, prediction, oks[person], distances, labelled, truth.boxes[person, 2:].max(1, initial=0))


def image_oks(truth: Truth, localisation: Localisation) -> dict[int, float]:
    """Mean OKS of each image's labelled people with their predictions (0 for none); other images are left out."""
    image = truth.image[localisation.person]
    people = np.bincount(image, minlength=len(truth.image_ids))
    total = np.bincount(image, localisation.oks, minlength=len(truth.image_ids))
    return {int(truth.image_ids[i]): float(total[i] / people[i]) for i in np.flatnonzero(people)}


def _judged(truth: Truth) -> NDArray[np.bool_]:
    """(G,) people that are no crowd and have labelled keypoints."""
    return ~truth.crowd & (truth.visibility > 0).any(1)


def _assign(truth: Truth, predictions: Predictions, matches: Matches) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """(G,) prediction of each person, -1 for none, and (G,) its OKS."""
    ranked, pairs = matches.ranked, matches.pairs
    allowed = np.bincount(truth.image, minlength=len(truth.image_ids))[ranked.image]
    pairs = pairs.take((ranked.rank < allowed)[pairs.prediction] & _judged(truth)[pairs.person])
    source, image = ranked.source[pairs.prediction], ranked.image[pairs.prediction]
    distance = np.linalg.norm(predictions.keypoints[source] - truth.keypoints[pairs.person], axis=2)
    nearest = np.where(truth.visibility[pairs.person] > 0, distance, 0).sum(1)
    order = np.lexsort((nearest, -pairs.oks, image))
    found, oks = np.full(len(truth), -1), np.zeros(len(truth))
    free = np.ones(len(ranked.source), bool)
    for now in steps(image[order]):
        pair = order[now]
        pair = pair[free[pairs.prediction[pair]] & (found[pairs.person[pair]] < 0)]
        free[pairs.prediction[pair]] = False
        found[pairs.person[pair]], oks[pairs.person[pair]] = source[pair], pairs.oks[pair]
    return found, oks


def _with_total(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore"):
        return np.append(part.sum(), part) / np.append(whole.sum(), whole)


def _over(distances: NDArray[np.float64], mean) -> NDArray[np.float64]:  # type: ignore[no-untyped-def]
    """(K + 1,) a mean of all the numbers that there are, then of each column's."""
    columns = [distances.ravel(), *distances.T]
    present = [column[~np.isnan(column)] for column in columns]
    return np.array([mean(values) if len(values) else np.nan for values in present])
