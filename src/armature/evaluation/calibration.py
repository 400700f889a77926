"""Whether scores say how good predictions are, and what better scores would be worth.

A score is compared with what came of the prediction: whether it found a person at an OKS threshold (by the very
matching that AP counts), and with the OKS itself. Predictions that AP leaves out (they found a crowd or somebody
without labels) are left out here. AP knows scores by their order alone: a perfectly calibrated system and one whose
scores are all halved have the same AP, so calibration is measured apart from it.

Expected calibration error after Naeini et al. 2015; that of pose scores is studied by Gu et al. 2024, "On the
Calibration of Human Pose Estimation". Letters in shapes: D predictions judged, N scores, K keypoints, B bins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from armature.errors import UserError
from armature.evaluation import oks
from armature.evaluation.grouping import steps
from armature.evaluation.oks import Matches
from armature.evaluation.results import Predictions, Truth
from armature.evaluation.similarity import Pairs

BINS = 15
#: Of the histogram below a diagram.
COLUMNS = 25
#: A keypoint counts as found from this similarity on, a person from this OKS on, and from the stricter one.
FOUND, STRICT = 0.5, 0.75
#: Parts of the images, by their order, each of which is rescored by what was learned on the others.
FOLDS = 5

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Reliability:
    """Mean score and mean outcome of B bins of scores; bins without any are left out.

    Attributes:
        low, high: (B,) least and greatest score in the bin. count: (B,). score, outcome: (B,) means.
        variance: (B,) mean of s (1 - s): the variance of a hit that happens as often as its score says.
    """

    low: Floats
    high: Floats
    count: NDArray[np.int64]
    score: Floats
    outcome: Floats
    variance: Floats

    @property
    def ece(self) -> float:
        """Expected calibration error: |mean score - mean outcome| averaged over all scores; NaN of none."""
        return self._mean(np.abs(self.score - self.outcome))

    @property
    def noise(self) -> float:
        """What the expected calibration error of perfectly calibrated scores would be with so few of them.

        Of hits or misses only: the mean of n of them is off by sqrt(2 variance / (pi n)) in the mean (normal limit).
        """
        return self._mean(np.sqrt(2 * np.maximum(self.variance, 0) / (np.pi * self.count)))

    def _mean(self, values: Floats) -> float:
        return float((values * self.count).sum() / self.count.sum()) if len(self.count) else float("nan")


def reliability(scores: Floats, outcomes: Floats, equal: str = "mass", bins: int = BINS) -> Reliability:
    """Scores in bins of equal ``mass`` (as many scores in each; equal scores stay together) or equal ``width``.

    Args:
        scores: (N,) in [0, 1]. outcomes: (N,) in [0, 1], hits as 0 and 1.

    Raises:
        UserError: another kind of bins, or none.
    """
    if equal not in ("mass", "width") or bins < 1:
        raise UserError(f"bins are of equal mass or equal width, 1 or more; found equal='{equal}', bins={bins}")
    scores, outcomes = np.asarray(scores, np.float64), np.asarray(outcomes, np.float64)
    if equal == "width":
        index = np.minimum((scores * bins).astype(np.int64), bins - 1)
    else:
        index = np.searchsorted(np.sort(scores), scores, side="left") * bins // max(1, len(scores))
    _, index, count = np.unique(index, return_inverse=True, return_counts=True)
    low, high = np.full(len(count), np.inf), np.full(len(count), -np.inf)
    np.minimum.at(low, index, scores)
    np.maximum.at(high, index, scores)
    means = [np.bincount(index, v, len(count)) / count for v in (scores, outcomes, scores * (1 - scores))]
    return Reliability(low, high, count, *means)


@dataclass(frozen=True)
class Scored:
    """N scores beside what came of them.

    Attributes:
        scores: (N,). hits: (N,) bool. worth: (N,) OKS or keypoint similarity; 0 where nobody was there.
        matched: (N,) bool: with somebody of whom ``worth`` is told.
    """

    scores: Floats
    hits: NDArray[np.bool_]
    worth: Floats
    matched: NDArray[np.bool_]

    @property
    def reason(self) -> str:
        """Why there is no calibration error; "" where there is one."""
        if not len(self.scores):
            return "there is no score to judge"
        low, high = self.scores.min(), self.scores.max()
        return "" if low >= 0 and high <= 1 else f"scores from {low:.4g} to {high:.4g} are no probabilities"

    def reliability(self, outcomes: Floats | None = None, equal: str = "mass") -> Reliability:
        """Of the hits, or of other outcomes; without any bin where scores are no probabilities."""
        outcomes = self.hits.astype(np.float64) if outcomes is None else outcomes
        few = slice(0, 0) if self.reason else slice(None)
        return reliability(self.scores[few], outcomes[few], equal)

    def numbers(self) -> dict[str, float]:
        """``ECE`` (equal mass), ``ECE/width``, ``ECE/noise``, ``bias`` (mean score - share of hits) and correlations.

        ``pearson`` and ``spearman`` are of score and worth where matched; ``spearman/all`` has the others at worth 0.
        """
        bins, matched = self.reliability(), self.matched
        bias = float("nan") if self.reason else float(self.scores.mean() - self.hits.mean())
        return {
            "ECE": bins.ece,
            "ECE/width": self.reliability(equal="width").ece,
            "ECE/noise": bins.noise,
            "bias": bias,
            "pearson": pearson(self.scores[matched], self.worth[matched]),
            "spearman": spearman(self.scores[matched], self.worth[matched]),
            "spearman/all": spearman(self.scores, self.worth),
        }

    def figure(self, title: str, outcome: str) -> dict[str, Any]:
        """The diagram's numbers as plain data, for ``reports.reliability``."""
        bins = self.reliability()
        columns = {name: getattr(bins, name).tolist() for name in ("low", "high", "count", "score", "outcome")}
        spread = [] if self.reason else np.histogram(self.scores, COLUMNS, (0, 1))[0].tolist()
        facts = {"ECE": bins.ece, "noise": bins.noise, "bins": "equal mass", "reason": self.reason, "histogram": spread}
        return {"title": title, "outcome_name": outcome, **columns, **facts}


