"""COCO's keypoint evaluation (OKS AP and AR), vectorised over images, thresholds and sizes.

``match`` decides once which prediction found which person; ``accumulate`` turns that into the ten numbers, and can
do so again for any weighting of the images (which is what a bootstrap needs). ``rematch`` does the matching again for
other parts of the people than COCO's sizes (``slices.py``), without working out any similarity twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from armature.errors import DataError, UserError
from armature.evaluation.grouping import steps
from armature.evaluation.results import Predictions, Truth
from armature.evaluation.similarity import Pairs, Ranked, pair, rank

THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0.0, 1.0, 101)
#: Sizes of people, px^2, both ends included.
SIZES = {"all": (0.0, 1e5**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e5**2)}
MAX_DETECTIONS = 20

#: Name of each COCO number: (precision or recall, size, threshold or None for the mean of all).
NUMBERS: dict[str, tuple[str, str, float | None]] = {
    f"{kind}{suffix}": (kind, size, threshold)
    for kind in ("AP", "AR")
    for suffix, size, threshold in (
        ("", "all", None),
        ("50", "all", 0.5),
        ("75", "all", 0.75),
        ("m", "medium", None),
        ("l", "large", None),
    )
}
#: One bit for each threshold, all set.
_EVERY = np.uint16(2 ** len(THRESHOLDS) - 1)


@dataclass(frozen=True)
class Lanes:
    """Parts of the people, each judged by itself as COCO judges a size; A is their number.

    Attributes:
        names: A names.
        judged: (A, G) bool, people that are to be found; all others are ignored: no misses, and no false alarms.
        alarms: (A, D) bool over the predictions, those that are false alarms where they found nobody.
    """

    names: tuple[str, ...]
    judged: NDArray[np.bool_]
    alarms: NDArray[np.bool_]


@dataclass(frozen=True)
class Matches:
    """Which prediction found which person, at every threshold and for every lane.

    Masks hold one bit per threshold: bit t belongs to ``THRESHOLDS[t]``. A is the number of lanes, of ``SIZES`` unless
    somebody asked for others.

    Attributes:
        ranked: the D predictions that were judged, by image, best first.
        pairs: all P pairs of a prediction and a person of its image, with OKS.
        close: the C of them that reach the lowest threshold.
        hits: (A, C) masks: thresholds at which that close pair was made.
        matched: (A, D) masks: thresholds at which the prediction found somebody.
        ignored: (A, D) masks: thresholds at which the prediction counts neither as hit nor as false alarm.
        people: (A, I) number of people to be found in each image.
        image_ids: (I,) the ids of those images.
        lanes: A names.
    """

    ranked: Ranked
    pairs: Pairs
    close: Pairs
    hits: NDArray[np.uint16]
    matched: NDArray[np.uint16]
    ignored: NDArray[np.uint16]
    people: NDArray[np.int64]
    image_ids: NDArray[np.int64]
    lanes: tuple[str, ...] = tuple(SIZES)

    @cached_property
    def order(self) -> NDArray[np.int64]:
        """(D,) the predictions of all images, best first; equal scores keep the order of their images."""
        return np.argsort(-self.ranked.scores, kind="stable")

    def found(self, threshold: float = 0.5, size: str = "all") -> NDArray[np.int64]:
        """(D,) the person (index into the truth) that each prediction found, -1 for nobody."""
        bit, a = _bit(threshold), self.lanes.index(size)
        made = (self.hits[a] & bit) > 0
        person = np.full(len(self.ranked.source), -1)
        person[self.close.prediction[made]] = self.close.person[made]
        return person


@dataclass(frozen=True)
class Curves:
    """Precision at each recall and the recall reached; NaN where there is nobody to find.

    Attributes:
        precision: (A, T, R) over ``lanes``, ``THRESHOLDS`` and ``RECALLS``. recall: (A, T). lanes: A names.
    """

    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    lanes: tuple[str, ...] = tuple(SIZES)

    def numbers(self) -> dict[str, float]:
        """COCO's ten numbers by name; NaN where there is nobody to find (pycocotools says -1)."""
        return {name: self.number(*what) for name, what in NUMBERS.items()}

    def number(self, kind: str, lane: str, threshold: float | None = None) -> float:
        """``AP`` or ``AR`` of one lane, at one threshold or (None) in the mean over all; NaN: nobody to find."""
        values = (self.precision if kind == "AP" else self.recall)[self.lanes.index(lane)]
        chosen = values if threshold is None else values[np.isclose(THRESHOLDS, threshold)]
        return float(np.ascontiguousarray(chosen).ravel().mean())


