"""Which of several systems is better, on the same images, and how sure that is.

Differences are paired: both systems under the same resamples of the images, so that what makes an image hard for both
falls out. The interval of a difference is Student's t around it with the bootstrap's standard error, and p comes from
the same t, so the two cannot disagree. Percentiles of a thousand resamples could not serve here: with ten systems, 45
comparisons ask for the 0.06 % tail, which is less than one resample, and no p under 0.1 % could be told.

With k comparisons at the 5 % level one in twenty would be called different by chance alone, so p is corrected over all
comparisons of one call by Holm's rule (1979), and so is the interval: it has the level at which Holm's rule tests this
comparison, and leaves out 0 exactly where the corrected p reaches the level. What holds with 95 % confidence is that
no verdict at all is wrong. For intervals that all cover their differences at once choose ``bonferroni``, which is a
little wider.

A metric's family is what one call is given: ask for the metrics that decide in one call, and for others in another.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from armature.errors import UserError
from armature.evaluation.bootstrap import Interval, Sample, draw, plain, student
from armature.evaluation.direction import lower_is_better
from armature.evaluation.permutation import permutation_test
from armature.evaluation.seed_noise import Spread, spread
from armature.evaluation.systems import Group, System, as_groups

BETTER, WORSE, NEITHER = "better", "worse", "not distinguishable"
CORRECTIONS = ("holm", "bonferroni", "none")


@dataclass(frozen=True)
class Comparison:
    """Two systems (or groups of seeds) and one metric.

    Attributes:
        difference: of ``a`` less ``b``, means over seeds. interval: of it, by itself.
        corrected: the interval that the number of comparisons asks for.
        p_bootstrap: two-sided, by itself. p_corrected: the same for the number of comparisons.
        p_permutation: of swapping outputs, by itself; NaN for groups, whose seeds it cannot speak of.
        verdict: of ``a``: "better" or "worse" only where ``corrected`` leaves out 0, else "not distinguishable".
        n: seeds of both. seeds_covered: whether the noise of seeds is in interval and p; only if both have several.
        comparisons: how many it was corrected for. note: what the numbers do not cover, "" for nothing.
    """

    a: str
    b: str
    metric: str
    difference: float
    interval: Interval
    corrected: Interval
    p_bootstrap: float
    p_permutation: float
    p_corrected: float
    verdict: str
    n: tuple[int, int]
    seeds_covered: bool
    comparisons: int
    note: str

    def to_dict(self) -> dict[str, Any]:
        """For JSON, with None for NaN."""
        return plain(asdict(self)) | {"n": list(self.n)}


def compare_all(
    systems: Sequence[System | Group],
    metrics: Sequence[str] = ("AP",),
    resamples: int = 1000,
    permutations: int = 1000,
    seed: int = 0,
    level: float = 0.95,
    correction: str = "holm",
    lower: Callable[[str], bool] = lower_is_better,
    workers: int = 1,
) -> list[Comparison]:
    """Every pair of systems in every metric, corrected for their number.

    Args:
        systems: judged against the same truth; a ``Group`` holds the seeds of one config.
        permutations: 0 for no permutation test. correction: one of ``CORRECTIONS``.
        lower: of which metrics less is better. workers: threads.

    Raises:
        UserError: fewer than two systems, truth that differs, a metric that one of them does not have, a bad setting.
    """
    groups = as_groups(systems)
    if len(groups) < 2:
        raise UserError(f"a comparison needs at least two systems; found {len(groups)}")
    samples = draw(groups, metrics, resamples, seed, workers)
    return compare_samples(samples, permutations, seed, level, correction, lower, workers)


def compare_samples(
    samples: Sequence[Sample],
    permutations: int = 1000,
    seed: int = 0,
    level: float = 0.95,
    correction: str = "holm",
    lower: Callable[[str], bool] = lower_is_better,
    workers: int = 1,
) -> list[Comparison]:
    """The same from samples that ``bootstrap.draw`` has made, all in one call of it."""
    if correction not in CORRECTIONS or not 0 < level < 1:
        raise UserError(f"correction '{correction}' at level {level}: choose {', '.join(CORRECTIONS)}, level in (0, 1)")
    pairs = list(itertools.combinations(samples, 2))
    found, spreads = [], []
    for a, b in pairs:
        swapped = _permuted(a, b, permutations, seed, workers)
        for column, metric in enumerate(a.names):
            spreads.append(spread((a, column, 1), (b, column, -1)))
            found.append(_compare(a, b, column, spreads[-1], swapped[metric], level))
    return _corrected(found, spreads, level, correction, lower)


def corrected(p: Sequence[float], level: float = 0.95, correction: str = "holm") -> tuple[NDArray, NDArray]:
    """(m,) p-values corrected for their number, and (m,) the level of each one's interval; NaN is not counted.

    A comparison's corrected p is at most 1 - ``level`` exactly where its own p is at most 1 - (its interval's level).
    Holm (1979): the smallest p is tested at alpha / m, the next at alpha / (m - 1), until one fails; all that are left
    have the level at which that one failed.
    """
    values = np.asarray(p, np.float64)
    known = np.flatnonzero(np.isfinite(values))
    order = known[np.argsort(values[known], kind="stable")]
    factor = np.full(len(order), 1.0 if correction == "none" else len(order))
    if correction == "holm":
        factor = len(order) - np.arange(len(order), dtype=np.float64)
    adjusted, levels = np.full(len(values), np.nan), np.full(len(values), level)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(factor * values[order]))
    stopped = np.maximum.accumulate(factor * values[order] > 1 - level)
    last = factor[np.argmax(stopped)] if stopped.any() else 1.0
    levels[order] = 1 - (1 - level) / np.where(stopped, last, factor)
    return adjusted, levels


def _permuted(a: Sample, b: Sample, permutations: int, seed: int, workers: int) -> dict[str, float]:
    if not permutations or a.group.n > 1 or b.group.n > 1:
        return dict.fromkeys(a.names, math.nan)
    return permutation_test(a.group.systems[0], b.group.systems[0], a.names, permutations, seed, workers)


def _compare(a: Sample, b: Sample, column: int, found: Spread, p_permutation: float, level: float) -> Comparison:
    """One comparison by itself, as yet without correction and verdict."""
    difference = float(a.estimates[:, column].mean() - b.estimates[:, column].mean())
    interval = student(difference, found.standard_error, found.degrees_of_freedom, found.resamples, level)
    p = _p_value(difference, found)
    names, n = (a.group.name, b.group.name), (a.group.n, b.group.n)
    return Comparison(
        *names, a.names[column], difference, interval, interval, p, p_permutation, p, NEITHER, n, found.seeds_covered,
        1, _note(a, b),
    )  # fmt: skip


def _p_value(difference: float, found: Spread) -> float:
    """Two-sided p of Student's t; 1 where nothing varies and nothing differs, NaN where nothing can be told."""
    from scipy.special import stdtr

    if not math.isfinite(difference) or not found.degrees_of_freedom > 0:
        return math.nan
    if found.standard_error == 0:
        return 1.0 if difference == 0 else 0.0
    return float(2 * stdtr(found.degrees_of_freedom, -abs(difference) / found.standard_error))


def _corrected(
    found: Sequence[Comparison],
    spreads: Sequence[Spread],
    level: float,
    correction: str,
    lower: Callable[[str], bool],
) -> list[Comparison]:
    adjusted, levels = corrected([c.p_bootstrap for c in found], level, correction)
    counted = int(np.isfinite(adjusted).sum())
    done = []
    for one, s, p, own in zip(found, spreads, adjusted.tolist(), levels.tolist(), strict=True):
        interval = student(one.difference, s.standard_error, s.degrees_of_freedom, s.resamples, own)
        verdict = NEITHER
        if interval.excludes_zero:
            verdict = BETTER if (one.difference > 0) != lower(one.metric) else WORSE
        done.append(replace(one, corrected=interval, p_corrected=p, verdict=verdict, comparisons=counted))
    return done


def _note(a: Sample, b: Sample) -> str:
    """What the uncertainty leaves out."""
    alone = [sample.group.name for sample in (a, b) if sample.group.n == 1]
    if not alone:
        return ""
    who = " and ".join(alone)
    return f"one seed only of {who}: other seeds may differ by more than this interval says, which covers images alone"