@dataclass(frozen=True)
class Calibration:
    """Scores of people and of their keypoints beside what came of them, and what other scores would give.

    Attributes:
        people: hits are at OKS >= ``FOUND``. strict: the same at OKS >= ``STRICT``.
        keypoints: labelled keypoints of people who were found. keypoint: (N,) which keypoint each of those is.
        names: K keypoint names. rescored: see ``rescore``.
    """

    people: Scored
    strict: Scored
    keypoints: Scored
    keypoint: NDArray[np.int64]
    names: tuple[str, ...]
    rescored: dict[str, float]

    def numbers(self) -> dict[str, float]:
        """Everything by flat name under ``calibration/``; NaN where it cannot be told (``reasons`` says why)."""
        flat = {f"calibration/{name}": value for name, value in self.people.numbers().items()}
        flat[f"calibration/ECE@{STRICT}"] = self.strict.reliability().ece
        flat["calibration/ECE/OKS"] = self.people.reliability(self.people.worth).ece
        whole = {n: v for n, v in self.keypoints.numbers().items() if n != "spearman/all"}
        flat |= {f"calibration/keypoints/{name}": value for name, value in whole.items()}
        for k, name in enumerate(self.names):
            own = _take(self.keypoints, self.keypoint == k).numbers()
            flat |= {f"calibration/keypoints/{kind}/{name}": own[kind] for kind in ("ECE", "bias", "spearman")}
        return flat | {f"calibration/{name}": value for name, value in self.rescored.items()}

    def reasons(self) -> dict[str, str]:
        """Why a calibration error is NaN, by kind of score; empty where none is."""
        return {n: s.reason for n, s in (("people", self.people), ("keypoints", self.keypoints)) if s.reason}

    def figures(self) -> dict[str, dict[str, Any]]:
        """Plain data of the reliability diagrams of ``people`` and ``keypoints``."""
        return {
            "people": self.people.figure("Scores of people", f"found at OKS {FOUND} or more"),
            "keypoints": self.keypoints.figure("Scores of keypoints", f"similarity {FOUND} or more"),
        }


