"""Comparisons with a known answer: equal systems, systems better by a known amount, and the tests of scipy.

Simulated systems see 80 images with 0 to 3 people each. How hard an image is both share; the rest of the noise is
their own, drawn from one law, so AP is about 0.4 and two equal systems differ by about 0.05 either way.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import scipy.stats

from armature.errors import UserError
from armature.evaluation import bootstrap, oks, pck, permutation, seed_noise, significance
from armature.evaluation.medians import Medians
from armature.evaluation.ratios import Ratios
from armature.evaluation.results import Predictions, Truth
from armature.evaluation.significance import BETTER, NEITHER, WORSE, Comparison, compare_all
from armature.evaluation.systems import Group, System

SIGMAS = np.full(5, 0.07)
PCK = "PCK@0.1"


def truth_of(people: np.ndarray, seed: int = 0) -> Truth:
    """So many people of 100 px in each image."""
    image = np.repeat(np.arange(len(people)), people)
    many = len(image)
    return Truth(
        image_ids=np.arange(len(people)),
        files=("",) * len(people),
        sizes=np.zeros((len(people), 2), int),
        image=image,
        keypoints=np.random.default_rng(seed).uniform(0, 100, (many, 5, 2)),
        visibility=np.full((many, 5), 2),
        labelled=np.full(many, 5),
        boxes=np.tile([0, 0, 100.0, 100.0], (many, 1)),
        areas=np.full(many, 1e4),
        crowd=np.zeros(many, bool),
        ids=np.arange(many) + 1,
        names=tuple("abcde"),
    )


def predictions_of(rng: np.random.Generator, truth: Truth, noise: float, hard: np.ndarray) -> Predictions:
    """Everybody found with ``noise`` px, more in hard images, scored accordingly, and one false alarm an image."""
    spread = noise * np.exp(rng.normal(0, 0.6, len(truth)) + hard[truth.image])
    found = truth.keypoints + spread[:, None, None] * rng.normal(size=truth.keypoints.shape)
    alarms = np.repeat(np.arange(len(hard)), rng.poisson(1.0, len(hard)))
    points = np.concatenate([found, rng.uniform(0, 300, (len(alarms), 5, 2))])
    scores = 1 / (1 + np.exp(np.log(spread / 8) + rng.normal(0, 0.5, len(spread))))
    scores = np.concatenate([scores, rng.beta(2, 4, len(alarms))])
    many = len(points)
    image = np.concatenate([truth.image, alarms])
    return Predictions(image, points, np.ones((many, 5)), scores, np.zeros((many, 4)), np.full(many, 1e4))


def judged(name: str, truth: Truth, predictions: Predictions) -> System:
    matches = oks.match(truth, predictions, SIGMAS)
    found = pck.localise(truth, predictions, matches)
    right, labelled = found.distances < 0.1 * found.scale[:, None], found.labelled
    image = truth.image[found.person]
    ratios = Ratios.by_image((PCK,), image, len(truth.image_ids), right.sum(1)[:, None], labelled.sum(1)[:, None])
    medians = Medians.pixel_errors(truth, found)
    return System.build(name, truth, predictions, SIGMAS, [ratios], medians)


def pair(seed: int, noises: tuple[float, ...] = (8.0, 8.0), seeds: int = 1, images: int = 80) -> list[Group]:
    """Groups of seeds on the same images."""
    rng = np.random.default_rng(seed)
    truth = truth_of(rng.integers(0, 4, images), seed)
    hard = rng.normal(0, 0.4, images)
    runs = [[predictions_of(rng, truth, noise, hard) for _ in range(seeds)] for noise in noises]
    return [
        Group(f"g{k}", tuple(judged(f"g{k}/{i}", truth, p) for i, p in enumerate(group)))
        for k, group in enumerate(runs)
    ]


def by_ratio(*values: np.ndarray, people: np.ndarray | None = None) -> list[System]:
    """Systems of one ratio, over the same images with one person each."""
    images = len(values[0])
    truth = truth_of(np.ones(images, int))
    below = np.ones(images) if people is None else people
    ratios = [Ratios(("metric",), v[:, None].astype(float), below[:, None].astype(float)) for v in values]
    return [System(f"s{k}", truth, ratios=r) for k, r in enumerate(ratios)]


def called(groups: list[Group], seed: int, resamples: int, metrics: tuple[str, ...] = ("AP", PCK)) -> list[bool]:
    found = compare_all(groups, metrics, resamples, 0, seed, correction="none")
    return [comparison.verdict != NEITHER for comparison in found]


@pytest.mark.long
def test_equal_systems_are_called_different_in_one_of_twenty() -> None:
    """AP and PCK of 200 pairs at the 5 % level: at most 18, the 99 % quantile of so many draws with chance 0.05.

    A rule that is right to the letter gives 10 on average, and more than 10 in four of ten such tests. Of 1,600 pairs
    with 1,000 resamples each 5.1 % were called different by AP (standard error 0.5 %), of 20,000 pairs 5.0 % by PCK.
    """
    assert scipy.stats.binom.ppf(0.99, 200, 0.05) == 18
    wrong = np.array([called(pair(seed), seed, 150) for seed in range(200)])
    assert (wrong.sum(0) <= 18).all(), wrong.sum(0)
    assert (wrong.sum(0) >= 2).all(), "a rule that finds nothing at all would pass, too"


@pytest.mark.long
def test_equal_groups_of_three_seeds_are_called_different_in_at_most_one_of_twenty() -> None:
    """At most 10 of 200, no luck allowed for: with three seeds the rule errs on the safe side."""
    wrong = np.array([called(pair(seed, seeds=3, images=60), seed, 100) for seed in range(200)])
    assert (wrong.sum(0) <= 10).all(), wrong.sum(0)


def test_equal_systems_by_a_ratio_are_called_different_in_one_of_twenty() -> None:
    """1,000 comparisons of 60 images: 5 % and three standard errors of so many draws, 3 * sqrt(0.05 * 0.95 / 1000)."""
    rng = np.random.default_rng(0)
    wrong = []
    for seed in range(1000):
        hard = rng.beta(2, 2, 60)
        groups = by_ratio(*rng.binomial(5, hard, (2, 60)), people=np.full(60, 5))
        wrong.append(called([Group(s.name, (s,)) for s in groups], seed, 100, ("metric",)))
    assert 0.025 <= np.mean(wrong) <= 0.071


def test_a_better_system_is_found_as_often_as_it_should_be() -> None:
    """PCK 0.70 against 0.65 on 100 images of 10 keypoints: power by the textbook's formula for a paired mean.

    The standard deviation of an image's difference is sqrt((0.70 * 0.30 + 0.65 * 0.35) / 10) = 0.209, so the difference
    is 2.39 standard errors and is found with power Phi(2.39 - 1.98) = 0.66. 500 comparisons err by 0.021; three such.
    """
    rng = np.random.default_rng(1)
    found, verdicts = [], []
    for seed in range(500):
        counts = (rng.binomial(10, p, 100) for p in (0.70, 0.65))
        comparison = compare_all(by_ratio(*counts, people=np.full(100, 10)), ("metric",), 150, 0, seed)[0]
        found.append(comparison.verdict != NEITHER)
        verdicts.append(comparison.verdict)
    assert np.mean(found) == pytest.approx(0.66, abs=0.065)
    assert WORSE not in verdicts


@pytest.mark.parametrize("seeds", [1, 3])
def test_a_much_better_system_is_found(seeds: int) -> None:
    """Half the noise is worth AP 0.27 (0.40 against 0.13), which is some six standard errors."""
    ap, _, error = compare_all(pair(5, (16.0, 8.0), seeds), ("AP", PCK, "error/median"), 300, 200)
    assert ap.verdict == WORSE and ap.difference < -0.15 and ap.p_corrected < 0.01
    assert error.verdict == WORSE and error.difference > 0, "fewer pixels are better"
    assert seeds > 1 or ap.p_permutation == pytest.approx(1 / 201)


def test_a_system_is_no_better_than_itself() -> None:
    first = pair(2)[0].systems[0]
    for comparison in compare_all([first, replace(first, name="again")], ("AP", PCK, "error/median"), 100, 50):
        assert comparison.difference == 0 and comparison.verdict == NEITHER
        assert comparison.p_bootstrap == comparison.p_permutation == comparison.p_corrected == 1


@pytest.mark.parametrize("images", [9, 40])
@pytest.mark.parametrize("better", [0.0, 0.1])
def test_permutation_p_is_scipys(images: int, better: float) -> None:
    """Exact for 2^9 swaps; for 40 images both draw 5,000, and p errs by at most sqrt(0.25 / 5000) = 0.007 each."""
    rng = np.random.default_rng(images)
    people = rng.integers(1, 4, images) * 5
    hits = [rng.binomial(people, p) for p in (0.6 + better, 0.6)]

    def difference(a: np.ndarray, b: np.ndarray, axis: int = -1) -> np.ndarray:
        return np.abs(a.sum(axis) - b.sum(axis)) / people.sum()

    theirs = scipy.stats.permutation_test(
        hits, difference, permutation_type="samples", vectorized=True, n_resamples=5000, alternative="greater",
        rng=np.random.default_rng(1),
    )  # fmt: skip
    a, b = by_ratio(*hits, people=people)
    ours = permutation.permutation_test(a, b, ["metric"], 5000)["metric"]
    assert ours == pytest.approx(theirs.pvalue, abs=1e-12 if images == 9 else 0.03)


def test_permuted_ap_is_that_of_results_swapped_image_by_image() -> None:
    """All 2^6 swaps, each judged anew from predictions whose scores are ranks; ranks of two systems never tie here."""
    a, b = (group.systems[0] for group in pair(3, (10.0, 6.0), images=6))
    both = (a, b)
    ranks = [np.argsort(s.matches.order) * 2.0 + k for k, s in enumerate(both)]

    def ap(side: np.ndarray) -> float:
        """Precision by a loop over images' predictions; ``side``: whose prediction counts in each image."""
        kept = [side[s.matches.ranked.image] == k for k, s in enumerate(both)]
        order = np.argsort(np.concatenate([r[w] for r, w in zip(ranks, kept, strict=True)]))
        found = []
        for t in range(10):
            hits = np.concatenate([(s.matches.matched[0] >> t & 1)[w] for s, w in zip(both, kept, strict=True)])[order]
            precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
            recall = np.cumsum(hits) / len(a.truth)
            found += [max(precision[recall >= r], default=0.0) for r in oks.RECALLS]
        return float(np.mean(found))

    ways = [np.array([way >> i & 1 for i in range(6)]) for way in range(64)]
    differences = np.array([ap(way) - ap(1 - way) for way in ways])
    expected = np.mean(np.abs(differences) >= abs(differences[0]) - 1e-12)
    assert differences[0] == pytest.approx(np.subtract(*(oks.accumulate(s.matches).numbers()["AP"] for s in both)))
    assert permutation.permutation_test(a, b, ["AP"])["AP"] == pytest.approx(expected, abs=1e-12)


