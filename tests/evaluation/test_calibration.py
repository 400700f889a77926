"""Calibration of scores: on scores whose error is known, and against plain loops, scipy and definitions."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import pearsonr, spearmanr

from armature.bench.cases import make_case
from armature.errors import UserError
from armature.evaluation import calibration, oks
from armature.evaluation.calibration import Scored, calibrate, reliability, rescore
from armature.evaluation.results import Predictions, Truth
from armature.reports.reliability import diagram

SIGMAS = np.full(17, 0.072)


def loop_ece(scores: list[float], outcomes: list[float], bins: int) -> float:
    """Equal width, as one would write it down."""
    total = 0.0
    for b in range(bins):
        inside = [i for i, s in enumerate(scores) if b == min(int(s * bins), bins - 1)]
        if inside:
            gap = sum(scores[i] for i in inside) / len(inside) - sum(outcomes[i] for i in inside) / len(inside)
            total += len(inside) / len(scores) * abs(gap)
    return total


def simulated(count: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Scores, and hits that happen exactly as often as the scores say."""
    rng = np.random.default_rng(seed)
    scores = rng.beta(0.8, 1.2, count)
    return scores, (rng.random(count) < scores).astype(float)


# ---------------------------------------------------------------------- bins


@pytest.mark.parametrize("bins", [1, 10, 15])
def test_equal_width_agrees_with_a_loop(bins: int) -> None:
    scores, hits = simulated(500, 1)
    scores[:3] = 0.0, 1.0, 0.2
    found = reliability(scores, hits, "width", bins)
    assert found.ece == pytest.approx(loop_ece(scores.tolist(), hits.tolist(), bins), abs=1e-12)
    assert found.count.sum() == 500


def test_equal_mass_has_as_many_scores_in_each_bin_and_agrees_with_a_loop() -> None:
    scores, hits = simulated(600, 2)
    found = reliability(scores, hits, "mass", 15)
    assert (found.count == 40).all()
    order = np.argsort(scores)
    gaps = [abs(scores[part].mean() - hits[part].mean()) for part in np.split(order, 15)]
    assert found.ece == pytest.approx(np.mean(gaps), abs=1e-12)
    assert (found.low[1:] > found.high[:-1]).all()


def test_equal_scores_are_never_torn_apart_and_their_order_plays_no_part() -> None:
    scores, hits = simulated(400, 3)
    scores = scores.round(1)
    found = reliability(scores, hits)
    assert (found.low[1:] > found.high[:-1]).all()
    shuffled = np.random.default_rng(0).permutation(400)
    assert reliability(scores[shuffled], hits[shuffled]).ece == pytest.approx(found.ece, abs=1e-12)


@pytest.mark.parametrize("equal", ["mass", "width"])
@pytest.mark.parametrize("shift", [-0.1, 0.03, 0.2])
def test_a_constant_shift_is_exactly_the_error(equal: str, shift: float) -> None:
    """In each of eight groups the share of hits is the score less the shift."""
    share = np.repeat(np.arange(1, 9) / 10, 100)
    hits = np.concatenate([np.arange(100) < 10 * k for k in range(1, 9)]).astype(float)
    assert reliability(share + shift, hits, equal).ece == pytest.approx(abs(shift), abs=1e-12)
    scored = Scored(share + shift, hits > 0, hits, hits > 0)
    assert scored.numbers()["bias"] == pytest.approx(shift, abs=1e-12)


@pytest.mark.parametrize("count", [300, 3000])
def test_perfectly_calibrated_scores_show_the_expected_noise_and_no_more(count: int) -> None:
    found = [reliability(*simulated(count, seed)) for seed in range(60)]
    errors, expected = np.array([f.ece for f in found]), np.array([f.noise for f in found])
    # a mean of 15 half-normal errors scatters by about a fifth of itself; of 60 such means, by a fortieth
    assert errors.mean() == pytest.approx(expected.mean(), rel=0.1)
    scores, hits = simulated(count, 0)
    assert reliability(scores**2, hits).ece > 2 * expected.mean()


