"""What suites have left beside runs comes into the comparison, with what keeps rows from being compared."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from armature.comparison import document, judging, output, seeds
from armature.comparison.contenders import gather
from armature.errors import DataError
from armature.evaluation.bootstrap import Interval
from armature.reports import comparison_page
from armature.suites.result import Curve, Result


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


def test_a_result_comes_back_from_its_json_and_its_curves_are_drawn(runs: list[Path], tmp_path: Path) -> None:
    nan = float("nan")
    ends = [Interval(0.2, 0.1, 0.3, 0.05, 20, 0.95, "BCa bootstrap"), Interval(nan, nan, nan, nan, 0, 0.95, "none")]
    curve = Curve("shift", "moved", "px", (1.0, 2.0), tuple(ends))
    before = Result("equivariance", "mine", {"moved": ends[0]}, {"moved": "px"}, [curve], {"moved": {"nose": nan}})
    said = json.loads(json.dumps(before.to_dict(), allow_nan=False))
    after = Result.from_dict(said)
    assert after.to_dict() == before.to_dict() and after.numbers == before.numbers
    (runs[0] / "suites").mkdir()
    (runs[0] / "suites" / "equivariance.json").write_text(json.dumps(said))
    groups = seeds.grouped(gather([str(run) for run in runs]))
    page = output.write(tmp_path / "out", _compared(runs), None, 0, groups)
    assert (tmp_path / "out" / "equivariance_curves.png").is_file()
    assert "equivariance over the strength of the change" in page.read_text()


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
