"""Sigmas in skeleton files: replaced or added, everything else untouched."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from armature import config_folders
from armature.errors import UserError
from armature.skeleton_file import other_mentions, with_sigmas, write_sigmas

HEAD = "# A thing with three points.\n_target_: armature.skeletons.make\nname: thing   # its name\n"
POINTS = "keypoints: [a, b, c]\n"
TAIL = "\n# The limbs.\nedges: [[a, b], [b, c]]\n"
NEW = [0.05, 0.0333333, 0.000012]

OLD = {
    "flow": "sigmas: [1, 2, 3]   # borrowed\n",
    "flow over lines": "sigmas: [1,\n  2,\n  3]\n",
    "block": "sigmas:\n  - 1\n  - 2\n  - 3\n",
    "block without indent": "sigmas:\n- 1\n- 2\n- 3\n",
    "null": "sigmas: null\n",
    "empty": "sigmas:\n",
}


@pytest.mark.parametrize("old", OLD)
def test_only_the_entry_is_replaced(old: str) -> None:
    changed = with_sigmas(HEAD + POINTS + OLD[old] + TAIL, NEW, "2026-01-01 from 7 people")
    entry = "# sigmas estimated 2026-01-01 from 7 people\nsigmas: [0.05, 0.03333, 0.000012]\n"
    assert changed == HEAD + POINTS + entry + TAIL


@pytest.mark.parametrize("end", ["", "\n"])
def test_a_skeleton_without_sigmas_gets_some(end: str) -> None:
    text = (HEAD + POINTS + TAIL).rstrip("\n") + end
    changed = with_sigmas(text, NEW, "from 7 people")
    assert changed == HEAD + POINTS + TAIL + "# sigmas estimated from 7 people\nsigmas: [0.05, 0.03333, 0.000012]\n"
    assert yaml.safe_load(changed)["sigmas"] == [0.05, 0.03333, 0.000012]


def test_writing_again_replaces_the_comment_too() -> None:
    text = HEAD + POINTS + "# Borrowed from elsewhere.\n" + OLD["block"] + TAIL
    once = with_sigmas(text, NEW, "from many people " * 20)
    assert max(map(len, once.split("\n"))) <= 120
    assert with_sigmas(once, [1, 2, 3], "x") == with_sigmas(text, [1, 2, 3], "x")
    assert other_mentions(once) == [] and other_mentions("# its sigmas\nsigmas: [1] # sigma\n") == [1, 2]


@pytest.mark.parametrize("file", sorted((config_folders.project() / "skeleton").glob("*.yaml")), ids=lambda f: f.stem)
def test_the_projects_own_files_keep_every_other_line(file: Path, tmp_path: Path) -> None:
    before = yaml.safe_load(file.read_text())
    sigmas = [0.01 + 0.001 * i for i in range(len(before["keypoints"]))]
    written = write_sigmas(file, sigmas, "for a test", tmp_path / "new.yaml")
    assert yaml.safe_load(written.read_text()) == before | {"sigmas": pytest.approx(sigmas)}
    comments = [line for line in file.read_text().splitlines() if "#" in line]
    assert [line for line in written.read_text().splitlines() if "#" in line and "for a test" not in line] == comments


def test_in_place(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(HEAD + POINTS)
    assert write_sigmas(tmp_path / "s.yaml", NEW, "x") == tmp_path / "s.yaml"
    assert "sigmas: [0.05" in (tmp_path / "s.yaml").read_text()


@pytest.mark.parametrize(
    ("text", "sigmas", "message"),
    [
        (HEAD + POINTS, [0.1, 0.2], "must be 3 numbers > 0"),
        (HEAD + POINTS, [0.1, 0.2, 0.0], "must be 3 numbers > 0"),
        (HEAD + POINTS, [0.1, 0.2, float("nan")], "must be 3 numbers > 0"),
        ("{name: x, keypoints: [a, b, c], sigmas: [1, 2, 3]}", NEW, "begin a line with 'sigmas:'"),
        ("- a\n", NEW, "expected the fields of a skeleton"),
        ("a: [", NEW, "is not YAML"),
    ],
)
def test_what_cannot_be_written_is_refused(text: str, sigmas: list[float], message: str, tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(text)
    with pytest.raises(UserError, match=message) as error:
        write_sigmas(tmp_path / "s.yaml", sigmas, "x")
    assert "s.yaml" in str(error.value) and (tmp_path / "s.yaml").read_text() == text
    with pytest.raises(UserError, match=r"nowhere\.yaml"):
        write_sigmas(tmp_path / "nowhere.yaml", sigmas, "x")