def test_bins_that_are_none_are_refused() -> None:
    for wrong in ({"equal": "area"}, {"bins": 0}):
        with pytest.raises(UserError, match="equal mass or equal width"):
            reliability(np.ones(2), np.ones(2), **wrong)  # type: ignore[arg-type]


# ---------------------------------------------------------------------- correlation


@pytest.mark.parametrize("decimals", [1, 6])  # 1: many ties
def test_correlations_are_scipys(decimals: int) -> None:
    rng = np.random.default_rng(4)
    a = rng.random(200).round(decimals)
    b = (a + rng.normal(0, 0.3, 200)).round(decimals)
    assert calibration.pearson(a, b) == pytest.approx(pearsonr(a, b)[0], abs=1e-12)
    assert calibration.spearman(a, b) == pytest.approx(spearmanr(a, b)[0], abs=1e-12)


def test_there_is_no_correlation_with_what_never_changes() -> None:
    assert math.isnan(calibration.spearman(np.ones(5), np.arange(5.0)))
    assert math.isnan(calibration.pearson(np.ones(1), np.ones(1)))


# ---------------------------------------------------------------------- people and keypoints


@pytest.fixture(scope="module")
def case() -> tuple[Truth, Predictions, oks.Matches]:
    annotations, results = make_case(images=120, people=300, detections=8, seed=3)
    truth = Truth.from_coco(annotations)
    predictions = Predictions.from_coco(results, truth)
    return truth, predictions, oks.match(truth, predictions, SIGMAS)


def similarity(truth: Truth, predictions: Predictions, d: int, g: int) -> list[float]:
    """Of each labelled keypoint, by the formula."""
    found = []
    for k in range(17):
        if truth.visibility[g, k] > 0:
            dx, dy = predictions.keypoints[d, k] - truth.keypoints[g, k]
            found.append(math.exp(-(dx * dx + dy * dy) / (2 * truth.areas[g] * (2 * SIGMAS[k]) ** 2)))
    return found


def test_people_are_judged_as_ap_judges_them(case: tuple[Truth, Predictions, oks.Matches]) -> None:
    truth, predictions, matches = case
    people = calibrate(*case, SIGMAS).people
    found = matches.found(0.5)
    left_out = [d for d, g in enumerate(found) if g >= 0 and truth.ignored[g]]
    judged = [d for d in range(len(found)) if d not in left_out]
    assert left_out and people.scores.tolist() == [matches.ranked.scores[d] for d in judged]
    assert people.hits.tolist() == [found[d] >= 0 for d in judged]
    for row, d in enumerate(judged):
        if found[d] >= 0:
            expected = np.mean(similarity(truth, predictions, matches.ranked.source[d], found[d]))
            assert people.worth[row] == pytest.approx(expected, abs=1e-12)
    assert (people.worth[~people.hits] < 0.5).all() and (people.worth[~people.hits] > 0).any()
    numbers = people.numbers()
    assert numbers["spearman"] == pytest.approx(
        spearmanr(people.scores[people.hits], people.worth[people.hits])[0], abs=1e-12
    )
    assert numbers["spearman/all"] == pytest.approx(spearmanr(people.scores, people.worth)[0], abs=1e-12)


def test_the_rest_is_worth_its_oks_with_one_person_that_nobody_found(
    case: tuple[Truth, Predictions, oks.Matches],
) -> None:
    truth, predictions, matches = case
    found, worth = matches.found(0.5), calibration._worth(truth, matches)
    for image in range(len(truth.image_ids)):
        rows = [d for d in np.flatnonzero(matches.ranked.image == image) if found[d] < 0]
        people = [g for g in np.flatnonzero((truth.image == image) & ~truth.ignored) if g not in found]
        expected = dict.fromkeys(rows, 0.0)
        pairs = [
            (float(np.mean(similarity(truth, predictions, matches.ranked.source[d], g))), d, g)
            for d in rows
            for g in people
        ]
        for value, d, g in sorted(pairs, reverse=True):
            if d in rows and g in people:
                expected[d] = value
                rows.remove(d)
                people.remove(g)
        for d, value in expected.items():
            assert worth[d] == pytest.approx(value, abs=1e-12)


