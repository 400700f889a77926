"""COCO's ten OKS numbers under a thousand weightings of the images at once, equal to ``oks.accumulate`` under each.

Sorting and matching do not depend on how often an image counts, so they are done once. What is left for each
weighting are sums of whole numbers in a fixed order. Three things keep them few:

- Precision and recall rise at hits only, so nothing is worked out elsewhere: for each curve (a size and a threshold)
  only the predictions seen before each hit have to be summed.
- Most predictions are judged at every threshold or at none. Their running sum is formed once for each size, and only
  the few whose judgement depends on the threshold are summed for each curve.
- The hits of all curves, and of several weightings, lie end to end in one array. The recall grid is then one search
  in whole numbers, and the best precision from each of its places on is one segmented maximum.

Letters in shapes: R weightings, I images, C curves (sizes x thresholds), H hits of all curves, L predictions summed.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from armature.errors import UserError
from armature.evaluation.oks import NUMBERS, RECALLS, THRESHOLDS, Matches

#: How many numbers are worked on at once, in all weightings of a block: what a core's cache holds.
BLOCK = 2**18
_EVERY = np.uint16(2 ** len(THRESHOLDS) - 1)
#: Name -> (precision or recall, lane, threshold or None for the mean of all), as in ``oks.NUMBERS``.
Wanted = Mapping[str, tuple[str, str, float | None]]


@dataclass(frozen=True)
class Judged:
    """All of a system's matches that precision and recall depend on; the predictions of all images, best first.

    Attributes:
        image: (D,) image of each prediction. matched, ignored: (A, D) masks as in ``Matches``.
        people: (A, I) people to be found in each image. lanes: A names.
    """

    image: NDArray[np.int64]
    matched: NDArray[np.uint16]
    ignored: NDArray[np.uint16]
    people: NDArray[np.int64]
    lanes: tuple[str, ...]

    @classmethod
    def of(cls, matches: Matches) -> Judged:
        """The matches' predictions in the order of their scores."""
        order, image = matches.order, matches.ranked.image
        return cls(image[order], matches.matched[:, order], matches.ignored[:, order], matches.people, matches.lanes)

    @classmethod
    def side_by_side(cls, a: Judged, b: Judged) -> Judged:
        """Two systems as one, with images 0 to I - 1 as ``a`` judged them and I to 2 I - 1 as ``b`` did.

        Weights of 0 and 1 choose for each image whose predictions count. What is drawn from both needs one order, and
        scores of two systems have no common scale (one network's 0.3 is another's 0.9), while AP knows nothing of
        scores but their order. So predictions are ordered by their rank within their own system: its k-th best of all
        images stands beside the other's k-th best. Each system alone keeps its order and its AP to the last bit.
        The count from the top, not the quantile, because a system that adds thousands of poor predictions changes the
        quantiles of its good ones, but not their rank.

        Raises:
            UserError: lanes that are not the same.
        """
        if a.lanes != b.lanes:
            raise UserError(f"two systems were matched for different parts of the people: {a.lanes} and {b.lanes}")
        rank = np.concatenate([np.arange(len(a.image)), np.arange(len(b.image))])
        order = np.argsort(rank, kind="stable")
        image = np.concatenate([a.image, b.image + a.people.shape[1]])[order]
        matched, ignored = np.concatenate([a.matched, b.matched], 1), np.concatenate([a.ignored, b.ignored], 1)
        people = np.concatenate([a.people, b.people], 1)
        return cls(image, matched[:, order], ignored[:, order], people, a.lanes)


@dataclass(frozen=True)
class Layout:
    """Where the hits of all curves lie end to end, and the predictions that precede them.

    Attributes:
        size: (C,) column of ``people`` of each curve.
        kinds: N times AP or AR. members: (N, C) which curves are averaged for each number.
        hit_image: (H,) image of each hit, curve by curve, best first. lengths: (C,) hits of each curve.
        image: (L,) image of each prediction that is summed: a run for each size (judged at every threshold), then one
            for each curve (judged at this threshold and not at every one).
        steady, varying: (H,) where each hit stands among the two runs of its curve: how far to sum.
        steady_start, varying_start: (C,) where these runs begin.
        people: (I, S) people to be found in each image, for each size that is asked for.
    """

    size: NDArray[np.int64]
    kinds: tuple[str, ...]
    members: NDArray[np.bool_]
    hit_image: NDArray[np.int64]
    lengths: NDArray[np.int64]
    image: NDArray[np.int64]
    steady: NDArray[np.int64]
    varying: NDArray[np.int64]
    steady_start: NDArray[np.int64]
    varying_start: NDArray[np.int64]
    people: NDArray[np.float64]


