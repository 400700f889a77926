"""Flat metrics, sorted."""

from __future__ import annotations

import math

import pytest

from armature.reports import scores as s

METRICS = {
    "val/AP": 0.5,
    "val/APm": -1,
    "val/PCK@0.2": 0.9,
    "val/PCK@0.2/nose": 0.8,
    "val/PCK@0.2/tail": 0.4,
    "val/error/mean": 3.0,
    "val/error/mean/nose": 2.0,
    "test/AP": 0.1,
}


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -1, -1.0, "", "text", True, [], float("-inf")])
def test_nothing_measured_is_none(value: object) -> None:
    assert s.number(value) is None


def test_numbers_and_their_text_are_numbers() -> None:
    assert s.number("0.25") == 0.25
    assert s.number(0) == 0.0
    assert s.number(-0.5) == -0.5


def test_one_split_is_taken_without_its_prefix() -> None:
    values = s.of_split(METRICS)
    assert values["AP"] == 0.5
    assert values["APm"] is None
    assert "test/AP" not in values
    assert s.of_split(METRICS, "test") == {"AP": 0.1}
    assert s.of_split({"AP": 0.3}) == {"AP": 0.3}


@pytest.mark.parametrize(
    ("name", "apart"),
    [
        ("AP", ("AP", None)),
        ("AP/left_wrist", ("AP", "left_wrist")),
        ("PCK@0.2/nose", ("PCK@0.2", "nose")),
        ("error/mean", ("error/mean", None)),
        ("error/mean/nose", ("error/mean", "nose")),
        ("error/nose", ("error", "nose")),
        ("PCK@0.2/arm/left", ("PCK@0.2", "arm/left")),
    ],
)
def test_metric_names_come_apart(name: str, apart: tuple[str, str | None]) -> None:
    assert s.parts(name) == apart


def test_keypoints_are_ranked_best_first_by_score_and_by_error() -> None:
    tables = s.by_keypoint(s.of_split(METRICS))
    assert s.ranking(tables) == "PCK@0.2"
    assert [k for k, _ in s.ranked("PCK@0.2", tables["PCK@0.2"])] == ["nose", "tail"]
    assert [k for k, _ in s.ranked("error/mean", {"a": 3.0, "b": 1.0, "c": None})] == ["b", "a"]


def test_the_middle_pck_ranks() -> None:
    tables = {f"PCK@{r}": {"a": 0.5} for r in (0.2, 0.05, 0.1)}
    assert s.ranking(tables) == "PCK@0.1"
    assert s.ranking({}) is None


def test_numbers_are_shown_with_places_and_units() -> None:
    assert s.shown("AP", 0.51234) == "0.512"
    assert s.shown("error/mean", 3.456) == "3.46 px"
    assert s.shown("APm", None) == s.MISSING
    assert s.shown("images", 1200.0) == "1,200"
    assert s.shown("AP", 1.0) == "1.000"


def test_time_is_shared_out() -> None:
    assert s.shares({"data": 1.0, "network": 3.0, "total": 4.0, "decode": None}) == [
        ("data", 1.0, 0.25),
        ("network", 3.0, 0.75),
    ]
    assert s.shares({"data": 0.0}) == [("data", 0.0, 0.0)]


@pytest.mark.parametrize(
    ("span", "text"),
    [(0.84, "0.8 s"), (9.99, "10.0 s"), (59.7, "1 min 00 s"), (185, "3 min 05 s"), (7800, "2 h 10 min")],
)
def test_spans_are_spoken(span: float, text: str) -> None:
    assert s.seconds(span) == text