def test_keypoints_are_judged_by_their_own_similarity(case: tuple[Truth, Predictions, oks.Matches]) -> None:
    truth, predictions, matches = case
    found, expected = matches.found(0.5), []
    for d, g in enumerate(found):
        if g >= 0 and not truth.ignored[g]:
            expected += similarity(truth, predictions, matches.ranked.source[d], g)
    whole = calibrate(*case, SIGMAS)
    assert whole.keypoints.worth == pytest.approx(np.array(expected), abs=1e-12)
    assert whole.keypoints.hits.tolist() == [value >= 0.5 for value in expected]
    one = whole.keypoint == 3
    ece = reliability(whole.keypoints.scores[one], whole.keypoints.hits[one].astype(float)).ece
    assert whole.numbers()["calibration/keypoints/ECE/point_3"] == ece


def test_scores_that_are_no_probabilities_have_correlations_but_no_error(
    case: tuple[Truth, Predictions, oks.Matches],
) -> None:
    truth, predictions, _ = case
    larger = replace(predictions, scores=predictions.scores * 20)
    whole = calibrate(truth, larger, oks.match(truth, larger, SIGMAS), SIGMAS)
    before, after = calibrate(*case, SIGMAS).numbers(), whole.numbers()
    for name in ("ECE", "ECE/width", "ECE/noise", "bias", "ECE@0.75", "ECE/OKS"):
        assert math.isnan(after[f"calibration/{name}"]) and math.isfinite(before[f"calibration/{name}"])
    assert after["calibration/spearman"] == pytest.approx(before["calibration/spearman"], abs=1e-12)
    assert after["calibration/keypoints/ECE"] == before["calibration/keypoints/ECE"]
    assert whole.reasons().keys() == {"people"} and "are no probabilities" in whole.reasons()["people"]
    assert "no diagram" in diagram(whole.figures()["people"])


def test_nothing_predicted_is_nan_with_a_reason(case: tuple[Truth, Predictions, oks.Matches]) -> None:
    truth = case[0]
    nobody = Predictions.from_arrays(
        np.zeros(0), np.zeros((0, 17, 2)), np.zeros((0, 17)), np.zeros(0), np.zeros((0, 4))
    )
    whole = calibrate(truth, nobody, oks.match(truth, nobody, SIGMAS), SIGMAS)
    numbers = whole.numbers()
    assert math.isnan(numbers["calibration/ECE"]) and math.isnan(numbers["calibration/spearman"])
    assert numbers["calibration/AP"] == numbers["calibration/AP/true_OKS"] == 0
    assert whole.reasons()["keypoints"] == "there is no score to judge"


# ---------------------------------------------------------------------- rescoring


def test_scored_by_the_true_oks_precision_is_one_as_far_as_recall_reaches(
    case: tuple[Truth, Predictions, oks.Matches],
) -> None:
    truth, _, matches = case
    pairs = [
        (matches.pairs.oks[i], matches.pairs.prediction[i], matches.pairs.person[i])
        for i in range(len(matches.pairs.oks))
        if not truth.ignored[matches.pairs.person[i]]
    ]
    predictions, people, taken = set[int](), set[int](), list[float]()
    for value, d, g in sorted(pairs, reverse=True):
        if d not in predictions and g not in people:
            predictions.add(d)
            people.add(g)
            taken.append(value)
    total = int((~truth.ignored).sum())
    share = [np.mean(sum(v >= t for v in taken) / total >= oks.RECALLS) for t in oks.THRESHOLDS]
    found = rescore(*case, SIGMAS)
    assert found["AP/true_OKS"] == pytest.approx(np.mean(share), abs=1e-9)
    assert found["AP"] == oks.accumulate(matches).numbers()["AP"] < found["AP/true_OKS"]


@pytest.mark.parametrize("rising", [np.sqrt, lambda s: s**3, lambda s: 100 * s - 7])
def test_what_rises_with_the_score_leaves_ap_and_its_bounds_as_they_are(
    case: tuple[Truth, Predictions, oks.Matches], rising: Any
) -> None:
    truth, predictions, _ = case
    other = replace(predictions, scores=rising(predictions.scores))
    found, before = rescore(truth, other, oks.match(truth, other, SIGMAS), SIGMAS), rescore(*case, SIGMAS)
    assert found == pytest.approx(before, abs=1e-9)