def evaluate(
    truth: Truth, predictions: Predictions, sigmas: NDArray[np.float64], max_detections: int = MAX_DETECTIONS
) -> dict[str, float]:
    """COCO's ten numbers (AP, AP50, AP75, APm, APl and the same of AR); NaN where there is nobody to find."""
    return accumulate(match(truth, predictions, sigmas, max_detections)).numbers()


def match(
    truth: Truth, predictions: Predictions, sigmas: NDArray[np.float64], max_detections: int = MAX_DETECTIONS
) -> Matches:
    """Greedy matching, best score first, as in cocoapi's ``evaluateImg``.

    A prediction takes the free person with the highest OKS at or above the threshold (the last of equals), and a
    person to be ignored only if there is no other; crowds can be taken again and again.

    Args:
        sigmas: (K,) OKS constants. max_detections: predictions of an image beyond these are dropped.

    Raises:
        DataError: people without an area.
    """
    _check_areas(truth)
    ranked = rank(truth, predictions, max_detections)
    pairs = pair(truth, predictions, ranked, sigmas)
    close = pairs.take(pairs.oks >= THRESHOLDS[0])
    return _matches(truth, ranked, pairs, close, by_size(truth, predictions))


def rematch(matches: Matches, truth: Truth, lanes: Lanes) -> Matches:
    """The same predictions matched once more, for other lanes; similarities are taken from ``matches``.

    Args:
        truth: the one that ``matches`` were made from. lanes: over its people and over the predictions judged.
    """
    return _matches(truth, matches.ranked, matches.pairs, matches.close, lanes)


def by_size(truth: Truth, predictions: Predictions) -> Lanes:
    """COCO's sizes: people within the area range, and alarms by the predictions' own areas."""
    limits = np.array(list(SIZES.values()))[:, :, None]
    inside = [(areas >= limits[:, 0]) & (areas <= limits[:, 1]) for areas in (truth.areas, predictions.areas)]
    return Lanes(tuple(SIZES), inside[0] & ~truth.ignored, inside[1])


def accumulate(matches: Matches, image_weights: NDArray[np.float64] | None = None) -> Curves:
    """Precision and recall over all images, as in cocoapi's ``accumulate``.

    Args:
        image_weights: (I,) how often each image counts; None means once. Whole numbers give exactly what so many
            copies of the image would.

    Raises:
        UserError: not one weight for each image.
    """
    weights = None if image_weights is None else np.asarray(image_weights, np.float64)
    if weights is not None and weights.shape != matches.image_ids.shape:
        raise UserError(f"image_weights has shape {weights.shape}; there are {len(matches.image_ids)} images")
    image_order = matches.ranked.image[matches.order]
    each = None if weights is None else weights[image_order]
    totals = matches.people.sum(1) if weights is None else matches.people @ weights
    precision = np.full((len(matches.lanes), len(THRESHOLDS), len(RECALLS)), np.nan)
    recall = np.full(precision.shape[:2], np.nan)
    for a in np.flatnonzero(totals > 0):
        matched, ignored = matches.matched[a][matches.order], matches.ignored[a][matches.order]
        for t in range(len(THRESHOLDS)):
            bit = np.uint16(1 << t)
            judged = (ignored & bit) == 0
            hit = np.flatnonzero(judged & ((matched & bit) > 0))
            precision[a, t], recall[a, t] = _curve(judged, hit, each, float(totals[a]))
    return Curves(precision, recall, matches.lanes)


def _matches(truth: Truth, ranked: Ranked, pairs: Pairs, close: Pairs, lanes: Lanes) -> Matches:
    counts = len(ranked.source), len(truth)
    hits, matched, ignored = _walk(close, ranked.image[close.prediction], counts, ~lanes.judged, truth.crowd)
    ignored |= np.where(lanes.alarms[:, ranked.source], 0, ~matched & _EVERY).astype(np.uint16)
    people = np.stack([np.bincount(truth.image[row], minlength=len(truth.image_ids)) for row in lanes.judged])
    return Matches(ranked, pairs, close, hits, matched, ignored, people, truth.image_ids, lanes.names)


