"""What a trial may know: its point and its fate follow from seed, number and the trials before it, not from events."""

from __future__ import annotations

import random
import statistics
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState, create_trial

from armature.sweeping import knowledge, sampling, space

SPACE = space.parse(
    {"x": "interval(-5, 5)", "n": "int(interval(1, 9))", "kind": "choice(good, bad)"},
    {"kind=bad": {"y": "tag(log, interval(0.01, 1))"}},
)


def score(params: dict[str, Any]) -> float:
    return -((params["x"] - 2) ** 2) - (params["kind"] == "bad") * params.get("y", 0)


def study(make: Any, number: int, directions: int = 1) -> optuna.Study:
    found = make(seed=knowledge.seed_of(3, number))
    return optuna.create_study(study_name="s", directions=["maximize"] * directions, sampler=found)


def played(make: Any, lag: int, count: int, order: random.Random) -> list[dict[str, Any]]:
    """A sweep in which trials begin and end in a random order that the lag allows."""
    trials: list[FrozenTrial] = [_numbered(create_trial(state=TrialState.WAITING), n) for n in range(count)]
    running: dict[int, knowledge.Drawn] = {}
    while any(not t.state.is_finished() for t in trials):
        able = [n for n in range(count) if trials[n].state == TrialState.WAITING and knowledge.ready(trials, n, lag)]
        if able and (not running or order.random() < 0.6):
            number = order.choice(able)
            running[number] = knowledge.draw(SPACE, trials, number, lag, study(make, number))
            trials[number] = _numbered(create_trial(state=TrialState.RUNNING), number)
        else:
            number = order.choice(list(running))
            drawn = running.pop(number)
            distributions = {p.name: p.distribution() for p in SPACE.parameters if p.name in drawn.params}
            trials[number] = _numbered(
                create_trial(
                    value=score(drawn.params),
                    params=drawn.params,
                    distributions=distributions,
                    system_attrs=drawn.attributes,
                ),
                number,
            )
    return [t.params for t in trials]


def _numbered(trial: FrozenTrial, number: int) -> FrozenTrial:
    trial.number = number
    return trial


@pytest.mark.parametrize("make", [sampling.tpe, sampling.random, sampling.cmaes, sampling.nsga2])
def test_points_do_not_depend_on_the_order_of_events(make: Any) -> None:
    first = played(make, 3, 24, random.Random(1))
    assert first == played(make, 3, 24, random.Random(2))
    assert len({p["x"] for p in first}) > 15


def test_tpe_learns_from_what_it_may_know() -> None:
    found = played(sampling.tpe, 3, 40, random.Random(1))
    late, early = ([abs(p["x"] - 2) for p in part] for part in (found[25:], found[:10]))
    assert statistics.median(late) < 0.5 * statistics.median(early)


def test_cma_es_learns_although_its_state_is_in_the_trials() -> None:
    found = played(sampling.cmaes, 2, 60, random.Random(1))
    late, early = ([abs(p["x"] - 2) for p in part] for part in (found[45:], found[:10]))
    assert statistics.median(late) < 0.5 * statistics.median(early)


def test_random_is_optunas_random_with_the_trials_own_seed() -> None:
    reference = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=knowledge.seed_of(3, 5))).ask()
    expected = reference.suggest_float("x", -5, 5), reference.suggest_int("n", 1, 9)
    empty = [create_trial(state=TrialState.FAIL) for _ in range(5)]
    for number, trial in enumerate(empty):
        trial.number = number
    drawn = knowledge.draw(SPACE, empty, 5, 1, study(sampling.random, 5)).params
    assert (drawn["x"], drawn["n"]) == expected


def test_conditions_hold_in_what_is_drawn() -> None:
    for params in played(sampling.tpe, 4, 30, random.Random(4)):
        assert ("y" in params) == (params["kind"] == "bad")


def test_the_grid_is_gone_through_in_order() -> None:
    plain = space.parse({"a": "choice(1,2)", "b": "range(3)"})
    for number, point in enumerate(plain.grid()):
        assert knowledge.draw(plain, [], number, 1, study(sampling.grid, number)).params == point


def test_a_trial_waits_for_those_that_it_must_know_and_no_others() -> None:
    done, running = create_trial(state=TrialState.FAIL), create_trial(state=TrialState.RUNNING)
    assert knowledge.ready([done, running, running], 3, 3) and not knowledge.ready([running, done, done], 3, 3)
    assert knowledge.ready([running] * 3, 2, 3) and knowledge.ready([running] * 3, 3, None)


def curve(number: int, values: list[float], state: TrialState = TrialState.COMPLETE) -> FrozenTrial:
    steps = dict(enumerate(values, 1))
    value = values[-1] if state == TrialState.COMPLETE else None
    return _numbered(create_trial(state=state, value=value, intermediate_values=steps), number)


def test_median_pruning_is_that_of_the_trials_that_may_be_known() -> None:
    others = [curve(n, [v, v + 1]) for n, v in enumerate([1.0, 2.0, 3.0, 4.0, 100.0, 100.0])]
    for value in (0.0, 1.5, 2.4, 2.6, 5.0):
        now = curve(6, [value, value], TrialState.RUNNING)
        blank = optuna.create_study(direction="maximize", pruner=sampling.median(startup=4, warmup=1))
        verdict, _ = knowledge.should_stop([*others, now], now, 3, blank)
        known = [v + 1 for v in (1.0, 2.0, 3.0, 4.0)]  # trials 0 to 3; not 4 and 5, which are after the lag
        assert verdict == (value < statistics.median(known)), value


def test_hyperband_puts_a_trial_into_the_same_bracket_whatever_is_known() -> None:
    pruner = sampling.hyperband(max_epochs=9)
    for number in range(12):
        trials = [curve(n, [float(n)] * 9) for n in range(12)]
        trials[number] = curve(number, [0.0], TrialState.RUNNING)
        blank = optuna.create_study(study_name="s", direction="maximize", pruner=pruner)
        _, attributes = knowledge.should_stop(trials, trials[number], 3, blank)
        direct = optuna.create_study(study_name="s", direction="maximize")
        direct.add_trials(trials)
        plain = optuna.pruners.HyperbandPruner(min_resource=1, max_resource=9, reduction_factor=3)
        plain._try_initialization(direct)
        rung_zero = plain._get_bracket_id(direct, direct.trials[number]) == 0  # the only bracket with a rung at 1
        assert ("completed_rung_0" in attributes) == rung_zero
