"""How unique each keypoint is: how strongly the network means another place, too, and whether that tells its errors.

A network's votes (``ops/votes.py``) within a person's box are compared with the place that was decided: ``first`` is
the strongest vote within ``NEAR`` of the person's size, ``second`` the strongest further away.

- ``second place``: second / (first + second): 0 where nothing else is in question, 0.5 where another place is meant as
  strongly, more where more strongly.
- ``peak-to-sidelobe``: (first - mean) / standard deviation of the votes further away (Bolme et al. 2010, *Visual Object
  Tracking using Adaptive Correlation Filters*), in decibels (20 log10), where there are at least ``SIDELOBE`` of them.
- ``entropy``: of where the votes fall on an 8 x 8 grid of the box; 0 one cell, 1 everywhere alike. The grid makes maps
  of thousands of cells and dozens of anchors comparable.

With labels: the error of the keypoint as a share of the person's size, its rank correlation with ``second place``
(Spearman), and the error of each quarter of the keypoints, most unique first.

An architecture takes part by a file ``votes.py`` beside its codec with a function ``votes(codec, outputs, canvas)``.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata

from armature.errors import ConfigError
from armature.evaluation.ratios import Ratios
from armature.ops.votes import Votes
from armature.structures import Outputs, Poses, Record
from armature.suites.consistency import JUMP, best, pairing
from armature.suites.drawn import Draws, Values
from armature.suites.result import Curve, Result
from armature.suites.scenes import Scene, View, identity
from armature.suites.subject import Subject, batches

NEAR, MARGIN, SIDELOBE, GRID, QUARTERS = JUMP, 0.1, 8, 8, 4
MEASURES = ("second place", "peak-to-sidelobe", "entropy")
_Ask = Callable[[object, Outputs, tuple[int, int, int]], list[list[Votes]]]


@dataclass(frozen=True)
class Measured:
    """One row for each keypoint of each person: image (L,), keypoint (L,), measures (L, 3), error (L,), NaN unknown."""

    image: NDArray[np.int64]
    keypoint: NDArray[np.int64]
    values: NDArray[np.float64]
    error: NDArray[np.float64]


class Uniqueness:
    """The votes of every picture, unchanged.

    Args:
        resamples, seed, shown: as in ``Equivariance``; nothing is drawn.
    """

    def __init__(self, resamples: int = 1000, seed: int = 0, shown: int = 0) -> None:
        self.resamples, self.seed, self.shown = resamples, seed, shown

    def card(self) -> dict[str, object]:
        """The settings, for the protocol card."""
        return {**vars(self), "near": NEAR, "margin": MARGIN, "grid": GRID}

    def __call__(self, subject: Subject, scenes: Sequence[Scene]) -> Result:
        """The result of a subject whose architecture has votes.

        Raises:
            ConfigError: it has none, or its points have no names.
        """
        subject.named("uniqueness")
        ask, rows = votes_of(subject), []
        plain, number = View("unchanged", 0.0, identity()), 0
        for pictures in batches(scenes, plain, self.seed, subject.batch):
            outputs, found = subject.say(pictures)
            canvas = (len(pictures), *subject.canvas)
            voted = ask(subject.module.codec, outputs, canvas)
            for people, votes in zip(found, voted, strict=True):
                rows.append(measure(people.to("cpu"), votes, scenes[number].record, number))
                number += 1
        return self._result(subject, join(rows), Draws.of(len(scenes), self.resamples, self.seed))

    def _result(self, subject: Subject, rows: Measured, draws: Draws) -> Result:
        names = subject.skeleton.keypoints
        values = draws.ratios(_ratios(rows, names, draws.counts.shape[1]))
        numbers = draws.intervals({name: values[name] for name in MEASURES})
        numbers["rank correlation"] = draws.interval(correlation(rows, draws.counts))
        result = Result("uniqueness", subject.name, numbers, {"peak-to-sidelobe": "dB"}, card=self.card())
        for name in MEASURES:
            result.keypoints[name] = {k: float(values[f"{name}/{k}"][0]) for k in names}
        result.keypoints["rank correlation"] = {k: _of_keypoint(rows, i) for i, k in enumerate(names)}
        quarters = _quarters(rows, draws)
        points = tuple(draws.interval(v) for v in quarters)
        result.curves = [Curve("quarter", "error", "most unique first", tuple(range(1, QUARTERS + 1)), points)]
        result.remarks = [_said(numbers["rank correlation"].low, numbers["rank correlation"].high)]
        return result


def votes_of(subject: Subject) -> _Ask:
    """The function ``votes`` beside the subject's codec.

    Raises:
        ConfigError: there is none; says where it belongs.
    """
    beside = type(subject.module.codec).__module__.rpartition(".")[0]
    name = f"{beside}.votes" if beside else "votes"
    try:
        ask: _Ask = importlib.import_module(name).votes
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise ConfigError(
            f"suite uniqueness asks an architecture for its votes, and {subject.name} has no module {name} with a "
            "function votes(codec, outputs, canvas)"
        ) from error
    return ask


@torch.inference_mode()
def measure(people: Poses, votes: Sequence[Votes], record: Record, image: int) -> Measured:
    """The rows of one picture's best people.

    Args:
        people: canvas px. votes: of the picture. record: canvas px.
    """
    chosen = best(people, record)
    errors = _errors(people, chosen, record)
    values, keypoint = [], []
    for i in chosen:
        points = people.keypoints[i].double().numpy()
        box = people.boxes[i].double().numpy()
        own = _own(votes, box)
        if own is None:
            continue
        for k, place in enumerate(points):
            values.append(_three(own, k, place, box))
            keypoint.append(k)
    kept = [i for i, person in enumerate(chosen) if _own(votes, people.boxes[person].double().numpy()) is not None]
    return Measured(
        np.full(len(values), image),
        np.array(keypoint, np.int64),
        np.array(values, np.float64).reshape(-1, 3),
        errors[kept].reshape(-1),
    )


def join(rows: Sequence[Measured]) -> Measured:
    """All rows of several pictures."""
    return Measured(*(np.concatenate([getattr(r, f) for r in rows]) for f in ("image", "keypoint", "values", "error")))


def correlation(rows: Measured, counts: NDArray[np.integer]) -> Values:
    """(R,) Spearman's correlation of ``second place`` with the error under each weighting of the images.

    The ranks are those among all rows: a resample weighs them, and does not rank anew.
    """
    there = np.isfinite(rows.values[:, 0]) & np.isfinite(rows.error)
    if there.sum() < 3:
        return np.full(len(counts), np.nan)
    x, y = (rankdata(v[there]) for v in (rows.values[:, 0], rows.error))
    sums = np.zeros((counts.shape[1], 6))
    np.add.at(sums, rows.image[there], np.column_stack([np.ones(len(x)), x, y, x * x, y * y, x * y]))
    n, sx, sy, sxx, syy, sxy = (counts.astype(np.float64) @ sums).T
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((n * sxy - sx * sy) / np.sqrt((n * sxx - sx**2) * (n * syy - sy**2)))


def _own(votes: Sequence[Votes], box: NDArray[np.float64]) -> tuple[NDArray, NDArray] | None:
    """Places (K or 1, C, 2) and weights (K, C) that are about the person in a box: of everybody's votes, or of the
    candidates whose own box overlaps it most; None where there is none."""
    if not votes:
        return None
    chosen = votes[0]
    if chosen.box is not None:
        boxes = np.stack([np.asarray(v.box.cpu(), np.float64) for v in votes if v.box is not None])
        chosen = votes[int(_overlap(boxes, box).argmax())]
    return chosen.places.double().cpu().numpy(), chosen.weights.double().cpu().numpy()


def _overlap(boxes: NDArray[np.float64], box: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N,) intersection over union."""
    inner = np.clip(np.minimum(boxes[:, 2:], box[2:]) - np.maximum(boxes[:, :2], box[:2]), 0, None).prod(1)
    areas = [np.clip(b[..., 2:] - b[..., :2], 1e-9, None).prod(-1) for b in (boxes, box)]
    return np.asarray(inner / (areas[0] + areas[1] - inner))


