"""What suites have left beside runs comes into the comparison, with what keeps rows from being compared."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from armature.comparison import document, judging, seeds
from armature.comparison.contenders import gather
from armature.errors import DataError
from armature.reports import comparison_page


def _examined(run: Path, suite: str, moved: float, pictures: int = 50) -> None:
    interval = {"estimate": moved, "low": moved - 0.1, "high": moved + 0.1}
    card = {"pictures": pictures, "canvas": [64, 64], "settings": {"seed": 0}, "fingerprint": "f"}
    said = {"suite": suite, "numbers": {"moved": interval}, "units": {"moved": "px"}, "protocol": card}
    (run / "suites").mkdir(exist_ok=True)
    (run / "suites" / f"{suite}.json").write_text(json.dumps(said))


def _compared(runs: list[Path]) -> dict[str, Any]:
    groups = seeds.grouped(gather([str(run) for run in runs]))
    members = [m for g in groups for m in g.members]
    rule = judging.rules(members)
    judged = {m.name: judging.judge(m, rule) for m in members}
    return document.compose(groups, judged, document.Settings("AP", ("AP75",), resamples=20))


@pytest.fixture
def runs(make_run: Callable[..., Path]) -> list[Path]:
    return [make_run(f"{n}/1", 2.0 + i, i, config={"name": n, "x": n}) for i, n in enumerate(("a", "b", "c"))]


def test_a_table_holds_who_was_examined_and_names_who_was_not(runs: list[Path]) -> None:
    _examined(runs[0], "equivariance", 1.5)
    _examined(runs[1], "equivariance", 2.5)
    found = _compared(runs)
    (table,) = found["suites"]
    assert table["suite"] == "equivariance" and table["heads"] == ["moved (px)"]
    assert {row["name"]: row["cells"] for row in table["rows"]} == {
        "a": ["1.50 [1.40, 1.60]"],
        "b": ["2.50 [2.40, 2.60]"],
    }
    assert table["notes"] == ["Not examined: c; run `armature evaluate run=RUN suite=equivariance`."]
    page = comparison_page.render(found)
    assert "1.50" in page and "[2.40, 2.60]" in page and "Not examined: c" in page
    json.dumps(found, allow_nan=False)


def test_unlike_conditions_are_said(runs: list[Path]) -> None:
    for run, pictures in zip(runs, (50, 50, 20), strict=True):
        _examined(run, "equivariance", 1.0, pictures)
    (table,) = _compared(runs)["suites"]
    assert table["notes"] == ["Under unlike conditions (pictures): do not compare these rows."]


def test_runs_that_no_suite_has_seen_are_compared_as_ever(runs: list[Path]) -> None:
    assert _compared(runs)["suites"] == []


def test_a_foreign_file_is_named(runs: list[Path]) -> None:
    (runs[0] / "suites").mkdir()
    (runs[0] / "suites" / "mine.json").write_text("[]")
    with pytest.raises(DataError, match=r"mine\.json: expected what a suite leaves"):
        gather([str(runs[0])])
