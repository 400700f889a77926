"""Search spaces: Hydra's grammar to values, and back to a command line that composes."""

from __future__ import annotations

import itertools

import optuna
import pytest

from armature import config_folders
from armature.cli import Request
from armature.configuration import compose
from armature.errors import ConfigError
from armature.sweeping import planning, space


def only(text: str, key: str = "k") -> space.Parameter:
    (parameter,) = space.parse({key: text}).parameters
    return parameter


@pytest.mark.parametrize(
    ("text", "distribution"),
    [
        ("choice(adam, 'a b', 3)", optuna.distributions.CategoricalDistribution(["adam", "a\\ b", "3"])),
        ("1,2", optuna.distributions.CategoricalDistribution(["1", "2"])),
        ("choice([1,2],[3])", optuna.distributions.CategoricalDistribution(["[1,2]", "[3]"])),
        ("interval(0.1, 2)", optuna.distributions.FloatDistribution(0.1, 2.0)),
        ("tag(log, interval(1e-4, 1e-1))", optuna.distributions.FloatDistribution(1e-4, 1e-1, log=True)),
        ("int(interval(1, 8))", optuna.distributions.IntDistribution(1, 8)),
        ("int(tag(log, interval(1, 64)))", optuna.distributions.IntDistribution(1, 64, log=True)),
        ("range(1, 10, 2)", optuna.distributions.IntDistribution(1, 9, step=2)),
        ("range(4)", optuna.distributions.IntDistribution(0, 3)),
        ("range(0.5, 2, 0.5)", optuna.distributions.FloatDistribution(0.5, 1.5, step=0.5)),
    ],
)
def test_hydras_words_in_optunas(text: str, distribution: optuna.distributions.BaseDistribution) -> None:
    assert only(text).distribution() == distribution


def test_a_glob_is_a_choice_of_the_groups_options() -> None:
    assert only("glob(adam*)", "optimizer").choices == ("adam", "adamw")


@pytest.mark.parametrize(
    ("spec", "when", "message"),
    [
        ({"k": "3"}, {}, "one value only"),
        ({"k": "interval(1, 2"}, {}, "cannot be read"),
        ({"k": "interval(2, 1)"}, {}, "lower end below"),
        ({"k": "tag(log, interval(0, 1))"}, {}, "numbers above 0"),
        ({"k": "tag(loog, interval(1, 2))"}, {}, "tag loog"),
        ({"k": "choice(a)"}, {}, "two or more"),
        ({"k": "choice(a, a)"}, {}, "two or more"),
        ({}, {}, "nothing to vary"),
        ({"k": "choice(a, b)"}, {"j=a": {"x": "choice(1, 2)"}}, "write KEY=VALUE of a choice"),
        ({"k": "choice(adam, sgd)"}, {"k=sdg": {"x": "choice(1, 2)"}}, "did you mean 'sgd'"),
        ({"k": "choice(a, b)", "x": "choice(1, 2)"}, {"k=a": {"x": "choice(1, 2)"}}, "twice"),
    ],
)
def test_a_space_that_cannot_be_is_said_so(spec: dict, when: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        space.parse(spec, when)


CONDITIONAL = space.parse(
    {"optimizer": "choice(adamw, sgd)", "seed": "range(2)"},
    {
        "optimizer=adamw": {"optimizer.lr": "choice(1, 2, 3)"},
        "optimizer=sgd": {"optimizer.lr": "choice(10, 20)", "optimizer.nesterov": "choice(true, false)"},
        "optimizer.nesterov=true": {"optimizer.momentum": "choice(0.8, 0.9)"},
    },
)


def test_a_grid_has_every_combination_once_and_conditions_hold() -> None:
    points = [" ".join(CONDITIONAL.overrides(point)) for point in CONDITIONAL.grid()]
    wanted = [f"optimizer=adamw seed={s} optimizer.lr={lr}" for s in (0, 1) for lr in (1, 2, 3)]
    for s, lr, nesterov in itertools.product((0, 1), (10, 20), ("true", "false")):
        start = f"optimizer=sgd seed={s} optimizer.lr={lr} optimizer.nesterov={nesterov}"
        wanted += [f"{start} optimizer.momentum={m}" for m in (0.8, 0.9)] if nesterov == "true" else [start]
    assert sorted(points) == sorted(wanted)


def test_the_same_key_under_two_conditions_is_two_parameters_of_the_study() -> None:
    names = [p.name for p in CONDITIONAL.parameters]
    assert "optimizer.lr (optimizer=adamw)" in names and "optimizer.lr (optimizer=sgd)" in names
    assert len(set(names)) == len(names)


def test_examples_set_every_parameter_at_least_once() -> None:
    seen = [word.split("=")[0] for overrides in CONDITIONAL.examples() for word in overrides]
    assert {p.key for p in CONDITIONAL.parameters} <= set(seen)
    assert any("optimizer.momentum=0.8" in overrides for overrides in CONDITIONAL.examples())


def test_a_grid_of_real_numbers_is_refused() -> None:
    with pytest.raises(ConfigError, match="an interval has no end of values"):
        space.parse({"k": "interval(1, 2)"}).grid()


def settled(*overrides: str) -> planning.Settings:
    return planning.settle(compose("sweep", overrides), overrides, Request("sweep"))


@pytest.mark.slow
@pytest.mark.parametrize("name", config_folders.groups()["sweep"])
def test_every_sweep_of_the_project_composes_and_so_do_its_trials(name: str) -> None:
    found = settled(f"sweep={name}")
    assert found.name == name and found.trials > 1


@pytest.mark.slow
def test_a_trial_gets_what_is_not_the_sweeps_own() -> None:
    found = settled("sweep=learning_rate", "trials=3", "trainer=debug", "train=['seed=7']", "retries=2", "+a=1")
    assert found.train == ["seed=7", "trainer=debug", "+a=1"]
    assert (found.trials, found.retries, found.max_epochs) == (3, 2, 2)
    assert found.objectives == {"val/AP": "max"}
    assert settled("sweep=learning_rate", "monitor=val/error/mean").objectives == {"val/error/mean": "min"}


@pytest.mark.long
@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["sweep=learning_rate", "runs=x"], "sweeps=FOLDER"),
        (["sweep=learning_rate", "pruner=median", "logger=wandb"], "logger=both or csv, or pruner=none"),
        (["sweep=learning_rate", "objectives={val/AP: up}"], "'max' or 'min'"),
        (["sweep=learning_rate", "objectives={cost/speed: min}"], "no cost 'cost/speed'"),
        (["sweep=learning_rate", "objectives={val/AP: max, val/AR: max}"], "pruner=none"),
        (["sweep=learning_rate", "lag=0"], "lag=0"),
        (["sweep=learning_rate", "trials=0"], "trials=0"),
        (["sweep=learning_rate", "sampler=grid"], "no end of values"),
        (["space={optimizr.lr: 'interval(0,1)'}"], "did you mean 'optimizer.lr'"),
        (["sweep=learning_rate", "trainr.max_epochs=3"], "did you mean"),
        (["sweep=lerning_rate"], "did you mean 'learning_rate'"),
        ([], "nothing to vary"),
    ],
)
def test_a_mistake_is_told_before_anything_is_made(overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        settled(*overrides)


@pytest.mark.slow
def test_a_grid_has_at_most_as_many_trials_as_points() -> None:
    assert settled("space={seed: 'choice(1,2,3)'}", "sampler=grid", "trials=50").trials == 3
