from __future__ import annotations

import json
from typing import Any

import pytest

from armature.comparison import text
from armature.errors import UserError
from armature.reports.comparison_words import headline, signed, spoken


def number(value: float | None, half: float = 0.01) -> dict[str, Any]:
    known = value is not None
    return {
        "estimate": value,
        "low": value - half if known else None,
        "high": value + half if known else None,
        "sd": None,
    }


def system(name: str, ap: float | None, error: float) -> dict[str, Any]:
    return {"name": name, "n": 3, "numbers": {"AP": number(ap), "error/mean": number(error, 0.1)}}


@pytest.fixture
def found() -> dict[str, Any]:
    systems = [system("a_1", 0.6, 2.0), system("b|2", 0.5, 3.0), system("c", None, 4.0)]
    systems[1]["against_best"] = "worse"
    pair = {"a": "a_1", "b": "b|2", "metric": "AP", "difference": 0.1, "low": 0.05, "high": 0.15, "p_corrected": 0.001}
    return {
        "metric": "AP",
        "metrics": ["error/mean"],
        "level": 0.95,
        "systems": systems,
        "comparisons": [pair | {"verdict": "better"}],
        "remarks": ["One thing."],
        "test_note": "How.",
    }


def test_markdown_has_intervals_verdicts_and_the_remarks(found: dict[str, Any]) -> None:
    said = text.as_text(found, "markdown")
    assert "| a_1 | 3 | 0.600 (0.590 to 0.610) | 2.00 px (1.90 to 2.10) |  |" in said
    assert "| b\\|2 | 3 | 0.500 (0.490 to 0.510) | 3.00 px (2.90 to 3.10) | worse |" in said
    assert "| a_1 against b\\|2 | +0.100 | +0.050 to +0.150 | 0.001 | better |" in said
    assert "One thing." in said and "How." in said
    widths = {line.replace("\\|", "").count("|") for line in said.splitlines()[:4]}
    assert len(widths) == 1


def test_latex_is_booktabs_with_the_best_in_bold(found: dict[str, Any]) -> None:
    said = text.as_text(found, "latex")
    assert said.startswith("\\begin{tabular}{lrrr}\n\\toprule")
    assert r"a\_1 & 3 & \textbf{0.600} {\scriptsize[0.590, 0.610]} & \textbf{2.00} {\scriptsize[1.90, 2.10]} \\" in said
    assert r"c & 3 & -- & 4.00" in said


def test_json_is_the_document(found: dict[str, Any]) -> None:
    assert json.loads(text.as_text(found, "json")) == found


def test_the_terminal_fits_eighty_columns(
    found: dict[str, Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text.show(found)
    said = capsys.readouterr().out
    assert "0.600 0.590–0.610" in said and "worse" in said and "…" not in said  # noqa: RUF001
    assert all(len(line) <= 80 for line in said.splitlines()[:6])


def test_an_unknown_form_is_refused(found: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="format=word is unknown; known: table, markdown, latex, json"):
        text.as_text(found, "word")


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        ("better", "a_1 leads with AP 0.600 and is better than b|2, at 95% confidence, corrected for 1 comparison."),
        ("not distinguishable", "a_1 leads with AP 0.600, but is not distinguishable from b|2, at 95% confidence, c"),
    ],
)
def test_the_headline_claims_no_more_than_the_verdicts(found: dict[str, Any], verdict: str, said: str) -> None:
    two = found | {"systems": found["systems"][:2], "comparisons": [found["comparisons"][0] | {"verdict": verdict}]}
    assert headline(two).startswith(said)


def test_words() -> None:
    assert spoken("error/mean/left_ear") == "mean error left_ear"
    assert signed("error/mean", -0.5) == "−0.50 px" and signed("AP", 0.01) == "+0.010"  # noqa: RUF001