def test_permutation_does_not_mind_the_scale_of_scores() -> None:
    """AP knows scores by their order only; a network with the same order on another scale is the same network."""
    a, b = (group.systems[0] for group in pair(4))
    ranked = b.matches.ranked
    scaled = replace(b, matches=replace(b.matches, ranked=replace(ranked, scores=ranked.scores**3 / 50)))
    assert permutation.permutation_test(a, scaled, ["AP"], 100) == permutation.permutation_test(a, b, ["AP"], 100)


@pytest.mark.slow
def test_equal_systems_permuted_are_rarely_different() -> None:
    """p of 120 pairs is uniform: at most 5 % are under 0.05, up to three standard errors of 120 draws (0.06)."""
    p = []
    for seed in range(120):
        a, b = (group.systems[0] for group in pair(seed, images=30))
        p.append(permutation.permutation_test(a, b, ["AP50"], 99, seed)["AP50"])
    assert np.mean(np.array(p) <= 0.05) <= 0.11
    assert scipy.stats.kstest(p, "uniform").pvalue > 0.01


def grouped(rng: np.random.Generator, n: int, of_seed: float, of_system: float, of_run: float) -> list[Group]:
    """Two groups of n runs over 80 images whose means differ by chance only."""
    groups = []
    for k in range(2):
        system = rng.normal(0, of_system, 80) if of_system else np.zeros(80)
        runs = system + rng.normal(0, 1, (n, 1)) * of_seed + rng.normal(0, of_run, (n, 80))
        groups.append(Group(f"g{k}", tuple(by_ratio(*runs))))
    return groups


