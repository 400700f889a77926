"""A real browser without a screen, for tests that look at pages."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

#: Chromium asks nobody outside this machine.
_QUIET = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
]


@contextmanager
def chromium(profile: Path, width: int = 1280, height: int = 1600) -> Iterator[Any]:
    """A Selenium driver; the test is skipped where browser or driver are missing (CI installs both)."""
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not browser or not driver:
        pytest.skip("needs chromium and chromedriver: apt-get install chromium chromium-driver")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for word in (*_QUIET, f"--user-data-dir={profile}", f"--window-size={width},{height}"):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    opened = webdriver.Chrome(options, webdriver.ChromeService(driver))
    try:
        yield opened
    finally:
        opened.quit()


def complaints(driver: Any) -> list[str]:
    """What the page's console said: refused scripts, errors, requests that a page without a network may not make."""
    return [entry["message"] for entry in driver.get_log("browser") if "favicon" not in entry["message"]]
