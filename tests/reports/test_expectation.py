"""What a config promises against what came out."""

from __future__ import annotations

from typing import Any

import pytest

from armature.errors import ConfigError
from armature.reports import expectation

PROMISE = {"metric": "val/AP", "value": 0.589, "tolerance": 0.004, "source": "the paper, table 3"}


@pytest.mark.parametrize(
    ("metric", "found", "reached"),
    [
        ("val/AP", 0.589, True),
        ("val/AP", 0.585, True),
        ("val/AP", 0.584, False),
        ("val/AP", 0.7, True),
        ("val/error/mean", 0.593, True),
        ("val/error/mean", 0.594, False),
        ("val/error/mean", 0.1, True),
        ("val/AP", float("nan"), None),
        ("val/AR", 0.6, None),
    ],
)
def test_within_the_tolerance_or_better_is_reached(metric: str, found: float, reached: bool | None) -> None:
    result = expectation.compare(PROMISE | {"metric": metric}, {metric if metric != "val/AR" else "val/AP": found})
    assert result["reached"] is reached
    assert "the paper, table 3" in result["summary"]


@pytest.mark.parametrize(
    ("broken", "named"),
    [
        ({k: v for k, v in PROMISE.items() if k != "source"}, "source"),
        (PROMISE | {"note": 1}, "note"),
        (PROMISE | {"value": "high"}, "expected.value"),
        (PROMISE | {"tolerance": None}, "expected.tolerance"),
        (PROMISE | {"source": 3}, "expected.source"),
        (PROMISE | {"protocol": ["flip"]}, "expected.protocol"),
        ({"metric": "val/AP", "protocol": "flip test"}, "source"),
    ],
)
def test_a_promise_that_cannot_be_compared_is_refused(broken: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        expectation.check(broken)


def test_no_promise_and_a_whole_one_pass() -> None:
    expectation.check(None)
    expectation.check(PROMISE)
    expectation.check(PROMISE | {"protocol": "flip test"})


def test_how_the_source_measured_is_said() -> None:
    result = expectation.compare(PROMISE | {"protocol": "flip test, 2,346 images"}, {"val/AP": 0.5})
    assert "(the paper, table 3; flip test, 2,346 images)" in result["summary"]
    assert result["protocol"] == "flip test, 2,346 images" and result["reached"] is False
