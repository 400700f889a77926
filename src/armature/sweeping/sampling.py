"""Ways to choose the next point, and ways to give up early: what ``conf/sampler`` and ``conf/pruner`` call.

Samplers take ``seed``: one is made for every trial, from the sweep's seed and the trial's number, so that what a trial
gets does not depend on which process asks, or when.
"""

from __future__ import annotations

import warnings
from typing import Any

import optuna
from optuna import pruners, samplers

from armature.errors import ConfigError


class Grid(samplers.BaseSampler):
    """Every point in order: trial n gets point n. Optuna's own takes a random one of those that are left."""

    def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, Any]:
        return {}

    def sample_relative(self, study: Any, trial: Any, search_space: Any) -> dict[str, Any]:
        return {}

    def sample_independent(self, study: Any, trial: Any, param_name: str, param_distribution: Any) -> Any:
        raise ConfigError(f"the grid has no point for '{param_name}' of trial {trial.number}")


def tpe(seed: int = 0, startup: int = 10, multivariate: bool = True) -> samplers.BaseSampler:
    """Tree-structured Parzen estimator (Bergstra et al. 2011); the first ``startup`` trials are random."""
    return _quiet(
        samplers.TPESampler,
        seed=seed,
        n_startup_trials=startup,
        multivariate=multivariate,
        group=multivariate,  # for parameters that exist under conditions only
        constant_liar=True,  # trials that run count as bad ones, so that several workers do not all try the same
    )


def random(seed: int = 0) -> samplers.BaseSampler:
    """Independent draws."""
    return samplers.RandomSampler(seed=seed)


def grid(seed: int = 0) -> samplers.BaseSampler:
    """Every combination once."""
    return Grid()


def cmaes(seed: int = 0, startup: int = 4, population: int | None = None) -> samplers.BaseSampler:
    """Covariance matrix adaptation (Hansen 2016) for numbers; choices are drawn at random."""
    return _quiet(
        samplers.CmaEsSampler, seed=seed, n_startup_trials=startup, popsize=population, warn_independent_sampling=False
    )


def nsga2(seed: int = 0, population: int = 16) -> samplers.BaseSampler:
    """NSGA-II (Deb et al. 2002), for several objectives at once."""
    return samplers.NSGAIISampler(seed=seed, population_size=population)


def no_pruner(max_epochs: int = 1) -> pruners.BasePruner:
    """Every trial runs to its end."""
    return pruners.NopPruner()


def median(max_epochs: int = 1, startup: int = 4, warmup: int = 1) -> pruners.BasePruner:
    """Stops a trial whose best so far is worse than the median at that epoch (Golovin et al. 2017).

    Args:
        startup: finished trials before anything is stopped. warmup: epochs in which nothing is stopped.
    """
    return pruners.MedianPruner(n_startup_trials=startup, n_warmup_steps=warmup + 1)


def halving(max_epochs: int = 1, shortest: int = 1, reduction: int = 3) -> pruners.BasePruner:
    """Asynchronous successive halving (Li et al. 2020): one of ``reduction`` goes on at ``shortest`` epochs, x3, x9."""
    return pruners.SuccessiveHalvingPruner(min_resource=shortest, reduction_factor=reduction)


def hyperband(max_epochs: int = 1, shortest: int = 1, reduction: int = 3) -> pruners.BasePruner:
    """Hyperband (Li et al. 2018): successive halving with several first rungs at once."""
    return pruners.HyperbandPruner(
        min_resource=shortest, max_resource=max(max_epochs, shortest), reduction_factor=reduction
    )


def _quiet(make: Any, **options: Any) -> samplers.BaseSampler:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return make(**options)