def hierarchical(groups: list[Group], rng: np.random.Generator, images: np.ndarray) -> bool:
    """Whether the bootstrap that draws seeds and images calls the groups different at 5 %."""
    means = []
    for group in groups:
        values = np.stack([s.ratios.top[:, 0] for s in group.systems])
        under = images @ values.T / images.sum(1, keepdims=True)
        seeds = rng.integers(0, group.n, under.shape)
        means.append(np.take_along_axis(under, seeds, 1).mean(1))
    low, high = np.quantile(means[0] - means[1], [0.025, 0.975])
    return bool(low > 0 or high < 0)


@pytest.mark.parametrize(
    "parts",
    [
        (0.3, 0.0, 0.3),
        pytest.param((0.1, 1.0, 1.0), marks=pytest.mark.slow),
        pytest.param((0.0, 1.0, 1.0), marks=pytest.mark.slow),
    ],
)
def test_the_noise_of_three_seeds_is_counted(parts: tuple[float, float, float]) -> None:
    """300 comparisons of equal groups: 5 % and three standard errors of so many draws, 0.038.

    Where seeds rule (the first case) the bootstrap that draws three values again and again is far too sure.
    """
    rng = np.random.default_rng(7)
    images = bootstrap.weights(80, 100)
    ours, theirs = [], []
    for seed in range(300):
        groups = grouped(rng, 3, *parts)
        ours.append(called(groups, seed, 80, ("metric",))[0])
        theirs.append(hierarchical(groups, rng, images))
    assert np.mean(ours) <= 0.05 + 0.038
    if parts[0] == 0.3:
        assert np.mean(theirs) > 0.1


