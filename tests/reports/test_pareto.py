"""Accuracy against cost: the front by its definition, and a chart that shows what it was given."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from armature.reports import pareto


def systems(*rows: tuple[float, float]) -> list[dict[str, Any]]:
    return [{"name": f"s{i}", "cost": cost, "accuracy": accuracy} for i, (cost, accuracy) in enumerate(rows)]


def dominated(one: dict[str, Any], by: dict[str, Any]) -> bool:
    no_worse = by["cost"] <= one["cost"] and by["accuracy"] >= one["accuracy"]
    return no_worse and (by["cost"] < one["cost"] or by["accuracy"] > one["accuracy"])


@pytest.mark.parametrize("seed", range(20))
def test_the_front_is_everybody_whom_nobody_dominates(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = systems(*[(float(c), float(a)) for c, a in rng.integers(1, 8, (12, 2))])  # with ties
    expected = {i for i, one in enumerate(rows) if not any(dominated(one, other) for other in rows)}
    found = pareto.front(rows)
    assert set(found) == expected
    assert [rows[i]["cost"] for i in found] == sorted(rows[i]["cost"] for i in found)


def parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


def dots(root: ElementTree.Element) -> dict[str, ElementTree.Element]:
    return {str(d.findtext("title")).split(":")[0]: d for d in root.iter("circle")}


def test_dots_lie_by_the_logarithm_of_the_cost_and_by_accuracy_and_only_the_front_is_full() -> None:
    root = parsed(pareto.scatter(systems((1e6, 0.3), (1e7, 0.5), (1e8, 0.4), (1e9, 0.7)), "MACs"))
    found = dots(root)
    x = {name: float(d.attrib["cx"]) for name, d in found.items()}
    y = {name: float(d.attrib["cy"]) for name, d in found.items()}
    assert x["s1"] - x["s0"] == pytest.approx(x["s2"] - x["s1"], abs=0.2) == pytest.approx(x["s3"] - x["s2"], abs=0.2)
    assert y["s0"] - y["s1"] == pytest.approx(y["s2"] - y["s3"] - (y["s2"] - y["s1"]) * 1.0, abs=0.2)
    assert {name for name, d in found.items() if "style" not in d.attrib} == {"s0", "s1", "s3"}
    stairs = next(p for p in root.iter("path") if p.attrib.get("class") == "axis").attrib["d"]
    drawn = {tuple(map(float, step.replace("L", " ").split())) for step in stairs.split("M")[1:]}
    assert drawn == {
        (x["s0"], y["s0"], x["s1"], y["s0"]),
        (x["s1"], y["s0"], x["s1"], y["s1"]),
        (x["s1"], y["s1"], x["s3"], y["s1"]),
        (x["s3"], y["s1"], x["s3"], y["s3"]),
        (x["s3"], y["s3"], 446.0, y["s3"]),  # whoever pays more can have it as well
    }


def test_whiskers_reach_from_end_to_end_and_stay_inside() -> None:
    rows = systems((10, 0.5), (20, 0.6))
    rows[0] |= {"low": 0.2, "high": 0.9, "cost_low": 5.0, "cost_high": 40.0}
    rows[1] |= {"low": None, "high": 0.7}
    root = parsed(pareto.scatter(rows, "latency, ms"))
    lines = [p.attrib["d"] for p in root.iter("path") if "line" in p.attrib["class"]]
    assert len(lines) == 2
    for line in lines:
        numbers = [float(n) for n in re.findall(r"[\d.]+", line)]
        assert all(0 <= n <= limit for n, limit in zip(numbers, (460, 300, 460, 300), strict=True))
    assert "0.5 (0.2 to 0.9)" in str(dots(root)["s0"].findtext("title"))


def test_labels_do_not_lie_on_each_other() -> None:
    rng = np.random.default_rng(0)
    rows = [
        {"name": f"architecture_{i}", "cost": float(10 ** rng.uniform(6, 8)), "accuracy": float(rng.uniform(0.4, 0.7))}
        for i in range(12)
    ]
    boxes = []
    for text in parsed(pareto.scatter(rows, "MACs")).iter("text"):
        if text.text and text.text.startswith("architecture"):
            wide, x, y = len(text.text) * 5.5, float(text.attrib["x"]), float(text.attrib["y"])
            left = {"start": x, "end": x - wide, "middle": x - wide / 2}[text.attrib["text-anchor"]]
            boxes.append((left, y - 9, left + wide, y + 2))
    assert len(boxes) == 12
    overlaps = sum(
        a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3] for i, a in enumerate(boxes) for b in boxes[:i]
    )
    assert overlaps == 0
    assert min(b[0] for b in boxes) >= 0 and max(b[2] for b in boxes) <= 465


def test_who_has_no_number_is_named_and_not_drawn() -> None:
    rows = [*systems((10, 0.5)), {"name": "none", "cost": None, "accuracy": 0.5}]
    rows += [{"name": "nan", "cost": 5.0, "accuracy": float("nan")}, {"name": "free", "cost": 0, "accuracy": 0.4}]
    html = pareto.scatter(rows, "MACs")
    assert html.count("<circle") == 1 and "without a place here: none, nan, free" in html
    assert "no system has both" in pareto.scatter(rows[1:], "MACs")


def test_of_errors_the_small_ones_make_the_front() -> None:
    root = parsed(pareto.scatter(systems((10, 5.0), (20, 3.0), (30, 4.0)), "MACs", "error, px", higher_is_better=False))
    assert {name for name, d in dots(root).items() if "style" not in d.attrib} == {"s0", "s1"}


def test_names_are_text_and_never_markup() -> None:
    html = pareto.scatter([{"name": "<script>x", "cost": 1.0, "accuracy": 0.5}], "<b>", "<i>")
    assert "<script>" not in html and "<b>" not in html and "<i>" not in html
    parsed(html)