def _three(
    own: tuple[NDArray, NDArray], k: int, place: NDArray[np.float64], box: NDArray[np.float64]
) -> tuple[float, float, float]:
    """Second place, peak-to-sidelobe and entropy of one keypoint of one person."""
    size = np.maximum(box[2:] - box[:2], 1.0)
    low, high = box[:2] - MARGIN * size, box[2:] + MARGIN * size
    places = own[0][k if len(own[0]) > 1 else 0]
    inside = ((places >= low) & (places <= high)).all(1)
    places, weights = places[inside], own[1][k][inside]
    near = np.hypot(*(places - place).T) <= NEAR * size.max()
    if not near.any() or not weights[near].max() > 0:
        return np.nan, np.nan, np.nan
    first, rest = float(weights[near].max()), weights[~near]
    strongest = float(rest.max()) if len(rest) else 0.0
    second = strongest / (first + strongest)
    spread = float(rest.std()) if len(rest) >= SIDELOBE else 0.0
    above = (first - float(rest.mean())) / spread if spread > 0 else np.nan
    sidelobe = 20 * np.log10(above) if above > 0 else np.nan
    cells = np.clip(((places - low) / (high - low) * GRID).astype(int), 0, GRID - 1)
    mass = np.bincount(cells[:, 1] * GRID + cells[:, 0], weights, GRID * GRID)
    share = mass[mass > 0] / mass.sum()
    return second, sidelobe, float(-(share * np.log(share)).sum() / np.log(GRID * GRID))


