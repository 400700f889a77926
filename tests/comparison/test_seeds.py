from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from armature.comparison.contenders import gather
from armature.comparison.seeds import differences, flat, grouped
from armature.errors import UserError


def test_runs_that_differ_in_their_seed_are_one_group(make_run: Callable[..., Path]) -> None:
    small, large = ({"name": "sweep", "model": {"width": width}} for width in (32, 64))
    runs = [
        make_run(f"a/{seed}", seed=seed, config=small, overrides=["model.width=32", f"seed={seed}"]) for seed in (1, 2)
    ]
    runs.append(make_run("b/1", config=large, overrides=["model.width=64"]))
    first, second = grouped(gather([str(run) for run in runs]))
    assert (first.n, first.seeds, second.n) == (2, (1, 2), 1)
    assert (first.name, second.name) == ("model.width=32", "model.width=64")
    assert (first.differences, second.differences) == ({"model.width": 32}, {"model.width": 64})


def test_an_architecture_is_a_name_of_its_own_and_given_names_win(make_run: Callable[..., Path]) -> None:
    a = make_run(
        "a/1", config={"name": "c", "x": 1}, overrides=["architecture=openpose_tiny", "experiment=compare_synthetic"]
    )
    b = make_run("b/1", config={"name": "c", "x": 2}, overrides=["architecture=posted_tiny"])
    c = make_run("c/1", config={"name": "c", "x": 3}, overrides=["architecture=yolo_pose_tiny"])
    assert [g.name for g in grouped(gather([str(a), f"mine:{b}", str(c)]))] == [
        "openpose_tiny",
        "mine",
        "yolo_pose_tiny",
    ]


def test_the_same_seed_twice_is_no_second_draw(make_run: Callable[..., Path]) -> None:
    runs = gather([str(make_run("a/1", seed=1)), str(make_run("a/2", seed=1))])
    with pytest.raises(UserError, match="seed 1 twice"):
        grouped(runs)


def test_differences_of_configs() -> None:
    configs = [flat({"a": 1, "b": {"c": [1, 2], "d": {}}}), flat({"a": 1, "b": {"c": [1, 3]}}), {}]
    assert differences(configs) == [{"b.c": [1, 2], "b.d": {}}, {"b.c": [1, 3], "b.d": "not there"}, {}]


def test_experiments_of_other_names_need_no_more(make_run: Callable[..., Path]) -> None:
    runs = [
        make_run(f"{name}/1", config={"name": name, "x": name}, overrides=["trainer.max_epochs=3"]) for name in "ab"
    ]
    assert [g.name for g in grouped(gather([str(run) for run in runs]))] == ["a", "b"]


def test_names_that_stay_alike_take_the_path(make_run: Callable[..., Path]) -> None:
    runs = [make_run(f"{name}/1", config={"name": "c", "x": name}) for name in "ab"]
    assert [g.name for g in grouped(gather([str(run) for run in runs]))] == ["a/1", "b/1"]
