"""Histories as charts."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

from armature.reports import curves, svg

CSV = """epoch,step,lr,train/total,train/center,val/AP,val/PCK@0.2,val/PCK@0.2/nose,val/error/mean,throughput/data_wait
0,10,0.001,100.0,1.0,,,,,0.1
1,20,0.0005,10.0,0.5,0.2,0.3,0.1,9.5,nan
2,30,0.0001,2.0,0.25,-1,0.5,0.2,7.5,0.05
"""


@pytest.fixture
def history(tmp_path: Path) -> curves.History:
    (tmp_path / "history.csv").write_text(CSV)
    return curves.read_history(tmp_path / "history.csv")


def test_cells_without_a_number_are_none(history: curves.History) -> None:
    assert history["val/AP"] == [None, 0.2, None]
    assert history["throughput/data_wait"] == [0.1, None, 0.05]


def test_charts_group_the_columns(history: curves.History) -> None:
    found = {c.title: c for c in curves.charts(history)}
    assert list(found["Training loss"].lines) == ["total", "center"]
    assert found["Training loss"].log
    assert list(found["PCK"].lines) == ["PCK@0.2"], "single keypoints are not lines"
    assert list(found["Keypoint error"].lines) == ["mean"]
    assert found["OKS average precision"].bounds == (0.0, 1.0)
    assert "Throughput" not in found
    assert "Data wait" in found


@pytest.mark.parametrize("text", ["", "epoch,step\n", "epoch,val/AP\n0,nan\n"])
def test_a_history_without_numbers_has_no_charts(tmp_path: Path, text: str) -> None:
    (tmp_path / "history.csv").write_text(text)
    history = curves.read_history(tmp_path / "history.csv")
    assert curves.charts(history) == []
    assert curves.save_png(history, tmp_path / "curves.png") is None


def test_an_svg_line_goes_through_its_values() -> None:
    chart = curves.Chart("t", "", [0, 1, 2], {"a": [0.0, None, 1.0]}, "a", (0.0, 1.0))
    path = re.search(r'd="M([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)"', svg.line_chart(chart))
    assert path is not None
    x0, y0, x1, y1 = map(float, path.groups())
    assert (x0, y0, x1, y1) == (svg._LEFT, svg._HEIGHT - svg._BOTTOM, svg._WIDTH - svg._RIGHT, svg._TOP)


def test_one_epoch_is_a_dot() -> None:
    assert "<circle" in svg.line_chart(curves.Chart("t", "", [3], {"a": [0.5]}, "a"))


def test_hostile_names_are_escaped_in_charts() -> None:
    drawn = svg.line_chart(curves.Chart('"><script>', "", [0, 1], {"<b>": [1.0, 2.0]}))
    assert "<script>" not in drawn
    assert "<b>" not in drawn


def test_ticks_are_round() -> None:
    assert svg.ticks(0, 1, 5) == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert svg.ticks(3, 17) == [5.0, 10.0, 15.0]
    assert svg.ticks(2, 2) == [2]
    assert svg.log_ticks(0.1, 1000) == [0.1, 1.0, 10.0, 100.0, 1000.0]
    assert svg.log_ticks(0.8, 9) == [1.0, 2.0, 5.0]


def test_a_histogram_counts_every_value() -> None:
    counts = [int(n) for n in re.findall(r": (\d+)</title>", svg.histogram([0.0, 0.01, 0.5, 1.0, 1.2]))]
    assert sum(counts) == 5
    assert counts[0] == 2
    assert counts[-1] == 2


def test_the_png_is_a_picture(history: curves.History, tmp_path: Path) -> None:
    path = curves.save_png(history, tmp_path / "pictures" / "curves.png")
    assert path is not None
    assert path.read_bytes().startswith(b"\x89PNG")


def test_constant_lines_have_an_axis() -> None:
    for value in (0.0, 5.0, -3.0, 1e-8):
        drawn = svg.line_chart(curves.Chart("t", "", [0, 1], {"a": [value, value]}, "a"))
        assert "nan" not in drawn
        assert math.isfinite(value)
