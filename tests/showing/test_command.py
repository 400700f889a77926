"""``armature data show`` from the command line: what is written, and what is refused."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from dots import Dots

from armature import cli


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of labelled pictures, as a labelling tool's CSV, with somebody in every one."""
    monkeypatch.chdir(tmp_path)
    source = Dots(10)
    names = source.skeleton.keypoints
    lines = ["file,width,height," + ",".join(f"{n}_x,{n}_y" for n in names)]
    (tmp_path / "mine").mkdir()
    for index in range(len(source)):
        image, record = source.read(index)
        cv2.imwrite(str(tmp_path / "mine" / record.file), image[..., ::-1])
        points = ",".join(f"{v:.2f}" for v in record.keypoints[0].ravel())
        lines.append(f"{record.file},{record.size[1]},{record.size[0]},{points}")
    (tmp_path / "mine" / "labels.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


def call(*arguments: str) -> int:
    return cli.main(["data", "show", "data=folder", "data.path=mine", *arguments])


def complained(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert call(*arguments) == 2
    said = capsys.readouterr().err
    assert "Traceback" not in said
    return said


@pytest.mark.slow
def test_sheets_are_written_and_their_paths_printed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("targets=false", "count=2", "augment=photometric") == 0
    printed = [line for line in capsys.readouterr().out.splitlines() if line.endswith(".png")]
    assert len(printed) == 5 and all((folder / line).is_file() for line in printed)
    sheets = [cv2.imread(str(folder / line)) for line in printed]
    assert all(sheet.shape[1] > 700 and np.ptp(sheet) > 200 for sheet in sheets)
    assert call("targets=false", "count=1") == 0  # again into the same folder
    kept = sorted(p.name for p in (folder / "shown").glob("*.png"))
    assert len(kept) == 4 and set(kept) == set(json.loads((folder / "shown" / "shown.json").read_text())["files"])


def test_pictures_by_name_and_by_id(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("targets=false", "images=[dot_3.png,dot_0,6]", "output=some") == 0
    assert sorted(p.name for p in (folder / "some").glob("0*.png")) == ["01_dot_3.png", "02_dot_0.png", "03_dot_5.png"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["images=[nobody.png]"], "no picture has the name or id 'nobody.png'; they are called dot_0.png, dot_1.png"),
        (["images=[dot_55.png]"], "did you mean 'dot_5.png'?"),
        (["images=dot_1.png"], "a list, images=[dot_1.png]"),
        (["part=test"], "part=test: known are train and val"),
        (["count=0"], "count=0: a whole number from 1 on"),
        (["pass=-1"], "pass=-1"),
        (["output=mine"], "output=mine is there already and is not of armature data show"),
        (["page=true", "problems=nowhere.csv"], "problems=nowhere.csv: No such file"),
        (["page=true", "problems=mine/labels.csv"], "kind and picture lack"),
        (["data.path=nowhere"], "nowhere"),
        (["colour=red"], "colour"),
    ],
)
def test_what_is_refused(folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str) -> None:
    before = sorted(p.name for p in folder.rglob("*"))
    assert said in complained(capsys, "targets=false", *arguments)
    assert sorted(p.name for p in folder.rglob("*")) == before


def test_a_page_of_both_parts(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "problems.csv").write_text("kind,picture,what\ntiny,dot_4.png,so small\nodd,other.png,not here\n")
    assert call("page=true", "problems=problems.csv", "output=page", "thumbnail=64") == 0
    said = capsys.readouterr().out
    assert "10 pictures (train 9, val 1)" in said and "page/index.html" in said
    assert "problems.csv: 1 of 2 problems are of these pictures\n  the others are of other.png" in said
    text = (folder / "page" / "data.js").read_text()
    document = json.loads(text[len("window.DATA = ") : -2])
    assert {p["name"]: [q["kind"] for q in p["problems"]] for p in document["pictures"] if "problems" in p} == {
        "dot_4.png": ["tiny"]
    }
    assert document["title"] == "mine" and len(document["pictures"]) == 10
