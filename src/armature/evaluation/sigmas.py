"""Per-keypoint OKS sigmas estimated from people annotated twice, or bounded from above by a network's residuals.

COCO defines sigma_i^2 = E[d_i^2 / s^2] (cocodataset.org, keypoint evaluation): d_i is the distance of an annotator's
keypoint from its true place, both axes together, and s^2 the person's area. Sigma is thus a root mean square distance;
the standard deviation along one axis is sigma / sqrt(2). OKS is exp(-d^2 / (2 s^2 k^2)) with k = 2 sigma.

True places are never known, so d is never seen. What can be seen:

- Two annotators at t + a and t + b. If a and b are independent, without a common or constant offset, and equally
  large, then E|a - b|^2 = E|a|^2 + E|b|^2 = 2 sigma^2 s^2: the variance doubles, and sigma^2 is half the mean of
  d^2 / s^2 between the two. An offset that one of them always has counts as deviation; one that both have is not seen.
- A network at t + m and an annotator at t + a. E|m - a|^2 = E|m|^2 + sigma^2 s^2 where the network has not seen these
  annotations: the mean of d^2 / s^2 is an upper bound of sigma^2, and nothing is halved.

So the mean of d^2 / s^2 is ``factor`` x sigma^2 with factor 2 or 1. If deviations are normal and alike along both axes,
d^2 / s^2 is exponentially distributed, and its median is ln 2 times its mean: the robust estimate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from armature.errors import DataError, UserError
from armature.evaluation import bootstrap, oks, pck
from armature.evaluation.medians import Medians
from armature.evaluation.ratios import Ratios
from armature.evaluation.results import Predictions, Truth

#: Factors of the curve: three steps for each doubling, from a quarter to four times.
FACTORS = tuple(float(2 ** (step / 3)) for step in range(-6, 7))


@dataclass(frozen=True)
class Deviations:
    """Squared distances of keypoints of the same person, relative to the person's area. L is the number of people.

    Attributes:
        squared: (L, K) d^2 / s^2; NaN where not both places are known.
        image: (L,) index of the person's image. images: how many images there are.
        factor: what the mean is of sigma^2; 2 between two annotators, 1 between a network and an annotator.
        names: K keypoint names.
        left_out: people who could not be used, by reason.
    """

    squared: NDArray[np.float64]
    image: NDArray[np.int64]
    images: int
    factor: float
    names: tuple[str, ...]
    left_out: dict[str, int]

    @property
    def upper_bound(self) -> bool:
        """Whether sigmas from these are upper bounds, because a network's own error is in them."""
        return self.factor == 1


@dataclass(frozen=True)
class Estimate:
    """Sigmas with what they rest on; NaN where no pair labels the keypoint.

    Attributes:
        sigmas: (K,) root mean square deviation / sqrt(area), both axes together. low, high: (K,) ends of the interval.
        counts: (K,) pairs of places. people, images: how many of them have any.
        level: of the interval. robust: whether from the median. upper_bound: as in ``Deviations``.
    """

    names: tuple[str, ...]
    sigmas: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    counts: NDArray[np.int64]
    people: int
    images: int
    level: float
    robust: bool
    upper_bound: bool


