"""A comparison of constructed runs: the right one leads, and only what is sure is called better."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from armature.comparison import document, judging, seeds
from armature.comparison.contenders import gather
from armature.errors import UserError


def compare(runs: list[Path], metric: str = "AP", metrics: tuple[str, ...] = ("AP75", "PCK@0.1", "error/mean")) -> Any:
    groups = seeds.grouped(gather([str(run) for run in runs]))
    contenders = [m for g in groups for m in g.members]
    rule = judging.rules(contenders)
    judged = {c.name: judging.judge(c, rule) for c in contenders}
    return document.compose(groups, judged, document.Settings(metric, metrics, resamples=200)), judged


@pytest.fixture
def runs(make_run: Callable[..., Path]) -> list[Path]:
    """Three seeds each of a good and of a bad system, and one seed of a third that is as good as the first."""
    noises = {"good": 2.0, "bad": 6.0}
    made = [
        make_run(f"{name}/{seed}", noise, seed, config={"noise": noise, "name": name})
        for name, noise in noises.items()
        for seed in (1, 2, 3)
    ]
    return [*made, make_run("twin/1", 2.0, 9, config={"noise": 2.0, "name": "twin", "other": 1})]


def test_the_better_system_leads_and_equals_are_not_told_apart(runs: list[Path]) -> None:
    found, _ = compare(runs)
    names = [system["name"] for system in found["systems"]]
    assert names[2] == "bad" and {*names[:2]} == {"good", "twin"}
    verdicts = {frozenset((c["a"], c["b"])): c for c in found["comparisons"]}
    assert verdicts[frozenset(("good", "twin"))]["verdict"] == "not distinguishable"
    for other in ("good", "twin"):
        one = verdicts[frozenset((other, "bad"))]
        assert (one["verdict"] == "better") == (one["a"] == other) and one["p_corrected"] < 0.05
    assert found["systems"][2]["against_best"] == "worse"
    assert found["systems"][1]["against_best"] == "not distinguishable"
    assert any("twin" in remark and "one seed" in remark for remark in found["remarks"])


def test_numbers_are_means_over_seeds_of_each_runs_own(runs: list[Path]) -> None:
    found, judged = compare(runs)
    good = next(system for system in found["systems"] if system["name"] == "good")
    own = [judged[f"good/{seed}"].verdict.numbers for seed in (1, 2, 3)]
    for name in ("AP", "AP75", "PCK@0.1", "error/mean"):
        values = [numbers[name] for numbers in own]
        assert good["numbers"][name]["estimate"] == pytest.approx(np.mean(values))
        assert good["numbers"][name]["sd"] == pytest.approx(np.std(values, ddof=1))
        assert good["numbers"][name]["low"] < np.mean(values) < good["numbers"][name]["high"]
    assert good["n"] == 3 and [m["seed"] for m in good["members"]] == [1, 2, 3]
    assert good["differences"] == {"noise": 2.0, "other": "not there"}


def test_an_error_is_ranked_from_below(runs: list[Path]) -> None:
    found, _ = compare(runs[:6], metric="error/mean", metrics=("AP",))
    assert [system["name"] for system in found["systems"]] == ["good", "bad"]
    assert found["comparisons"][0]["verdict"] == "better"


def test_it_is_json_with_null_for_what_was_not_measured(runs: list[Path]) -> None:
    found, _ = compare(runs[:4])
    assert json.loads(json.dumps(found, allow_nan=False)) is not None
    lone = next(system for system in found["systems"] if system["name"] == "bad")
    assert lone["numbers"]["AP"]["sd"] is None


def test_slices_and_curves_of_seeds_are_means(runs: list[Path]) -> None:
    found, judged = compare(runs[:6])
    row = next(row for row in found["slices"] if row["name"].startswith("crowding"))
    kind, name = row["name"].split(" ")
    own = [
        next(r["AP"] for r in judged[f"good/{seed}"].slices if (r["kind"], r["name"]) == (kind, name))
        for seed in (1, 2, 3)
    ]
    assert row["values"][0] == pytest.approx(np.mean(own))
    good = found["systems"][0]
    assert np.allclose(good["curves"]["epochs"], [[1.0, 0.1], [2.0, 0.2], [3.0, 0.3]])
    assert [x for x, _ in good["curves"]["minutes"]] == [1.0, 2.0, 3.0]


def test_the_primary_metric_comes_from_the_runs(make_run: Callable[..., Path]) -> None:
    mouse = make_run("a/1", config={"monitor": "val/error/mean"})
    groups = seeds.grouped(gather([str(mouse)]))
    assert document.primary(groups) == "error/mean"
    assert document.primary(groups, "val/AP50") == "AP50"


def test_an_unknown_metric_is_named_with_those_there_are(runs: list[Path]) -> None:
    with pytest.raises(UserError, match=r"no metric 'AP51'; there are .*AP50"):
        compare(runs[:2], metric="AP51")


def test_costs_under_unlike_conditions_are_called_so(make_run: Callable[..., Path]) -> None:
    made = [make_run(f"{n}/1", config={"name": n, "x": n}) for n in ("a", "b", "c")]
    for run, threads, latency in zip(made[:2], (1, 2), (10.0, 30.0), strict=True):
        cost = {"numbers": {"cost/latency/total": latency}, "conditions": {"threads": threads}}
        (run / "cost.json").write_text(json.dumps(cost))
    found, _ = compare(made)
    assert [p["cost"] for p in found["costs"]["latency, ms"]] and len(found["costs"]["latency, ms"]) == 2
    assert any("unlike conditions (threads)" in r for r in found["remarks"])
    assert any("No cost is known of c" in r for r in found["remarks"])
    assert not any(math.isnan(p["accuracy"]) for p in found["costs"]["latency, ms"])
