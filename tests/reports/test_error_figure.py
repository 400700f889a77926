"""The figure of errors: its bars are as long as the numbers say, and it is drawn from files alone."""

from __future__ import annotations

import json
import math
import re
from xml.etree import ElementTree

import pytest
from markupsafe import Markup

from armature.evaluation import taxonomy, taxonomy_impact
from armature.reports import error_figure as e

SHARES = {"jitter": 0.2, "inversion": 0.05, "swap": 0.1, "miss": 0.15}
ALONE = dict(zip(e.FIXES, (0.1, 0.02, -0.03, 0.04, 0.0, 0.05, 0.06, 0.01), strict=True))
IN_TURN = dict(zip(e.FIXES, (0.1, 0.02, 0.03, 0.05, 0.0, 0.1, 0.08, 0.02), strict=True))


def metrics(names: tuple[str, ...] = ("nose", "left_ear"), split: str = "val/") -> dict[str, float]:
    """Flat metrics; the n-th keypoint has shares n times smaller than all together."""
    numbers = {f"errors/{kind}": value for kind, value in SHARES.items()}
    for i, name in enumerate(names):
        numbers |= {f"errors/{kind}/{name}": value / (i + 2) for kind, value in SHARES.items()}
    numbers |= {f"errors/AP_gain/{fix}": value for fix, value in ALONE.items()}
    numbers |= {f"errors/AP_gain_in_turn/{fix}": value for fix, value in IN_TURN.items()}
    numbers |= {"errors/good": 0.5, "errors/false_negative": 0.25, "errors/background": 0.5}
    return {split + name: value for name, value in numbers.items()} | {f"{split}AP": 0.6}


def figures(markup: Markup) -> list[ElementTree.Element]:
    """Its <figure> elements; fails where it is not well-formed."""
    return list(ElementTree.fromstring(f"<div>{markup}</div>").iter("figure"))


def bars(figure: ElementTree.Element) -> dict[str, tuple[float, float]]:
    """(left, width) of each bar by its title."""
    return {
        rect.findtext("title", ""): (float(rect.get("x", "")), float(rect.get("width", "")))
        for rect in figure.iter("rect")
    }


def texts(figure: ElementTree.Element) -> list[str]:
    return [text.text or "" for text in figure.iter("text")]


def test_names_are_those_of_the_evaluation() -> None:
    assert set(e.KINDS) == set(taxonomy.KINDS) - {"good"}
    assert tuple(e.FIXES) == taxonomy_impact.FIXES
    assert set(e.COLOURS) == set(e.FIXES) and len(set(e.COLOURS.values())) == len(e.COLOURS)


def test_shares_are_stacked_end_to_end_on_one_scale() -> None:
    found = bars(figures(e.error_figure(metrics()))[0])
    assert len(found) == 3 * 4
    scale = found["all: jitter 20.0 %"][1] / 0.2
    for row, factor in (("all", 1.0), ("nose", 0.5), ("left_ear", 1 / 3)):
        place = found["all: jitter 20.0 %"][0]
        for kind in e.KINDS:
            share = SHARES[kind] * factor
            left, width = found[f"{row}: {e.FIXES[kind]} {100 * share:.1f} %"]
            assert width == pytest.approx(share * scale, abs=0.02)
            assert left == pytest.approx(place, abs=0.02)
            place += width


def test_sums_and_keypoints_are_written_out() -> None:
    written = texts(figures(e.error_figure(metrics()))[0])
    assert {"all", "nose", "left_ear", "50.0 %", "25.0 %", "16.7 %"} <= set(written)


def test_gains_start_at_ap_alone_and_go_on_in_turn() -> None:
    figure = figures(e.error_figure(metrics()))[1]
    found = bars(figure)
    start = found["misses fixed alone: AP 0.700"][0]
    scale = found["misses fixed alone: AP 0.700"][1] / 0.1
    place, value = start, 0.6
    for fix, name in e.FIXES.items():
        left, width = found[f"{name} fixed alone: AP {0.6 + ALONE[fix]:.3f}"]
        assert left == pytest.approx(start + min(ALONE[fix], 0) * scale, abs=0.05)
        assert width == pytest.approx(max(abs(ALONE[fix]) * scale, 0.8), abs=0.05)
        value += IN_TURN[fix]
        left, width = found[f"{name} fixed as well: AP {value:.3f}"]
        assert left == pytest.approx(place, abs=0.05)
        place += IN_TURN[fix] * scale
    assert value == pytest.approx(1.0)
    assert {"AP 0.600", "+0.100", "-0.030", "0.000", "alone", "in turn"} <= set(texts(figure))


