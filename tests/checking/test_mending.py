"""What is mended, what is not, and that nothing that was there is touched."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from armature import cli
from armature.checking.problems import COLUMNS
from armature.data import recognising

NAMES = ["nose", "left_eye", "right_eye"]


def person(ident: int, **changes: Any) -> dict[str, Any]:
    fields = {"id": ident, "image_id": 1, "category_id": 1, "bbox": [4, 5, 10, 12], "area": 60.0, "iscrowd": 0}
    at = [5 + ident, 6, 2, 8 + ident, 14, 1, 0, 0, 0]
    return {k: v for k, v in (fields | {"num_keypoints": 2, "keypoints": at} | changes).items() if v is not None}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with one picture and a mistake of every kind that can be mended."""
    root = tmp_path / "data"
    (root / "images").mkdir(parents=True)
    cv2.imwrite(str(root / "images/1.png"), np.random.default_rng(0).integers(0, 255, (24, 32, 3), np.uint8))
    triangle = [[4, 5, 14, 5, 14, 15]]
    people = [
        person(1, bbox=[-5.5, 5, 20, 12]),
        person(2, num_keypoints=3),
        person(3, area=None, segmentation=triangle),
        person(4, area=None),
        person(5),
        person(6, keypoints=person(5)["keypoints"]),
    ]
    images = [{"id": 1, "file_name": "1.png", "width": 32, "height": 24}]
    content = {"images": images, "annotations": people, "categories": [{"id": 1, "name": "head", "keypoints": NAMES}]}
    (root / "labels.json").write_text(json.dumps(content))
    return root


def test_everything_that_can_be_is_mended_in_new_files(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (data / "labels.json").read_bytes()
    out = data.parent / "out"
    assert cli.main(["data", "check", f"data.path={data}", f"output={out}", "fix=true"]) == 1
    assert (data / "labels.json").read_bytes() == before
    assert "5 changes" in capsys.readouterr().out
    people = {a["id"]: a for a in json.loads((out / "fixed/labels.json").read_text())["annotations"]}
    assert sorted(people) == [1, 2, 3, 4, 5]
    assert people[1]["bbox"] == [0, 5, 14.5, 12]
    assert people[2]["num_keypoints"] == 2
    assert people[3]["area"] == 50  # of the triangle
    assert people[4]["area"] == pytest.approx(0.53 * 120)
    with open(out / "changes.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert sorted((r["kind"], r["annotation"]) for r in rows) == [
        ("area_absent", "3"),
        ("area_absent", "4"),
        ("box_outside", "1"),
        ("duplicate_annotation", "6"),
        ("wrong_count", "2"),
    ]
    assert "bbox [-5.5, 5, 20, 12] clipped to the picture: [0, 5, 14.5, 12]" in [r["what"] for r in rows]
    # The new folder can be trained on, and has none of these problems.
    labels = recognising.read(out / "fixed")
    assert (out / "fixed" / labels.images[0].file).is_file()
    assert cli.main(["data", "check", f"data.path={out / 'fixed'}", f"output={data.parent / 'again'}"]) == 0


def test_nothing_is_written_where_there_is_nothing_to_mend(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = json.loads((data / "labels.json").read_text())
    content["annotations"] = content["annotations"][4:5]
    (data / "labels.json").write_text(json.dumps(content))
    out = data.parent / "out"
    assert cli.main(["data", "check", f"data.path={data}", f"output={out}", "fix=true"]) == 0
    assert "nothing to mend" in capsys.readouterr().out
    assert not (out / "fixed").exists()


def test_what_was_mended_before_is_not_overwritten(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["data", "check", f"data.path={data}", f"output={data.parent / 'out'}", "fix=true"]
    assert cli.main(command) == 1
    assert cli.main(command) == 2
    assert "is there already" in capsys.readouterr().err


def test_the_table_has_the_promised_columns(data: Path) -> None:
    out = data.parent / "out"
    cli.main(["data", "check", f"data.path={data}", f"output={out}"])
    with open(out / "problems.csv", newline="") as stream:
        rows = list(csv.reader(stream))
    assert tuple(rows[0]) == COLUMNS == ("severity", "kind", "picture", "instance", "keypoint", "split", "what", "fix")
    assert ["warning", "wrong_count", "images/1.png", "2"] in [row[:4] for row in rows]
    page = (out / "report.html").read_text()
    assert "num_keypoints that are wrong" in page and "data:image/jpeg;base64," in page


def test_labels_that_cannot_be_read_are_told_like_anything_else(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = (data / "labels.json").read_text()
    (data / "labels.json").write_text(whole.replace('"image_id": 1', '"image_id": 5', 1).replace("-5.5", '"x"'))
    out = data.parent / "out"
    assert cli.main(["data", "check", f"data.path={data}", f"output={out}"]) == 2
    said = capsys.readouterr().out
    assert "annotations of no picture" in said and "num_keypoints that are wrong" in said
    (data / "labels.json").write_text(whole[: len(whole) // 2])
    assert cli.main(["data", "check", f"data.path={data}", f"output={out}"]) == 2


def test_what_is_asked_for_must_be_possible(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["data", "check", f"data.path={data}", "output=null", "fix=true"]) == 2
    assert "output=null has no place" in capsys.readouterr().err
    assert cli.main(["data", "check", "data=synthetic", "output=null"]) == 2
    assert "generated" in capsys.readouterr().err