def test_the_spread_of_groups_is_the_written_rule() -> None:
    """Step by step in plain numpy, from resamples that are formed image by image."""
    groups = grouped(np.random.default_rng(3), 3, 0.2, 0.5, 1.0)
    counts = bootstrap.weights(80, 200, 11)
    under = [
        np.array([[np.repeat(s.ratios.top[:, 0], row).mean() for row in counts] for s in g.systems]) for g in groups
    ]
    tops = [np.array([s.ratios.top[:, 0] for s in g.systems]) for g in groups]
    without = np.array([np.subtract(*(np.delete(top, i, 1).mean() for top in tops)) for i in range(80)])
    images = max(np.var(under[0].mean(0) - under[1].mean(0), ddof=1), np.var(without) * 79)
    kurtosis = max(0.0, scipy.stats.kurtosis(without))
    variance, loose = images, images**2 * (2 / 79 + kurtosis / 80) / 2
    for values, group in zip(under, groups, strict=True):
        between = np.var([s.ratios.top.mean() for s in group.systems], ddof=1)
        own = sum(np.var(run - values.mean(0), ddof=1) for run in values) / 2
        variance += max(0.0, between - own) / 3
        loose += (between / 3) ** 2 / 2
    comparison = compare_all(groups, ("metric",), 200, 0, 11)[0]
    interval = comparison.interval
    assert interval.standard_error == pytest.approx(math.sqrt(variance))
    assert interval.degrees_of_freedom == pytest.approx(min(variance**2 / loose, 79))
    t = scipy.stats.t(interval.degrees_of_freedom, comparison.difference, math.sqrt(variance))
    assert (interval.low, interval.high) == pytest.approx(t.interval(0.95))
    assert comparison.p_bootstrap == pytest.approx(2 * min(t.cdf(0), t.sf(0)))


