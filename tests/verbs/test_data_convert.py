"""``armature data convert``: from one folder to another, with what was recognised and what was lost."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from armature import cli


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Two kinds of people in one picture, as COCO."""
    kinds = [
        {"id": 1, "name": "mouse", "keypoints": ["nose", "tail"], "skeleton": [[1, 2]]},
        {"id": 2, "name": "fly", "keypoints": ["head"]},
    ]
    people = [
        {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 4, 5], "area": 9, "keypoints": [3, 4, 2, 5, 6, 1]},
        {"id": 2, "image_id": 1, "category_id": 2, "bbox": [1, 2, 4, 5], "area": 9, "keypoints": [7, 8, 2]},
    ]
    content = {"images": [{"id": 1, "file_name": "a.png", "width": 32, "height": 24}]}
    (tmp_path / "in").mkdir()
    cv2.imwrite(str(tmp_path / "in" / "a.png"), np.zeros((24, 32, 3), np.uint8))
    file = tmp_path / "in" / "labels.json"
    file.write_text(json.dumps(content | {"annotations": people, "categories": kinds}))
    return tmp_path / "in"


def test_it_says_what_it_found_and_what_was_lost(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = source.parent / "out"
    assert cli.main(["data", "convert", f"from={source}", f"to={target}", "to_format=yolo"]) == 0
    said = capsys.readouterr().out
    assert "labels.json with images, annotations, categories and keypoints: COCO keypoints (from_format=coco)" in said
    assert "1 pictures, 2 people, categories: 'mouse' (2 keypoints), 'fly' (1 keypoints)" in said
    assert "it cannot hold, and so lost:\n  2 areas\n" in said
    assert "  1 edges of skeletons\n" in said
    cells = (target / "labels" / "train" / "a.txt").read_text().splitlines()
    # (3 + 0.5) / 32 and (4 + 0.5) / 24
    assert [float(c) for c in cells[0].split()[5:8]] == pytest.approx([3.5 / 32, 4.5 / 24, 2])


def test_back_again_and_one_category_alone(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    there, back = source.parent / "there", source.parent / "back"
    assert cli.main(["data", "convert", f"from={source}", f"to={there}", "to_format=cvat", "category=mouse"]) == 0
    assert cli.main(["data", "convert", f"from={there}", f"to={back}", "to_format=coco"]) == 0
    assert "nothing was lost" in capsys.readouterr().out
    content = json.loads((back / "annotations" / "annotations.json").read_text())
    (person,) = content["annotations"]
    assert person["keypoints"] == [3, 4, 2, 5, 6, 1]
    assert person["bbox"] == [1, 2, 4, 5]
    assert content["categories"][0]["skeleton"] == [[1, 2]]


def test_options_of_the_format(source: Path) -> None:
    target = source.parent / "out"
    command = ["data", "convert", f"from={source}", f"to={target}", "to_format=csv", "+from_options.offset=0"]
    assert cli.main(command) == 0
    assert "images/a.png" in (target / "labels.csv").read_text()
    assert ",3,4,2,5,6,1" in (target / "labels.csv").read_text()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["to_format=yollo"], "no format 'yollo', did you mean 'yolo'?"),
        (["to_format=yolo", "lossless=true"], "not written, since YOLO-pose cannot hold"),
        (["to_format=yolo", "category=cow"], "no category 'cow'; it has 'mouse' (2 keypoints), 'fly' (1 keypoints)"),
        (["to_format=mpii"], "people of MPII Human Pose have 16 points; not so ['mouse', 'fly']"),
        (["to_format=yolo", "from_format=cvat"], "expected an xml with <annotations>"),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_written(
    changes: list[str], message: str, source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = source.parent / "out"
    assert cli.main(["data", "convert", f"from={source}", f"to={target}", *changes]) == 2
    assert message in capsys.readouterr().err
    assert sorted(p.name for p in source.parent.iterdir() if not p.name.startswith("cache")) == ["in"]


def test_the_target_is_no_part_of_the_source(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["data", "convert", f"from={source}", f"to={source / 'out'}", "to_format=yolo"]) == 2
    assert "lies inside the data that are read" in capsys.readouterr().err