def test_bars_stay_inside_the_picture() -> None:
    everything = figures(e.error_figure(metrics()) + e.error_figure_of_runs({"a": metrics(), "b" * 60: metrics()}))
    assert len(everything) == 4
    for figure in everything:
        width = float(next(figure.iter("svg")).get("viewBox", "").split()[2])
        for title, (left, wide) in bars(figure).items():
            assert left >= 0 and left + wide <= width, title


def test_it_is_drawn_from_a_file_with_and_without_a_split() -> None:
    read = json.loads(json.dumps(metrics()))
    assert e.error_figure(read) == e.error_figure(metrics(split="")) != ""
    assert e.error_figure(read, "test") == ""


def test_the_other_shares_are_said_in_words() -> None:
    words = e.error_figure(metrics()).rpartition('<p class="note">')[2]
    assert "25.0 % of the people were not found" in words and "50.0 % of the predictions show nobody" in words
    assert "already found" not in words


def test_nothing_measured_draws_nothing() -> None:
    unmeasured = dict.fromkeys(metrics(), math.nan)
    for numbers in ({}, {"val/AP": 0.5}, unmeasured, dict.fromkeys(metrics(), None)):
        assert e.error_figure(numbers) == e.error_figure_of_runs({"a": numbers}) == ""


def test_half_of_it_is_drawn_where_half_was_measured() -> None:
    shares = {k: v for k, v in metrics().items() if "gain" not in k}
    gains = {k: v for k, v in metrics().items() if "gain" in k}
    assert [texts(f)[:1] for f in figures(e.error_figure(shares))] == [["0 %"]]
    assert len(figures(e.error_figure(gains))) == 1 and "<p" not in e.error_figure(gains)
    unmeasured = metrics() | {"val/errors/miss/nose": None}
    assert "left_ear" in texts(figures(e.error_figure(unmeasured))[0])
    assert "nose" not in texts(figures(e.error_figure(unmeasured))[0])


def test_keypoints_can_be_chosen_and_ordered() -> None:
    written = texts(figures(e.error_figure(metrics(), keypoints=["left_ear", "nose", "unknown"]))[0])
    assert [text for text in written if re.match("[a-z]", text)] == ["all", "left_ear", "nose"]


def test_of_many_keypoints_the_worst_are_shown() -> None:
    names = tuple(f"point_{i}" for i in range(68))
    figure = figures(e.error_figure(metrics(names)))[0]
    shown = [text for text in texts(figure) if text.startswith("point")]
    assert shown == [f"point_{i}" for i in range(30)]
    assert "the worst 30 of 68" in ElementTree.tostring(figure, "unicode")


def test_runs_stand_below_each_other_from_ap_to_one() -> None:
    shares, lost = figures(e.error_figure_of_runs({"first": metrics(), "second": metrics(split="")}))
    assert {"first", "second", "50.0 %"} <= set(texts(shares))
    found = bars(lost)
    left, width = found["first: AP 0.600"]
    for fix, name in e.FIXES.items():
        if IN_TURN[fix]:
            place, wide = found[f"second: {name} {IN_TURN[fix]:+.3f}"]
            assert place == pytest.approx(left + width, abs=0.05)
            width += wide
    assert width == pytest.approx(bars(lost)["first: AP 0.600"][1] / 0.6, abs=0.1)


def test_names_are_escaped_and_long_ones_lose_their_middle() -> None:
    figure = figures(e.error_figure_of_runs({"<b>&": metrics(), "centernet_tiny_synthetic_seed_1": metrics()}))[0]
    assert "<b>&" in texts(figure) and "centernet_ti…etic_seed_1" in texts(figure)
