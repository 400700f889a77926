"""What a trial may know of the others when its point is chosen, and when it is asked whether to go on.

With a ``lag``, trial n knows trials 0 ... n - lag, all of them finished, and nobody else: everything about it then
follows from the seed and from those, whichever process runs it, in whatever order trials end and however often they are
killed. Without one it knows whatever is there, as Optuna's own workers do.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial

from armature.sweeping.sampling import Grid
from armature.sweeping.space import Parameter, Space


@dataclass(frozen=True)
class Drawn:
    """A trial's point.

    Attributes:
        params: by name. attributes: what the sampler wants to find at this trial later.
    """

    params: dict[str, Any]
    attributes: dict[str, Any]


def ready(trials: Sequence[FrozenTrial], number: int, lag: int | None) -> bool:
    """Whether everything that trial ``number`` has to know is known."""
    return lag is None or all(t.state.is_finished() for t in trials[: max(number - lag + 1, 0)])


def draw(space: Space, trials: Sequence[FrozenTrial], number: int, lag: int | None, study: optuna.Study) -> Drawn:
    """The point of trial ``number``.

    Args:
        trials: of the sweep, in order. study: empty and in memory, with the sampler of this trial; it is filled.
    """
    if isinstance(study.sampler, Grid):
        points = space.grid()
        return Drawn(points[number % len(points)], {})
    for other in trials[:number]:
        study.add_trial(_seen(other, number, lag))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a sampler that falls back to independent draws is right for conditions
        trial = study.ask()
        params = space.draw(lambda parameter: _suggest(trial, parameter))
    return Drawn(params, dict(study.trials[number].system_attrs))


def should_stop(
    trials: Sequence[FrozenTrial], current: FrozenTrial, lag: int | None, study: optuna.Study
) -> tuple[bool, dict[str, Any]]:
    """Whether to give trial ``current`` up after what it has reported, and what the pruner wants to find at it later.

    Args:
        study: empty and in memory, with the pruner; it is filled.
    """
    number = current.number
    for other in trials:
        study.add_trial(current if other.number == number else _seen(other, number, lag))
    verdict = study.pruner.prune(study, study.trials[number])
    return verdict, dict(study.trials[number].system_attrs)


def seed_of(seed: int, number: int) -> int:
    """The seed of a trial's sampler."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0] % (2**31))


def _seen(other: FrozenTrial, number: int, lag: int | None) -> FrozenTrial:
    """A trial as trial ``number`` sees it: itself, or an empty place that keeps the numbers right."""
    known = other.number <= number - lag if lag is not None else other.state != TrialState.WAITING
    return other if known else create_trial(state=TrialState.FAIL)


def _suggest(trial: optuna.Trial, parameter: Parameter) -> Any:
    if parameter.choices:
        return trial.suggest_categorical(parameter.name, parameter.choices)
    if parameter.whole:
        step = int(parameter.step or 1)
        return trial.suggest_int(parameter.name, int(parameter.low), int(parameter.high), step=step, log=parameter.log)
    return trial.suggest_float(parameter.name, parameter.low, parameter.high, step=parameter.step, log=parameter.log)
