"""Only what this command has made is replaced."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from armature.errors import ConfigError, UserError
from armature.showing.output import LIST, Output


def test_a_new_folder_and_again_into_the_same(tmp_path: Path) -> None:
    with Output(tmp_path / "new" / "shown") as output:
        output.text("a/one.txt", "1")
        output.text("b.txt", "2")
    (tmp_path / "new" / "shown" / "mine.txt").write_text("kept")
    with Output(tmp_path / "new" / "shown") as output:
        output.text("b.txt", "3")
    assert {p.name for p in (tmp_path / "new" / "shown").iterdir()} == {"b.txt", "mine.txt", LIST}
    assert (tmp_path / "new" / "shown" / "b.txt").read_text() == "3"


@pytest.mark.parametrize("content", [None, "no json", "[]", '{"files": 3}'])
def test_a_folder_that_is_not_ours_is_left_alone(tmp_path: Path, content: str | None) -> None:
    (tmp_path / "thesis.txt").write_text("all of it")
    if content is not None:
        (tmp_path / LIST).write_text(content)
    with pytest.raises(ConfigError, match="is there already and is not of armature data show"):
        Output(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "all of it"


def test_a_file_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigError, match="is not of armature data show"):
        Output(tmp_path / "file")


def test_a_list_that_names_files_elsewhere_removes_none_of_them(tmp_path: Path) -> None:
    victim = tmp_path / "victim.txt"
    victim.write_text("here")
    folder = tmp_path / "shown"
    folder.mkdir()
    (folder / LIST).write_text(json.dumps({"files": ["../victim.txt", str(victim), "gone.txt"]}))
    with Output(folder):
        pass
    assert victim.read_text() == "here"


def test_pictures_are_written_as_they_are(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    with Output(tmp_path / "o") as output:
        path = output.picture("x.png", image)
    assert np.array_equal(cv2.imread(str(path))[..., ::-1], image)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="could not be written"):
        Output(tmp_path / "file" / "below").text("a.txt", "1")