def told_by_keypoints(seed: int) -> tuple[Truth, Predictions, oks.Matches]:
    """Scores that say nothing; scores of keypoints that say how good the pose is."""
    annotations, results = make_case(images=300, people=600, detections=6, unlabelled=0.0, crowds=0.0, seed=seed)
    truth = Truth.from_coco(annotations)
    predictions = Predictions.from_coco(results, truth)
    rng = np.random.default_rng(seed)
    silent = replace(predictions, scores=rng.random(len(predictions)))
    matches = oks.match(truth, silent, SIGMAS)
    worth = np.zeros(len(predictions))
    worth[matches.ranked.source] = calibration._pair_off(matches, matches.pairs)
    noisy = np.clip(worth[:, None] + rng.normal(0, 0.1, (len(worth), 17)), 0, 1)
    silent = replace(silent, keypoint_scores=noisy)
    return truth, silent, oks.match(truth, silent, SIGMAS)


def test_a_fit_finds_what_keypoint_scores_know_and_the_score_does_not() -> None:
    found = rescore(*told_by_keypoints(0), SIGMAS)
    gain, room = found["AP/fitted"] - found["AP"], found["AP/true_OKS"] - found["AP"]
    assert room > 0.1 and 0.5 * room < gain <= room


def test_a_fit_learns_nothing_from_noise() -> None:
    truth, predictions, _ = told_by_keypoints(1)
    rng = np.random.default_rng(5)
    blind = replace(predictions, keypoint_scores=rng.random((len(predictions), 17)))
    found = rescore(truth, blind, oks.match(truth, blind, SIGMAS), SIGMAS)
    assert abs(found["AP/fitted"] - found["AP"]) < 0.03 < found["AP/true_OKS"] - found["AP"]


def test_a_fit_never_learns_from_the_images_that_it_rescores() -> None:
    truth, predictions, matches = told_by_keypoints(2)
    before = calibration._fitted(truth, predictions, matches)
    first = len(truth.image_ids) // calibration.FOLDS
    moved = truth.keypoints + 1e4 * (truth.image < first)[:, None, None]
    other = replace(truth, keypoints=moved)
    after = calibration._fitted(other, predictions, oks.match(other, predictions, SIGMAS))
    assert before is not None and after is not None
    own = matches.ranked.image < first
    assert own.any() and np.array_equal(before[own], after[own])
    assert np.abs(before[~own] - after[~own]).max() > 0.01


def test_fewer_images_than_parts_are_not_rescored() -> None:
    annotations, results = make_case(images=4, people=8, detections=3)
    truth = Truth.from_coco(annotations)
    predictions = Predictions.from_coco(results, truth)
    found = rescore(truth, predictions, oks.match(truth, predictions, SIGMAS), SIGMAS)
    assert math.isnan(found["AP/fitted"]) and math.isfinite(found["AP/true_OKS"])


# ---------------------------------------------------------------------- the figure


def test_the_diagram_shows_each_bin_where_it_belongs() -> None:
    scores = np.repeat([0.2, 0.8], 50)
    hits = np.concatenate([np.arange(50) < 20, np.arange(50) < 30])
    figure = Scored(scores, hits, hits * 1.0, hits).figure("People <b>", "found")
    assert figure["ECE"] == pytest.approx(0.2) and sum(figure["histogram"]) == 100
    html = diagram(figure)
    assert "<b>" not in html and "calibration error 0.200" in html and "100 scores in 2 bins of equal mass" in html
    root = ElementTree.fromstring(html[: html.index("</svg>") + 6])
    places = [(float(c.attrib["cx"]), float(c.attrib["cy"])) for c in root.iter("circle")]
    side, floor = 236, 246
    assert places == [
        (pytest.approx(36 + side * s, abs=0.06), pytest.approx(floor - side * o, abs=0.06))
        for s, o in ((0.2, 0.4), (0.8, 0.6))
    ]
    assert len([r for r in root.iter("rect") if float(r.attrib["height"]) > 0]) == 2