def between(first: Truth, second: Truth, min_iou: float = 0.5) -> Deviations:
    """Deviations between two annotations of the same people, who are paired within each image by their boxes.

    Pairs are one to one and have the highest sum of intersection over union; where boxes overlap equally the nearer
    keypoints decide. s^2 is the mean of the two areas. Crowds and people without labelled keypoints are left out.

    Args:
        min_iou: pairs that overlap less are no pairs.

    Raises:
        DataError: other keypoints, no image in common, nobody paired.
    """
    if first.names != second.names:
        raise DataError(f"the two annotations have other keypoints: {list(first.names)} and {list(second.names)}")
    common = np.intersect1d(first.image_ids, second.image_ids)
    if not len(common):
        raise DataError(
            f"the two annotations share no image id ({len(first.image_ids)} and {len(second.image_ids)} images); "
            "doubly annotated people must be in images of the same id"
        )
    usable = [~truth.ignored & (truth.visibility > 0).any(1) for truth in (first, second)]
    a, b = _pair_people(first, second, common, usable, min_iou)
    known = (first.visibility[a] > 0) & (second.visibility[b] > 0)
    distance = ((first.keypoints[a] - second.keypoints[b]) ** 2).sum(2)
    areas = (first.areas[a] + second.areas[b]) / 2
    judged = np.isin(first.image_ids[first.image], common) & usable[0]
    left_out = {f"without a partner of IoU >= {min_iou:g}": int(judged.sum()) - len(a)}
    return _deviations(distance, known, areas, first, a, 2.0, left_out)


def residuals(truth: Truth, predictions: Predictions, sigmas: NDArray[np.float64], min_oks: float = 0.5) -> Deviations:
    """Deviations between annotations and a network's predictions, paired as in PCK (``pck.RULE``).

    Args:
        sigmas: (K,) that decide who is paired with whom.
        min_oks: pairs below are left out, as they mostly show somebody else; 0 keeps all.

    Raises:
        DataError: nobody paired.
    """
    matches = oks.match(truth, predictions, sigmas)
    found = pck.localise(truth, predictions, matches)
    kept = (found.prediction >= 0) & (found.oks >= min_oks)
    left_out = {f"without a prediction of OKS >= {min_oks:g}": int((~kept).sum())}
    person, distance = found.person[kept], found.distances[kept] ** 2
    return _deviations(distance, ~np.isnan(distance), truth.areas[person], truth, person, 1.0, left_out)


def estimate(
    deviations: Deviations, robust: bool = False, resamples: int = 1000, level: float = 0.95, seed: int = 0
) -> Estimate:
    """Sigmas with percentile intervals of a bootstrap over images.

    Args:
        robust: from the median of d^2 / s^2 instead of its mean: gross mistakes (a swapped left and right) count
            little, and the deviations must be normal.

    Raises:
        UserError: fewer than two resamples, or a level outside of (0, 1).
    """
    if not 0 < level < 1:
        raise UserError(f"level must lie between 0 and 1; found {level}")
    mean = _medians if robust else _means
    peopled = np.unique(deviations.image)
    dense = replace(deviations, image=np.searchsorted(peopled, deviations.image), images=len(peopled))
    weights = bootstrap.weights(len(peopled), resamples, seed)
    scale = np.log(2) * deviations.factor if robust else deviations.factor
    sigmas = np.sqrt(mean(dense, np.ones((1, len(peopled)), np.int32))[0] / scale)
    drawn = np.sqrt(mean(dense, weights) / scale)
    low, high = _percentiles(drawn, level)
    known = ~np.isnan(deviations.squared)
    counts, people = known.sum(0), int(known.any(1).sum())
    return Estimate(
        deviations.names, sigmas, low, high, counts, people, len(peopled), level, robust, deviations.upper_bound
    )


def curve(
    truth: Truth, predictions: Predictions, sigmas: NDArray[np.float64], factors: Sequence[float] = FACTORS
) -> dict[str, list[float]]:
    """``factor``, ``AP``, ``AP50`` and ``AP75`` with all sigmas multiplied by each factor: how much AP owes to them.

    Args:
        sigmas: (K,) at factor 1.
    """
    numbers = [oks.evaluate(truth, predictions, np.asarray(sigmas) * factor) for factor in factors]
    return {"factor": list(factors)} | {name: [n[name] for n in numbers] for name in ("AP", "AP50", "AP75")}