def calibrate(truth: Truth, predictions: Predictions, matches: Matches, sigmas: Floats) -> Calibration:
    """How well the scores of predictions say what came of them.

    Args:
        truth: with the areas that ``matches`` were made with. sigmas: (K,) OKS constants.
    """
    keypoints, keypoint = _keypoints(truth, predictions, matches, np.asarray(sigmas, np.float64))
    people, strict = (_people(truth, matches, threshold) for threshold in (FOUND, STRICT))
    rescored = rescore(truth, predictions, matches, sigmas)
    return Calibration(people, strict, keypoints, keypoint, truth.names, rescored)


def rescore(truth: Truth, predictions: Predictions, matches: Matches, sigmas: Floats) -> dict[str, float]:
    """AP of the same poses in another order: ``AP`` as scored, ``AP/fitted`` and ``AP/true_OKS``.

    ``true_OKS`` scores each pose by its OKS with the person that it shows best (one pose a person, all others 0):
    what a perfect scorer would get, and no scorer more. ``fitted`` scores it by an OKS predicted from its score and
    from the mean and the least score of its keypoints, by least squares with products, learned on other images
    (``FOLDS`` parts): what is to be had from the scores alone. No fit on the score by itself is tried: one that rises
    with it (an isotonic one, a temperature) leaves the order and with it AP as they are, and mends calibration only.

    NaN of ``fitted`` where there are fewer images than parts.
    """
    found = {"AP": oks.accumulate(matches).numbers()["AP"]}
    for name, scores in (
        ("AP/fitted", _fitted(truth, predictions, matches)),
        ("AP/true_OKS", _pair_off(matches, matches.pairs.take(~truth.ignored[matches.pairs.person]))),
    ):
        found[name] = float("nan") if scores is None else _ap(truth, predictions, matches, sigmas, scores)
    return found


def pearson(a: Floats, b: Floats) -> float:
    """Correlation of two rows of numbers; NaN of fewer than two, or where one of them never changes."""
    if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    a, b = a - a.mean(), b - b.mean()
    return float((a @ b) / np.sqrt((a @ a) * (b @ b)))


def spearman(a: Floats, b: Floats) -> float:
    """Correlation of ranks, equal numbers sharing the mean of theirs; NaN as ``pearson``."""
    return pearson(_ranks(a, a), _ranks(b, b))


