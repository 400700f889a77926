"""Real data sets of other kinds: what is said of them is true, and little."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

from armature import cli
from armature.checking.findings import NOTE

pytestmark = [pytest.mark.slow, pytest.mark.data]


def alarms(real_data: Path, name: str, folder: Path) -> list[dict[str, str]]:
    """Errors and warnings of a data config."""
    cli.main(["data", "check", f"data={name}", f"data.root={real_data / name}", f"output={folder}", "pictures=1"])
    with open(folder / "problems.csv", newline="", encoding="utf-8") as stream:
        return [row for row in csv.DictReader(stream) if row["severity"] != NOTE]


def test_faces_that_are_there_twice(real_data: Path, tmp_path: Path) -> None:
    """Helen has some photographs twice; each pair was looked at."""
    found = alarms(real_data, "helen", tmp_path)
    assert {row["kind"] for row in found} == {"near_duplicate"}
    pairs = {row["picture"] for row in found}
    assert {"2082267415_3.jpg", "2115806866_3.jpg", "2185205964_2.jpg", "2205474871_3.jpg"} <= pairs and len(pairs) <= 6


def test_sports(real_data: Path, tmp_path: Path) -> None:
    """Crowd-sourced poses: a photograph that is there twice, a neck at a hand, legs crossed over."""
    found = alarms(real_data, "lspe", tmp_path)
    assert Counter(row["kind"] for row in found) == {"near_duplicate": 1, "bone_outlier": 2, "left_right_swap": 1}
    assert ("im02422.jpg", "neck") in {(row["picture"], row["keypoint"]) for row in found}


def test_frames_of_a_film(real_data: Path, tmp_path: Path) -> None:
    """A split of single frames shares the film between training and validation: one warning, not one a frame.

    In one frame the ears are exchanged; it was looked at.
    """
    found = {row["kind"]: row for row in alarms(real_data, "openfield", tmp_path)}
    assert set(found) == {"leakage", "left_right_swap"} and "frames of one film" in found["leakage"]["what"]
    assert found["left_right_swap"]["picture"].endswith("img0102.png")


def test_frames_without_labels(real_data: Path, tmp_path: Path) -> None:
    """93 frames, 90 of them labelled."""
    found = alarms(real_data, "mirror_mouse", tmp_path)
    assert sorted(row["picture"] for row in found) == [f"labeled-data/img{n}.png" for n in ("00", "91", "92")]
    assert {row["kind"] for row in found} == {"picture_without_labels"}