def _check_areas(truth: Truth) -> None:
    lacking = np.isnan(truth.areas)
    if lacking.any():
        raise DataError(
            f"{int(lacking.sum())} of {len(truth)} annotations have no 'area' (the first has id "
            f"{truth.ids[lacking][0]}), and OKS is relative to it: judge with area=box or area=box*0.53, which take it "
            "from the annotated boxes"
        )


def _curve(
    judged: NDArray[np.bool_], hit: NDArray[np.int64], weights: NDArray[np.float64] | None, total: float
) -> tuple[NDArray[np.float64], float]:
    """(R,) interpolated precision, and the recall reached, of one threshold and size.

    Precision and recall rise at hits only, so nothing between hits is looked at.
    """
    if weights is None:
        hits, seen = np.arange(1.0, len(hit) + 1), np.cumsum(judged, dtype=np.int32)[hit].astype(np.float64)
    else:
        hit = hit[weights[hit] > 0]
        hits, seen = np.cumsum(weights[hit]), np.cumsum(judged * weights)[hit]
    if not len(hit):
        return np.zeros(len(RECALLS)), 0.0
    precision = hits / (seen + np.spacing(1))
    best_from = np.maximum.accumulate(precision[::-1])[::-1]
    recall = hits / total
    first = np.searchsorted(recall, RECALLS, side="left")
    return np.append(best_from, 0.0)[first], float(recall[-1])


def _preferred(close: Pairs, ignored: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(C,) order of the pairs: by prediction, and for each prediction the person it would rather take first."""
    several = np.flatnonzero(np.bincount(close.prediction)[close.prediction] > 1)
    person, prediction = close.person[several], close.prediction[several]
    order = np.arange(len(close.oks))
    order[several] = several[np.lexsort((-person, -close.oks[several], ignored[person], prediction))]
    return order


def _walk(
    close: Pairs,
    image: NDArray[np.int64],
    counts: tuple[int, int],
    ignored: NDArray[np.bool_],
    crowd: NDArray[np.bool_],
) -> tuple[NDArray[np.uint16], NDArray[np.uint16], NDArray[np.uint16]]:
    """Masks of hits (A, C), matched (A, D) and ignored (A, D): the greedy matching itself.

    Each image (once for each lane) has a list of its close pairs in the order in which COCO would try
    them. Step s takes the s-th pair of every list at once: no two of those share a prediction or a person.

    Args:
        image: (C,) image of each pair. counts: D and G. ignored: (A, G). crowd: (G,).
    """
    lanes, many = len(ignored), len(close.oks)
    order = np.concatenate([_preferred(close, row) for row in ignored])
    lane = np.repeat(np.arange(lanes), many)
    reached = np.searchsorted(np.minimum(THRESHOLDS, 1 - 1e-10), close.oks, side="right")
    passes = ((1 << reached) - 1).astype(np.uint16)[order]
    blocks = np.where(crowd, 0, _EVERY).astype(np.uint16)[close.person][order]
    drops = np.where(ignored, _EVERY, 0).astype(np.uint16)[lane, close.person[order]]
    prediction, person = close.prediction[order] + lane * counts[0], close.person[order] + lane * counts[1]
    matched, dropped, taken = (np.zeros(lanes * size, np.uint16) for size in (counts[0], counts[0], counts[1]))
    hits = np.zeros(lanes * many, np.uint16)
    for now in steps(np.tile(image, lanes) + lane * (image.max(initial=0) + 1)):
        p, g = prediction[now], person[now]
        made = passes[now] & ~matched[p] & ~taken[g]
        matched[p] |= made
        taken[g] |= made & blocks[now]
        dropped[p] |= made & drops[now]
        hits[order[now] + lane[now] * many] = made
    return hits.reshape(lanes, many), matched.reshape(lanes, -1), dropped.reshape(lanes, -1)


def _bit(threshold: float) -> np.uint16:
    where = np.flatnonzero(np.isclose(THRESHOLDS, threshold))
    if not len(where):
        raise UserError(f"threshold {threshold} is none of {THRESHOLDS.round(2).tolist()}")
    return np.uint16(1 << int(where[0]))