def numbers_under(judged: Judged, weights: NDArray, wanted: Wanted = NUMBERS, workers: int = 1) -> NDArray[np.float64]:
    """(R, N) the wanted numbers under each weighting of the images; NaN where there is nobody to find.

    Args:
        weights: (R, I) how often each image counts, whole numbers >= 0.
        wanted: N numbers; only the curves that they need are worked out.
        workers: threads; more than one pays where there are as many cores.

    Raises:
        UserError: weights of another shape, negative, or not whole; a lane that was not matched.
    """
    counts = whole(weights, judged.people.shape[1])
    if not wanted or not len(counts):
        return np.zeros((len(counts), len(wanted)))
    layout = arrange(judged, wanted)
    rows = max(1, BLOCK // (len(layout.image) + len(layout.hit_image) + 4 * len(layout.lengths) * len(RECALLS)))
    blocks = [counts[start : start + rows] for start in range(0, len(counts), rows)]
    with ThreadPoolExecutor(max(workers, 1)) as pool:
        return np.concatenate(list(pool.map(lambda block: _numbers(layout, block), blocks)))


def whole(weights: NDArray, images: int) -> NDArray[np.int64]:
    """(R, I) the weights as whole numbers.

    Raises:
        UserError: another shape than (R, ``images``), a negative weight, or one that is not whole.
    """
    weights = np.asarray(weights)
    if weights.ndim != 2 or weights.shape[1] != images:
        raise UserError(f"weights have shape {weights.shape}; there are {images} images, so (R, {images}) is needed")
    counts = weights
    if not np.issubdtype(weights.dtype, np.integer):
        with np.errstate(invalid="ignore"):
            counts = weights.astype(np.int64)
        if not np.array_equal(counts, weights):
            raise UserError("weights must be whole numbers: how often each image counts; for others use oks.accumulate")
    if counts.size and counts.min() < 0:
        raise UserError(f"weights must not be negative; found {counts.min()}")
    return counts


def arrange(judged: Judged, wanted: Wanted = NUMBERS) -> Layout:
    """The layout of one system's predictions, with the curves that the wanted numbers are made of."""
    runs: list[list[NDArray[np.int64]]] = [[], [], [], []]
    each = [_curves(number, judged.lanes) for number in wanted.values()]
    curves, sizes = np.unique(np.concatenate(each), axis=0), []
    for a in np.unique(curves[:, 0]):
        thresholds = curves[curves[:, 0] == a, 1]
        counting = ~judged.ignored[a] & _EVERY
        found = [np.flatnonzero(judged.matched[a] & counting & np.uint16(1 << t)) for t in thresholds]
        end = max((int(which[-1]) + 1 for which in found if len(which)), default=0)
        always = np.flatnonzero(counting[:end] == _EVERY)
        some = np.flatnonzero((counting[:end] != _EVERY) & (counting[:end] != 0))
        sizes.append(judged.image[always])
        for t, which in zip(thresholds, found, strict=True):
            here = some[(counting[some] & np.uint16(1 << t)) > 0]
            here = here[: np.searchsorted(here, which[-1], side="right") if len(which) else 0]
            places = np.searchsorted(always, which, side="right"), np.searchsorted(here, which, side="right")
            for run, part in zip(runs, (judged.image[which], judged.image[here], *places), strict=True):
                run.append(part)
    members = np.stack([(curves[:, None] == own).all(-1).any(1) for own in each])
    kinds = tuple(kind for kind, _, _ in wanted.values())
    hits, differing, steady, varying = runs
    return _lay_out(curves, kinds, members, sizes, hits, differing, steady, varying, judged.people)


def _curves(number: tuple[str, str, float | None], lanes: tuple[str, ...]) -> NDArray[np.int64]:
    """(C, 2) lane and threshold of every curve that this number is the mean of."""
    _, lane, threshold = number
    if lane not in lanes:
        raise UserError(f"'{lane}' was not matched; there are {', '.join(lanes)}")
    which = np.arange(len(THRESHOLDS)) if threshold is None else np.flatnonzero(np.isclose(THRESHOLDS, threshold))
    return np.stack([np.full(len(which), lanes.index(lane)), which], 1)


def _lay_out(
    curves: NDArray[np.int64],
    kinds: tuple[str, ...],
    members: NDArray[np.bool_],
    sizes: list[NDArray[np.int64]],
    hits: list[NDArray[np.int64]],
    differing: list[NDArray[np.int64]],
    steady: list[NDArray[np.int64]],
    varying: list[NDArray[np.int64]],
    people: NDArray[np.int64],
) -> Layout:
    """Runs laid end to end, and places counted from the beginning of all."""
    kept, size = np.unique(curves[:, 0], return_inverse=True)
    starts = np.cumsum([0, *(len(run) for run in (*sizes, *differing))])[:-1]
    steady_start = starts[size]
    varying_start = starts[len(sizes) :]
    lengths = np.array([len(run) for run in hits])
    return Layout(
        size=size,
        kinds=kinds,
        members=members,
        hit_image=np.concatenate(hits),
        lengths=lengths,
        image=np.concatenate([*sizes, *differing]),
        steady=np.concatenate(steady) + np.repeat(steady_start, lengths),
        varying=np.concatenate(varying) + np.repeat(varying_start, lengths),
        steady_start=steady_start,
        varying_start=varying_start,
        people=people[kept].T.astype(np.float64),
    )


def _numbers(layout: Layout, weights: NDArray[np.int64]) -> NDArray[np.float64]:
    """(B, N) the numbers under a block of B weightings."""
    hits = np.zeros((len(weights), len(layout.hit_image) + 1), np.int64)
    np.cumsum(weights.take(layout.hit_image, axis=1), axis=1, out=hits[:, 1:])
    ends = np.cumsum(layout.lengths)
    before, until = hits[:, ends - layout.lengths], hits[:, ends]
    totals = (weights.astype(np.float64) @ layout.people)[:, layout.size]
    precision = (hits[:, 1:] - np.repeat(before, layout.lengths, axis=1)) / _seen(layout, weights)
    best = _best_precision(hits[:, 1:], precision, before[..., None] + needed(totals), ends)
    with np.errstate(invalid="ignore", divide="ignore"):
        values = {"AP": np.where(totals > 0, best.mean(-1), np.nan), "AR": (until - before) / totals}
    # rows end to end, so that a mean adds in the same order whatever the block's size
    of_number = [np.ascontiguousarray(values[k][:, own]) for k, own in zip(layout.kinds, layout.members, strict=True)]
    return np.stack([of_curves.mean(1) for of_curves in of_number], 1)


def _seen(layout: Layout, weights: NDArray[np.integer]) -> NDArray[np.float64]:
    """(B, H) predictions judged up to each hit, itself included; a hair above 0 where there are none, as in COCO."""
    sums = np.zeros((len(weights), len(layout.image) + 1), np.int64)
    np.cumsum(weights.take(layout.image, axis=1), axis=1, out=sums[:, 1:])
    start = sums[:, layout.steady_start] + sums[:, layout.varying_start]
    seen = sums.take(layout.steady, axis=1)
    seen += sums.take(layout.varying, axis=1)
    seen -= np.repeat(start, layout.lengths, axis=1)
    return seen + np.spacing(1)


def needed(totals: NDArray[np.float64]) -> NDArray[np.int64]:
    """(..., 101) fewest hits (at least 1) whose share of ``totals`` reaches each place of the recall grid.

    The share is compared as ``oks.accumulate`` does it, rounding included, so that ties with the grid fall alike.
    """
    total = np.maximum(totals, 1)[..., None]
    hits = np.ceil(RECALLS * total)
    hits -= (hits - 1) / total >= RECALLS
    hits += hits / total < RECALLS
    return np.maximum(hits, 1).astype(np.int64)


def _best_precision(
    hits: NDArray[np.int64], precision: NDArray[np.float64], need: NDArray[np.int64], ends: NDArray[np.int64]
) -> NDArray[np.float64]:
    """(B, C, 101) the best precision at or beyond each recall, 0 where the recall is not reached.

    A hit of weight 0 is never the first to reach a recall and never better than the one before it, so it may stay.

    Args:
        hits: (B, H) running sums, not begun anew for each curve. need: (B, C, 101) in the same count.
    """
    rows, many = hits.shape
    if not many:
        return np.zeros(need.shape)
    offset = np.concatenate([[0], np.cumsum(hits[:-1, -1])])
    whole = (hits + offset[:, None]).ravel()
    end = (ends + np.arange(rows)[:, None] * many)[..., None]
    first = np.minimum(np.searchsorted(whole, (need + offset[:, None, None]).ravel()).reshape(need.shape), end)
    bounds = np.concatenate([first, end], -1).ravel()
    best = np.maximum.reduceat(np.append(precision, 0.0), bounds).reshape(*need.shape[:2], -1)[..., :-1]
    best[first >= end] = 0
    return np.maximum.accumulate(best[..., ::-1], axis=-1)[..., ::-1]