def test_one_seed_is_said_to_be_one() -> None:
    one, three = grouped(np.random.default_rng(0), 1, 0, 0, 1)[0], grouped(np.random.default_rng(1), 3, 0, 0, 1)[1]
    mixed = compare_all([one, three], ("metric",), 50, 50)[0]
    assert not mixed.seeds_covered and mixed.note.startswith("one seed only of g0:") and mixed.n == (1, 3)
    assert math.isnan(mixed.p_permutation), "swapping outputs says nothing of other seeds"
    both = compare_all([replace(three, name="other"), three], ("metric",), 50, 50)[0]
    assert both.seeds_covered and both.note == "" and both.n == (3, 3)


def test_summaries_tell_mean_deviation_and_n() -> None:
    groups = grouped(np.random.default_rng(5), 4, 0.3, 0, 1)
    single = replace(groups[1], systems=groups[1].systems[:1])
    samples = bootstrap.draw([groups[0], single], ["metric"], 300)
    several, one = seed_noise.summarise(samples)
    values = [s.ratios.top.mean() for s in groups[0].systems]
    assert (several.n, several.mean) == (4, pytest.approx(np.mean(values)))
    assert several.standard_deviation == pytest.approx(np.std(values, ddof=1)) and several.seeds_covered
    assert several.interval.low < several.mean < several.interval.high
    assert one.n == 1 and math.isnan(one.standard_deviation) and not one.seeds_covered
    assert one.interval == bootstrap.intervals(single.systems[0], resamples=300)["metric"]
    assert json.loads(json.dumps(one.to_dict(), allow_nan=False))["standard_deviation"] is None


def holm(p: list[float]) -> list[float]:
    """Holm (1979) in five lines."""
    found, highest = [0.0] * len(p), 0.0
    for k, i in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        highest = max(highest, (len(p) - k) * p[i])
        found[i] = min(1.0, highest)
    return found


@pytest.mark.parametrize("seed", range(20))
def test_corrected_p_is_holms_and_agrees_with_the_level_of_the_interval(seed: int) -> None:
    rng = np.random.default_rng(seed)
    p = rng.random(8) ** 4
    adjusted, levels = significance.corrected(np.insert(p, 3, np.nan), 0.95)
    assert np.isnan(adjusted[3])
    adjusted, levels = np.delete(adjusted, 3), np.delete(levels, 3)
    np.testing.assert_allclose(adjusted, holm(p.tolist()))
    assert ((adjusted <= 0.05) == (p <= 1 - levels)).all()
    simple, same = significance.corrected(p, 0.95, "bonferroni")
    np.testing.assert_allclose(simple, np.minimum(1, p * 8))
    np.testing.assert_allclose(same, 1 - 0.05 / 8)
    np.testing.assert_array_equal(significance.corrected(p, 0.95, "none"), [p, np.full(8, 0.95)])


@pytest.mark.parametrize("correction", significance.CORRECTIONS)
def test_verdict_interval_and_corrected_p_never_disagree(correction: str) -> None:
    rng = np.random.default_rng(8)
    values = [rng.normal(0.12 * k, 1, 80) for k in range(6)]
    found = compare_all(by_ratio(*values), ("metric",), 200, 0, correction=correction)
    assert {c.comparisons for c in found} == {15} and {c.verdict for c in found} == {WORSE, NEITHER}
    for c in found:
        assert (c.verdict != NEITHER) == c.corrected.excludes_zero == (c.p_corrected <= 0.05)
        assert c.corrected.low <= c.interval.low <= c.difference <= c.interval.high <= c.corrected.high
        assert c.p_corrected >= c.p_bootstrap


