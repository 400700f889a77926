"""The page of a comparison, looked at in a real browser: it sorts, filters, and needs nothing from outside."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "reports"))

from browser import chromium, complaints

from armature.cli import main

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def page(make_run: Callable[..., Path], tmp_path: Path) -> Path:
    """Compared through the command line: two systems of three seeds, and one lone run."""
    noises = {"good": 2.0, "middling": 4.0}
    runs = [
        make_run(f"{name}/{seed}", noise, seed, config={"name": name, "noise": noise})
        for name, noise in noises.items()
        for seed in (1, 2, 3)
    ]
    runs.append(make_run("bad/1", 8.0, 1, config={"name": "bad", "noise": 8.0}))
    assert main(["compare", *map(str, runs), f"output={tmp_path / 'out'}", "resamples=100"]) == 0
    return tmp_path / "out" / "comparison.html"


def names(driver: Any, table: str) -> list[str]:
    cells = driver.find_elements("css selector", f"#{table} tbody tr td:first-child")
    return [cell.text for cell in cells if cell.is_displayed()]


def test_it_sorts_filters_and_asks_nothing_of_the_network(page: Path, tmp_path: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"(src|href)=\"(?!data:)", text) and "http://" not in text.replace("http://www.w3.org", "")
    with chromium(tmp_path / "profile") as driver:
        driver.get(page.as_uri())
        assert names(driver, "ranking-table") == ["good", "middling", "bad"]
        heads = driver.find_elements("css selector", "#ranking-table th.sort")
        error = next(head for head in heads if head.text.startswith("mean error"))
        error.click()
        assert names(driver, "ranking-table") == ["bad", "middling", "good"]
        assert error.get_attribute("aria-sort") == "descending"
        error.click()
        assert names(driver, "ranking-table") == ["good", "middling", "bad"]
        box = driver.find_element("css selector", "input[data-filter=slice-table]")
        box.send_keys("crowding")
        shown = names(driver, "slice-table")
        assert shown and all(name.startswith("crowding") for name in shown)
        assert complaints(driver) == []


def test_nothing_is_wider_than_the_window_and_every_part_is_there(page: Path, tmp_path: Path) -> None:
    with chromium(tmp_path / "profile") as driver:
        for width in (1280, 480):
            driver.set_window_size(width, 1600)
            driver.get(page.as_uri())
            wide = driver.execute_script("return document.documentElement.scrollWidth - window.innerWidth")
            assert wide <= 0, f"{wide} px too wide at {width}"
        parts = [section.get_attribute("id") for section in driver.find_elements("css selector", "section")]
        assert {"ranking", "matrix", "curves", "errors", "slices", "calibration", "differences", "runs"} <= {*parts}
        figures = driver.find_elements("css selector", "svg")
        assert figures and all(f.size["height"] > 0 for f in figures)
        verdict = driver.find_element("css selector", ".said").text
        assert verdict.startswith("good leads with AP")