def _deviations(
    distance: NDArray[np.float64],
    known: NDArray[np.bool_],
    areas: NDArray[np.float64],
    truth: Truth,
    person: NDArray[np.int64],
    factor: float,
    left_out: dict[str, int],
) -> Deviations:
    """The people of ``person`` who have an area and a keypoint that is known twice."""
    sized, seen = areas > 0, known.any(1)
    kept = sized & seen
    left_out |= {"without an area": int((~sized).sum()), "without a common keypoint": int((sized & ~seen).sum())}
    if not kept.any():
        reasons = ", ".join(f"{count} {reason}" for reason, count in left_out.items())
        raise DataError(f"nobody to estimate sigmas from: of {len(truth)} people annotated {reasons}")
    squared = np.where(known, distance, np.nan)[kept] / areas[kept, None]
    return Deviations(squared, truth.image[person[kept]], len(truth.image_ids), factor, truth.names, left_out)


def _pair_people(
    first: Truth, second: Truth, common: NDArray[np.int64], usable: list[NDArray[np.bool_]], min_iou: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """People of the first and the second annotation who are the same."""
    from scipy.optimize import linear_sum_assignment

    pairs: list[tuple[int, int]] = []
    for image_id in common:
        a, b = (
            np.flatnonzero(use & (truth.image == np.searchsorted(truth.image_ids, image_id)))
            for truth, use in ((first, usable[0]), (second, usable[1]))
        )
        if not (len(a) and len(b)):
            continue
        iou = _iou(first.boxes[a], second.boxes[b])
        rows, columns = linear_sum_assignment(iou - 1e-3 * _farness(first, second, a, b), maximize=True)
        pairs += [(a[i], b[j]) for i, j in zip(rows, columns, strict=True) if iou[i, j] >= min_iou]
    left, right = np.array(pairs, np.int64).reshape(-1, 2).T
    return left, right


def _iou(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, M) intersection over union of xywh boxes."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum((a[:, :2] + a[:, 2:])[:, None], (b[:, :2] + b[:, 2:])[None])
    shared = np.clip(high - low, 0, None).prod(2)
    union = a[:, 2:].prod(1)[:, None] + b[:, 2:].prod(1)[None] - shared
    return np.where(union > 0, shared / np.where(union > 0, union, 1), 0.0)


def _farness(first: Truth, second: Truth, a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.float64]:
    """(N, M) in [0, 1]: mean distance of the keypoints that both label, of the boxes' longer side; 1 without any."""
    both = (first.visibility[a] > 0)[:, None] & (second.visibility[b] > 0)[None]
    distance = np.linalg.norm(first.keypoints[a][:, None] - second.keypoints[b][None], axis=3)
    side = np.maximum(first.boxes[a, 2:].max(1)[:, None], second.boxes[b, 2:].max(1)[None])
    total = np.where(both, distance, 0).sum(2)
    limit = both.sum(2) * side
    return np.where(limit > 0, np.minimum(total / np.where(limit > 0, limit, 1), 1), 1.0)


def _means(deviations: Deviations, weights: NDArray[Any]) -> NDArray[np.float64]:
    """(R, K) mean of d^2 / s^2 under each weighting (R, I) of the images."""
    known = ~np.isnan(deviations.squared)
    sums = Ratios.by_image(deviations.names, deviations.image, deviations.images, deviations.squared, known)
    return sums.under(weights)


def _medians(deviations: Deviations, weights: NDArray[Any]) -> NDArray[np.float64]:
    """(R, K) median of d^2 / s^2 under each weighting of the images."""
    columns = zip(deviations.names, deviations.squared.T, strict=True)
    return Medians.of({name: (deviations.image, column) for name, column in columns}, deviations.images).under(weights)


def _percentiles(drawn: NDArray[np.float64], level: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(K,) low and (K,) high end; NaN where no resampling had a pair."""
    ends = np.full((2, drawn.shape[1]), np.nan)
    for k, column in enumerate(drawn.T):
        if (~np.isnan(column)).any():
            ends[:, k] = np.nanpercentile(column, [50 * (1 - level), 50 * (1 + level)])
    return ends[0], ends[1]