def _ranks(values: Floats, among: Floats) -> Floats:
    """(N,) how many of ``among`` are smaller, half of those that are equal counted too."""
    ordered = np.sort(among)
    return (np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")) / 2


def _take(scored: Scored, which: NDArray[np.bool_]) -> Scored:
    return Scored(scored.scores[which], scored.hits[which], scored.worth[which], scored.matched[which])


def _bit(threshold: float) -> np.uint16:
    return np.uint16(1 << int(np.argmin(np.abs(oks.THRESHOLDS - threshold))))


def _people(truth: Truth, matches: Matches, threshold: float) -> Scored:
    """Predictions that AP judges at the threshold."""
    judged = (matches.ignored[0] & _bit(threshold)) == 0
    hits = (matches.matched[0] & _bit(threshold)) > 0
    paired = matches.found(FOUND) >= 0
    return _take(Scored(matches.ranked.scores, hits, _worth(truth, matches), paired), judged)


def _worth(truth: Truth, matches: Matches) -> Floats:
    """(D,) OKS with the person found at ``FOUND``; of the rest, with one that nobody has found, highest OKS first."""
    made = (matches.hits[0] & _bit(FOUND)) > 0
    worth = np.zeros(len(matches.ranked.source))
    worth[matches.close.prediction[made]] = matches.close.oks[made]
    free, taken = matches.found(FOUND) < 0, truth.ignored.copy()
    taken[matches.close.person[made]] = True
    pairs = matches.pairs
    return worth + _pair_off(matches, pairs.take(free[pairs.prediction] & ~taken[pairs.person]))


def _pair_off(matches: Matches, pairs: Pairs) -> Floats:
    """(D,) OKS of each prediction when pairs are made one to one, the highest OKS of an image first; 0 of the rest."""
    image = matches.ranked.image[pairs.prediction]
    order = np.lexsort((-pairs.oks, image))
    worth = np.zeros(len(matches.ranked.source))
    free, alone = np.ones(len(worth), bool), np.ones(pairs.person.max(initial=0) + 1, bool)
    for now in steps(image[order]):
        pair = order[now]
        pair = pair[free[pairs.prediction[pair]] & alone[pairs.person[pair]]]
        free[pairs.prediction[pair]] = alone[pairs.person[pair]] = False
        worth[pairs.prediction[pair]] = pairs.oks[pair]
    return worth


def _keypoints(
    truth: Truth, predictions: Predictions, matches: Matches, sigmas: Floats
) -> tuple[Scored, NDArray[np.int64]]:
    """Labelled keypoints of people who were found, by their similarity exp(-d^2 / (2 area (2 sigma)^2))."""
    person = matches.found(FOUND)
    rows = np.flatnonzero((person >= 0) & ((matches.ignored[0] & _bit(FOUND)) == 0))
    person, source = person[rows], matches.ranked.source[rows]
    labelled = truth.visibility[person] > 0
    squared = np.square(predictions.keypoints[source] - truth.keypoints[person]).sum(2)
    areas = truth.areas[person][:, None] + np.spacing(1)
    similarity = np.exp(-squared / (2 * areas * (2 * sigmas) ** 2))[labelled]
    scores = predictions.keypoint_scores[source][labelled]
    scored = Scored(scores, similarity >= FOUND, similarity, np.ones(len(scores), bool))
    return scored, np.nonzero(labelled)[1]


def _ap(truth: Truth, predictions: Predictions, matches: Matches, sigmas: Floats, scores: Floats) -> float:
    """AP of the judged predictions with other scores."""
    source = matches.ranked.source
    columns = ("image_ids", "keypoints", "keypoint_scores", "boxes", "areas")
    rescored = replace(predictions, **{n: getattr(predictions, n)[source] for n in columns}, scores=scores)
    most = int(matches.ranked.rank.max(initial=0)) + 1
    return oks.accumulate(oks.match(truth, rescored, sigmas, most)).numbers()["AP"]


def _fitted(truth: Truth, predictions: Predictions, matches: Matches) -> Floats | None:
    """(D,) OKS predicted from a pose's scores by what other images taught; None of too few images."""
    ranked = matches.ranked
    if len(truth.image_ids) < FOLDS:
        return None
    points = predictions.keypoint_scores[ranked.source]
    features = [ranked.scores, points.mean(1), points.min(1, initial=np.inf)]
    judged, worth = (matches.ignored[0] & _bit(FOUND)) == 0, _worth(truth, matches)
    fold = ranked.image * FOLDS // len(truth.image_ids)  # neighbours, which may be of one video, stay together
    guessed = np.zeros(len(fold))
    for held in range(FOLDS):
        learned, asked = judged & (fold != held), fold == held
        design = _design(features, learned)
        guessed[asked] = design[asked] @ np.linalg.lstsq(design[learned], worth[learned], rcond=None)[0]
    return guessed


def _design(features: Sequence[Floats], learned: NDArray[np.bool_]) -> Floats:
    """(D, 10) 1, the features and their products, each feature as its rank among those that are learned from.

    Ranks make scores of any range alike, and a fit no slave of single great ones.
    """
    count = max(1, int(learned.sum()))
    x = [_ranks(feature, feature[learned]) / count for feature in features]
    products = [x[i] * x[j] for i in range(len(x)) for j in range(i, len(x))]
    return np.stack([np.ones(len(learned)), *x, *products], 1)