def test_more_comparisons_find_less() -> None:
    """Thrice twenty equal systems: 190 comparisons each, some ten called different uncorrected, corrected none."""
    once, holms = 0, 0
    for seed in range(9, 12):
        systems = by_ratio(*np.random.default_rng(seed).normal(0, 1, (20, 80)))
        once += sum(c.verdict != NEITHER for c in compare_all(systems, ("metric",), 200, 0, correction="none"))
        holms += sum(c.verdict != NEITHER for c in compare_all(systems, ("metric",), 200, 0, correction="holm"))
    assert once > 0 and holms == 0


def test_a_clear_difference_stays_clear_among_many() -> None:
    """p from Student's t has no floor at 1 / resamples, which 45 comparisons would lift over 5 %."""
    rng = np.random.default_rng(10)
    systems = by_ratio(rng.normal(3, 1, 80), *rng.normal(0, 1, (9, 80)))
    found = [c for c in compare_all(systems, ("metric",), 100, 0) if c.a == "s0"]
    assert len(found) == 9 and all(c.verdict == BETTER for c in found)


def test_numbers_that_nobody_has_are_not_judged() -> None:
    """All people are 100 px wide: there are none of medium size."""
    groups = pair(1)
    medium, ap = compare_all(groups, ("APm", "AP"), 100, 20)
    assert math.isnan(medium.difference) and math.isnan(medium.p_corrected) and math.isnan(medium.p_permutation)
    assert medium.verdict == NEITHER and ap.comparisons == 1 and ap.p_corrected == ap.p_bootstrap
    text = json.dumps([c.to_dict() for c in (medium, ap)], allow_nan=False)
    assert json.loads(text)[0]["interval"]["low"] is None and json.loads(text)[1]["n"] == [1, 1]


def test_other_people_are_refused() -> None:
    first = pair(6)[0].systems[0]
    truth = first.truth

    def refused(other: Truth, match: str) -> None:
        with pytest.raises(UserError, match=match):
            compare_all([first, replace(first, name="other", truth=other)])

    refused(replace(truth, image_ids=truth.image_ids + 1), "'g0/0' and 'other' cannot be compared: their images differ")
    moved = np.sort(np.where(np.arange(len(truth)) == 0, 79, truth.image))
    refused(replace(truth, image=moved), "number of people of image")
    refused(replace(truth, keypoints=truth.keypoints + 0.1), "keypoints of their annotated people")
    refused(truth.with_areas("box*0.53"), r"areas .* \(from annotation and box\*0.53\)")
    same = replace(truth, ids=truth.ids + 7)
    assert len(compare_all([first, replace(first, name="other", truth=same)], ("AP",), 10, 5)) == 1


def test_what_cannot_be_compared_is_said() -> None:
    a, b = by_ratio(np.zeros(5), np.ones(5))
    with pytest.raises(UserError, match="at least two systems; found 1"):
        compare_all([a], ("metric",))
    with pytest.raises(UserError, match="'s0' comes 2 times"):
        compare_all([a, replace(b, name="s0")], ("metric",))
    with pytest.raises(UserError, match="no metric 'AP' here; there are metric"):
        compare_all([a, b])
    with pytest.raises(UserError, match="correction 'fdr'"):
        compare_all([a, b], ("metric",), correction="fdr")
    with pytest.raises(UserError, match="ratios of 5 images; the truth has 80"):
        replace(pair(0)[0].systems[0], ratios=a.ratios)
    with pytest.raises(UserError, match="holds no system"):
        Group("nobody", ())


def test_one_image_proves_nothing() -> None:
    found: Comparison = compare_all(by_ratio(np.zeros(1), np.ones(1)), ("metric",), 10, 10)[0]
    assert found.difference == -1 and found.verdict == NEITHER and math.isnan(found.interval.low)
    assert found.p_permutation == 1, "both of the two ways to swap one image are as far apart"