def _errors(people: Poses, chosen: NDArray[np.int64], record: Record) -> NDArray[np.float64]:
    """(N, K) distance from the label as a share of the person's size; NaN where nothing is labelled."""
    points = people.keypoints[chosen].double().numpy()
    errors = np.full(points.shape[:2], np.nan)
    labelled = np.flatnonzero((record.visibility > 0).any(1) & ~record.crowd)
    size = np.maximum((record.boxes[:, 2:] - record.boxes[:, :2]).max(1, initial=1.0), 1.0)
    on = record.visibility > 0
    pairs = pairing(record.keypoints[labelled], points, size[labelled], on[labelled])
    for person, other in zip(labelled, pairs, strict=True):
        if other >= 0:
            away = np.hypot(*(points[other] - record.keypoints[person]).T) / size[person]
            errors[other] = np.where(on[person], away, np.nan)
    return errors


def _ratios(rows: Measured, names: Sequence[str], images: int) -> Ratios:
    """The mean of each measure over all keypoints, and of each."""
    own = rows.keypoint[:, None] == np.arange(len(names))
    parts = []
    for i, measure in enumerate(MEASURES):
        value, there = np.nan_to_num(rows.values[:, i]), np.isfinite(rows.values[:, i])
        bottom = np.column_stack([there, own & there[:, None]]).astype(np.float64)
        labels = [measure, *(f"{measure}/{name}" for name in names)]
        parts.append(Ratios.by_image(labels, rows.image, images, bottom * value[:, None], bottom))
    return Ratios.join(parts)


def _quarters(rows: Measured, draws: Draws) -> list[Values]:
    """The mean error of each quarter of the keypoints by ``second place``, under every draw."""
    there = np.isfinite(rows.values[:, 0]) & np.isfinite(rows.error)
    order = rankdata(rows.values[there, 0], method="ordinal") - 1
    quarter = (order * QUARTERS) // max(1, len(order))
    member = (quarter[:, None] == np.arange(QUARTERS)).astype(np.float64)
    names = [str(i) for i in range(QUARTERS)]
    top = member * rows.error[there][:, None]
    ratios = Ratios.by_image(names, rows.image[there], draws.counts.shape[1], top, member)
    return list(draws.ratios(ratios).values())


def _of_keypoint(rows: Measured, keypoint: int) -> float:
    own = rows.keypoint == keypoint
    alone = Measured(rows.image[own], rows.keypoint[own], rows.values[own], rows.error[own])
    return float(correlation(alone, np.ones((1, int(rows.image.max(initial=0)) + 1), np.int32))[0])


def _said(low: float, high: float) -> str:
    if not (np.isfinite(low) and np.isfinite(high)):
        return "nobody is labelled: whether a strong second place tells an error is not known"
    if low > 0:
        return "where a second place is meant strongly, the keypoint is further off"
    if high < 0:
        return "where a second place is meant strongly, the keypoint is nearer: the votes do not tell its errors"
    return "a strong second place does not tell whether the keypoint is off"
