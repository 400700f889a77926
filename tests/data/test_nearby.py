"""What is said of a path that is not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from armature.data.nearby import absent


def test_siblings_of_nearly_that_name(tmp_path: Path) -> None:
    (tmp_path / "poses").mkdir()
    assert absent(tmp_path / "pose") == f"{tmp_path}/pose: no such file or folder, did you mean '{tmp_path}/poses'?"


def test_the_first_part_that_is_missing_is_the_one_that_is_mended(tmp_path: Path) -> None:
    (tmp_path / "poses").mkdir()
    assert absent(tmp_path / "pose" / "images").endswith(f"did you mean '{tmp_path}/poses'?")


def test_where_a_relative_path_was_sought(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert absent("gone") == f"gone: no such file or folder (there is no 'gone' in {tmp_path})"
    (tmp_path / "pictures").mkdir()
    assert absent("picture") == "picture: no such file or folder, did you mean 'pictures'?"
