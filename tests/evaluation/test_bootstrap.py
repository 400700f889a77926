"""Resampled numbers beside the exact ones, intervals beside scipy's, and coverage of a known truth."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy.stats

from armature.bench import evaluation
from armature.bench.cases import make_case
from armature.errors import UserError
from armature.evaluation import bootstrap, medians, oks, pck, resampled_oks
from armature.evaluation.medians import Medians
from armature.evaluation.ratios import Ratios
from armature.evaluation.resampled_oks import Judged, numbers_under
from armature.evaluation.results import Predictions, Truth
from armature.evaluation.systems import System

SIGMAS = np.random.default_rng(17).uniform(0.02, 0.11, 17)


def case(seed: int = 0, tied: bool = False, **size: Any) -> tuple[Truth, Predictions]:
    numbers = {"images": 30, "people": 60, "detections": 8, "crowds": 0.1} | size
    truth, results = make_case(seed=seed, **numbers)
    for row in results if tied else ():
        row["score"] = round(row["score"], 1)
    annotated = Truth.from_coco(truth)
    return annotated, Predictions.from_coco(results, annotated)


def matched(seed: int = 0, tied: bool = False, **size: Any) -> oks.Matches:
    return oks.match(*case(seed, tied, **size), SIGMAS)


def exact(matches: oks.Matches, weights: np.ndarray) -> np.ndarray:
    """One weighting after the other by ``oks.accumulate``, which is tested against pycocotools."""
    return np.array([list(oks.accumulate(matches, row.astype(float)).numbers().values()) for row in weights])


def assert_exact(matches: oks.Matches, weights: np.ndarray) -> np.ndarray:
    found = numbers_under(Judged.of(matches), weights)
    np.testing.assert_allclose(found, exact(matches, weights), rtol=0, atol=1e-9)
    return found


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_numbers_of_resamples_are_the_exact_ones(seed: int, tied: bool) -> None:
    matches = matched(seed, tied, images=10 + 15 * seed, people=40 * (seed + 1), detections=[3, 20][seed % 2])
    counts = bootstrap.weights(len(matches.image_ids), 20, seed)
    many = np.random.default_rng(seed).integers(0, 60, counts.shape)
    edges = np.stack([np.ones_like(counts[0]), np.zeros_like(counts[0]), np.eye(len(counts[0]), dtype=int)[0]])
    found = assert_exact(matches, np.concatenate([counts, many, edges]))
    assert np.isnan(found[-2]).all() and 0 < found[0, 0] < 1


@pytest.mark.parametrize("seed", range(4))
def test_detections_that_are_judged_at_some_thresholds_only(seed: int) -> None:
    """Crowds and unlabelled people everywhere: who finds them at 0.5 and nobody at 0.9 is ignored here, wrong there."""
    matches = matched(seed, unlabelled=0.6, crowds=0.4, people=200, detections=20)
    some = (matches.ignored[0] != 0) & (matches.ignored[0] != 1023)
    assert some.sum() > 5
    assert_exact(matches, bootstrap.weights(30, 40, seed))


@pytest.mark.parametrize("block", [1, 20_000])
@pytest.mark.parametrize("workers", [1, 3])
def test_blocks_and_threads_change_nothing(monkeypatch: pytest.MonkeyPatch, block: int, workers: int) -> None:
    matches, counts = matched(3), bootstrap.weights(30, 50)
    whole = numbers_under(Judged.of(matches), counts)
    monkeypatch.setattr(resampled_oks, "BLOCK", block)
    np.testing.assert_array_equal(numbers_under(Judged.of(matches), counts, workers=workers), whole)


def test_chosen_numbers_are_those_of_all_ten() -> None:
    matches, counts = matched(4), bootstrap.weights(30, 30)
    every = dict(zip(oks.NUMBERS, numbers_under(Judged.of(matches), counts).T, strict=True))
    for names in (["ARl"], ["AP75", "AP"], ["AR50", "APm", "AR"]):
        found = numbers_under(Judged.of(matches), counts, {name: oks.NUMBERS[name] for name in names})
        np.testing.assert_array_equal(found.T, [every[name] for name in names])


def test_nobody_found_is_zero_and_nobody_there_is_not_a_number() -> None:
    truth, predictions = case()
    none = replace(predictions, **{f: getattr(predictions, f)[:0] for f in ("image_ids", "keypoints", "scores")})
    none = replace(none, **{f: getattr(predictions, f)[:0] for f in ("keypoint_scores", "boxes", "areas")})
    missed = assert_exact(oks.match(truth, none, SIGMAS), bootstrap.weights(30, 10))
    assert (missed[:, 0] == 0).all()
    ignored = replace(truth, labelled=np.zeros_like(truth.labelled))
    assert np.isnan(assert_exact(oks.match(ignored, predictions, SIGMAS), bootstrap.weights(30, 10))).all()


def test_recall_that_falls_on_the_grid_counts_as_reached() -> None:
    """0.01 * 7 is a hair above 7 / 100 in binary; hits needed follow what the exact accumulation compares."""
    for total in range(1, 700):
        reached = np.arange(total + 1) / total
        assert (resampled_oks.needed(np.array(total)) == np.maximum(np.searchsorted(reached, oks.RECALLS), 1)).all()


@pytest.mark.parametrize("bad", [np.ones(30), np.ones((2, 29)), np.full((2, 30), 0.5), np.full((2, 30), -1)])
def test_weights_that_are_no_counts_are_refused(bad: np.ndarray) -> None:
    with pytest.raises(UserError, match="weights"):
        numbers_under(Judged.of(matched()), bad)


@pytest.mark.parametrize("seed", range(3))
def test_two_systems_side_by_side_give_what_mixed_results_give(seed: int) -> None:
    """Against predictions picked image by image, whose scores are the ranks, matched anew."""
    truth, one = case(seed)
    rng = np.random.default_rng(seed)
    other = replace(
        one, scores=rng.permutation(one.scores) * 0.1, keypoints=one.keypoints + rng.normal(0, 3, (1, 17, 2))
    )
    a, b = (oks.match(truth, p, SIGMAS) for p in (one, other))
    both = Judged.side_by_side(Judged.of(a), Judged.of(b))
    swapped = rng.integers(0, 2, 30)
    for chosen in (swapped, np.zeros(30, int), np.ones(30, int)):
        mixed = _mixed(truth, (one, other), (a, b), chosen)
        found = numbers_under(both, np.concatenate([1 - chosen, chosen])[None])[0]
        np.testing.assert_allclose(found, list(oks.evaluate(truth, mixed, SIGMAS).values()), atol=1e-12)
    alone = list(oks.accumulate(b).numbers().values())
    np.testing.assert_allclose(found, alone, atol=1e-12)


def _mixed(truth: Truth, predictions: tuple, matches: tuple, chosen: np.ndarray) -> Predictions:
    """Predictions of system 0 or 1 in each image, scored by twice their rank in their own system."""
    parts = []
    for which, (found, own) in enumerate(zip(predictions, matches, strict=True)):
        scores = np.full(len(found), -1e9)
        scores[own.ranked.source[own.order]] = -2.0 * np.arange(len(own.order)) - which
        kept = chosen[np.searchsorted(truth.image_ids, found.image_ids)] == which
        fields = ("image_ids", "keypoints", "keypoint_scores", "boxes", "areas")
        parts.append({f: getattr(found, f)[kept] for f in fields} | {"scores": scores[kept]})
    return Predictions(**{f: np.concatenate([p[f] for p in parts]) for f in parts[0]})


@pytest.mark.parametrize("block", [1, 2**19])
def test_medians_are_those_of_repeated_rows(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(medians, "BLOCK", block)
    rng = np.random.default_rng(0)
    image, values = rng.integers(0, 12, 80), np.round(rng.normal(size=80), 1)
    values[::7] = np.nan
    columns = {"all": (image, values), "none": (image, np.full(80, np.nan)), "few": (image[:5], values[:5])}
    counts = np.concatenate([bootstrap.weights(12, 50), np.zeros((1, 12), int)])
    found = Medians.of(columns, 12).under(counts, workers=2)
    for row, weights in zip(found, counts, strict=True):
        for value, (where, numbers) in zip(row, columns.values(), strict=True):
            repeated = np.repeat(numbers, weights[where])
            repeated = repeated[~np.isnan(repeated)]
            assert value == np.median(repeated) if len(repeated) else np.isnan(value)


def test_medians_side_by_side_choose_by_image() -> None:
    rng = np.random.default_rng(1)
    image, values = rng.integers(0, 6, 40), rng.normal(size=(2, 40))
    a, b = (Medians.of({"x": (image, v), "y": (image[:9], v[:9])}, 6) for v in values)
    chosen = np.array([0, 1, 1, 0, 1, 0])
    found = Medians.side_by_side(a, b).under(np.concatenate([1 - chosen, chosen])[None])[0]
    mixed = np.where(chosen[image] == 0, *values)
    np.testing.assert_array_equal(found, [np.median(mixed), np.median(mixed[:9])])


def test_systems_with_other_parts_are_not_put_side_by_side() -> None:
    judged = Judged.of(matched())
    with pytest.raises(UserError, match="different parts of the people"):
        Judged.side_by_side(judged, replace(judged, lanes=("all", "large", "medium")))
    rows = np.arange(3), np.arange(3.0)
    with pytest.raises(UserError, match="different medians: x and y"):
        Medians.side_by_side(Medians.of({"x": rows}, 3), Medians.of({"y": rows}, 3))


def test_pixel_error_medians_are_those_of_the_judgement() -> None:
    truth, predictions = case(images=60, people=150)
    found = pck.localise(truth, predictions, oks.match(truth, predictions, SIGMAS))
    numbers = found.numbers(truth.names, (0.1,))
    ours = Medians.pixel_errors(truth, found)
    for name, value in zip(ours.names, ours.under(np.ones((1, 60), int))[0], strict=True):
        assert value == numbers[name]


def test_weights_draw_each_image_once_on_average() -> None:
    counts = bootstrap.weights(50, 4000, seed=3)
    assert counts.shape == (4000, 50) and (counts.sum(1) == 50).all()
    # the law is multinomial: variance 1 - 1/I, covariance -1/I
    assert abs(counts.var() - 0.98) < 0.02 and abs(np.cov(counts[:, :2].T)[0, 1] + 1 / 50) < 0.06
    assert (counts == bootstrap.weights(50, 4000, seed=3)).all() and (counts != bootstrap.weights(50, 4000)).any()
    with pytest.raises(UserError, match="0 images"):
        bootstrap.weights(0)


@pytest.mark.parametrize("images", [1, 37, 200, 431])
def test_every_image_is_left_out_once(images: int) -> None:
    parts = bootstrap.left_out(images)
    assert parts.shape == (min(images, 200), images)
    assert ((1 - parts).sum(0) == 1).all() and np.ptp((1 - parts).sum(1)) <= 1


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_bca_is_scipys(level: float) -> None:
    """The very same resamples, of a skewed mean."""
    values = np.random.default_rng(0).exponential(size=40)
    theirs = scipy.stats.bootstrap(
        (values,), np.mean, n_resamples=2000, confidence_level=level, method="BCa", rng=np.random.default_rng(1)
    )
    ratio = Ratios(("mean",), values[:, None], np.ones((40, 1)))
    parts = ratio.under(bootstrap.left_out(40))[:, 0]
    ours = bootstrap.bca(values.mean(), theirs.bootstrap_distribution, parts, level)
    assert (ours.low, ours.high) == pytest.approx(theirs.confidence_interval, abs=1e-12)
    assert ours.standard_error == pytest.approx(theirs.standard_error)


def test_the_bootstrap_of_a_mean_is_scipys() -> None:
    """Other resamples: the ends agree within the noise of 20,000 draws, which is 0.03 standard errors each."""
    values = np.random.default_rng(2).exponential(size=60)
    system = ratio_system(values, np.ones(60))
    ours = bootstrap.intervals(system, resamples=20_000)["metric"]
    theirs = scipy.stats.bootstrap((values,), np.mean, n_resamples=20_000, method="BCa", rng=np.random.default_rng(3))
    assert ours.estimate == pytest.approx(values.mean())
    assert ours.standard_error == pytest.approx(theirs.standard_error, rel=0.03)
    assert (ours.low, ours.high) == pytest.approx(theirs.confidence_interval, abs=0.12 * ours.standard_error)


def ratio_system(top: np.ndarray, bottom: np.ndarray) -> System:
    """A system of one ratio over images that hold one person each."""
    images = len(top)
    truth, _ = case(images=2, people=2)
    rows = np.zeros(images, int)
    columns = {f: getattr(truth, f)[rows] for f in ("keypoints", "visibility", "boxes", "areas")}
    truth = replace(
        truth, image_ids=np.arange(images), files=("",) * images, sizes=np.zeros((images, 2), int),
        image=np.arange(images), ids=np.arange(images), crowd=rows > 0, labelled=rows + 1, **columns,
    )  # fmt: skip
    return System("one", truth, ratios=Ratios(("metric",), top[:, None].astype(float), bottom[:, None].astype(float)))


@pytest.mark.slow
@pytest.mark.parametrize("images", [50, 200])
def test_intervals_cover_the_known_value_of_a_population(images: int) -> None:
    """PCK of people whose hits depend on their image: 0.7 in the population, whatever the images' people count.

    600 test sets at level 0.95. Coverage errs by O(1 / I), so 0.93 is allowed for; from there three standard errors of
    600 draws, 3 * sqrt(0.93 * 0.07 / 600) = 0.031, leave 0.90. Above, 0.95 and as many leave 0.977.
    """
    rng = np.random.default_rng(images)
    covered = []
    for repeat in range(600):
        people = rng.integers(1, 6, images)
        hits = rng.binomial(people * 10, rng.beta(3.5, 1.5, images))
        one = ratio_system(hits, people * 10)
        counts = np.concatenate(
            [np.ones((1, images)), bootstrap.weights(images, 300, repeat), bootstrap.left_out(images)]
        )
        values = one.outputs.under(counts.astype(int), ["metric"])[:, 0]
        found = bootstrap.bca(values[0], values[1:301], values[301:])
        covered.append(found.low <= 0.7 <= found.high)
    assert 0.90 <= np.mean(covered) <= 0.977


def test_every_metric_of_a_system_gets_an_interval() -> None:
    truth, predictions = case(images=60, people=150)
    system = System.build("one", truth, predictions, SIGMAS)
    found = pck.localise(truth, predictions, system.matches)
    image = truth.image[found.person]
    have = Ratios.by_image(("matched",), image, 60, (found.prediction >= 0)[:, None], np.ones((len(image), 1)))
    system = replace(system, ratios=have, medians=Medians.pixel_errors(truth, found))
    intervals = bootstrap.intervals(system, resamples=200)
    known = oks.evaluate(truth, predictions, SIGMAS) | found.numbers(truth.names, ())
    assert set(intervals) == {*oks.NUMBERS, "matched", *system.medians.names}
    for name, interval in intervals.items():
        assert interval.estimate == pytest.approx(known[name], abs=1e-9)
        assert interval.low <= interval.estimate <= interval.high and interval.resamples == 200
        assert (interval.low < interval.high) == (name != "matched"), "all people have a prediction here"
    with pytest.raises(UserError, match="no metric 'PCK'"):
        bootstrap.intervals(system, ["PCK"])


def test_slices_are_resampled_like_sizes() -> None:
    truth, predictions = case(images=40, people=120)
    system = System.build("one", truth, predictions, SIGMAS)
    odd = np.arange(len(truth)) % 2 == 1
    lanes = oks.Lanes(("odd", "even"), np.stack([odd, ~odd]) & ~truth.ignored, np.ones((2, len(predictions)), bool))
    system = replace(system, slices=oks.rematch(system.matches, truth, lanes))
    counts = bootstrap.weights(40, 10)
    found = system.outputs.under(counts, ["AP/even", "AR/odd", "AP"])
    for row, weights in zip(found, counts, strict=True):
        curves = oks.accumulate(system.slices, weights)
        assert row[:2] == pytest.approx([curves.number("AP", "even"), curves.number("AR", "odd")], abs=1e-9)


def test_intervals_are_json_and_say_where_nothing_is_known() -> None:
    nothing = bootstrap.bca(float("nan"), np.full(10, np.nan), np.full(3, np.nan))
    assert json.loads(json.dumps(nothing.to_dict(), allow_nan=False))["low"] is None
    assert nothing.resamples == 0 and not nothing.excludes_zero
    constant = bootstrap.bca(1.0, np.ones(10), np.ones(3))
    assert (constant.low, constant.high, constant.standard_error) == (1, 1, 0)
    student = bootstrap.student(2.0, 0.5, 7, 100, 0.9)
    assert (student.low, student.high) == pytest.approx(scipy.stats.t.interval(0.9, 7, 2.0, 0.5))


def test_the_bench_times_resampling_and_finds_it_exact() -> None:
    cost = evaluation.resample(20, 40, 5)
    assert 0 <= cost.difference <= 1e-9 and min(cost.resampling, cost.exact, cost.permuting) > 0
