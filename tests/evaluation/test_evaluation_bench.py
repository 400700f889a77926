"""The speed comparison runs and compares, on a data set too small to say anything about speed."""

from __future__ import annotations

import pytest

from armature.bench import evaluation


def test_all_tools_are_shown_with_equal_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluation.main(["--images", "20", "--people", "40", "--detections", "5", "--repeat", "1"]) == 0
    shown = capsys.readouterr().out
    assert "pycocotools" in shown and "armature" in shown and "20 images, 40 people, 100 detections" in shown


def test_reading_is_timed_in_turns() -> None:
    timings = {timing.tool: timing for timing in evaluation.compare(20, 40, 5, repeat=3)}
    for tool in ("pycocotools", "armature"):
        assert len(timings[tool].results) == 3 and min(timings[tool].results) > 0


def test_different_numbers_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation.oks.Curves, "numbers", lambda self: dict.fromkeys(evaluation.oks.NUMBERS, 0.5))
    assert evaluation.main(["--images", "20", "--people", "40", "--detections", "5", "--repeat", "1"]) == 1
