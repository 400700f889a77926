"""Folders of YOLO and Label Studio with a mistake in them: named, the rest is checked, nothing else is claimed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from armature import skeletons
from armature.checking import reading, running
from armature.checking.findings import ERROR, WARNING, Finding
from armature.checking.kinds import labelling
from armature.checking.kinds import skeletons as skeleton_checks
from armature.checking.people import Rows
from armature.checking.subject import Picture, Subject
from armature.data import recognising
from armature.errors import DataError

SPLIT = {"_target_": "armature.data.split.Fraction", "val": 0.5}


def pictures(folder: Path, count: int) -> None:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(len(folder.name))
    for i in range(count):
        cv2.imwrite(str(folder / f"{i}.png"), rng.integers(0, 255, (24, 32, 3), np.uint8))


@pytest.fixture
def yolo(tmp_path: Path) -> Path:
    """Four pictures of two points each in train and val."""
    for split in ("train", "val"):
        pictures(tmp_path / "images" / split, 4)
        (tmp_path / "labels" / split).mkdir(parents=True)
        for i in range(4):
            (tmp_path / f"labels/{split}/{i}.txt").write_text("0 .5 .5 .4 .4 .4 .4 2 .6 .6 2\n")
    (tmp_path / "data.yaml").write_text(
        "train: images/train\nval: images/val\nkpt_shape: [2, 3]\nflip_idx: [1, 0]\nnames: [mouse]\n"
    )
    return tmp_path


@pytest.fixture
def studio(tmp_path: Path) -> Path:
    """Four tasks of two points."""
    pictures(tmp_path / "images", 4)
    frame = {"original_width": 32, "original_height": 24, "type": "keypointlabels"}
    tasks: list[dict[str, Any]] = []
    for i in range(4):
        found = [frame | {"id": n, "value": {"x": 40, "y": 50, "keypointlabels": [n]}} for n in ("snout", "tail")]
        tasks.append({"id": i + 1, "data": {"image": f"{i}.png"}, "annotations": [{"result": found}]})
    (tmp_path / "export.json").write_text(json.dumps(tasks))
    return tmp_path


def read(path: Path) -> Subject:
    return reading.read({"_target_": "armature.data.folder.folder_data", "path": str(path), "split": SPLIT}, None)


def alarms(path: Path) -> list[Finding]:
    return [f for f in running.run(read(path)).findings if f.severity == ERROR or f.kind == "split_balance"]


def errors(path: Path) -> list[str]:
    return [f.what for f in running.run(read(path)).findings if f.severity == ERROR]


def test_sound_folders_have_no_errors(yolo: Path) -> None:
    (yolo / "labels/classes.txt").write_text("mouse\n")
    (yolo / "labels/train/classes.txt").write_text("mouse\n")
    assert errors(yolo) == []


def test_labels_without_a_picture(yolo: Path) -> None:
    (yolo / "images/train/0.png").unlink()
    (yolo / "labels/val/typo_name.txt").write_text("")
    (yolo / "labels/train/classes.txt").write_text("mouse\n")
    assert errors(yolo) == [
        "labels without a picture: labels/train/0.txt",
        "labels without a picture: labels/val/typo_name.txt",
    ]


def test_labels_without_a_picture_of_a_list(yolo: Path) -> None:
    (yolo / "train.txt").write_text("images/train/1.png\n")
    (yolo / "data.yaml").write_text((yolo / "data.yaml").read_text().replace("train: images/train", "train: train.txt"))
    (yolo / "images/train/0.png").unlink()  # 2 and 3 are there, and only not listed
    assert errors(yolo) == ["labels without a picture: labels/train/0.txt"]


def test_a_folder_of_labels_that_is_not_found(yolo: Path) -> None:
    (yolo / "labels").rename(yolo / "label")
    message = f"{yolo}: no label file found for 8 pictures; looked in labels/train/, labels/val/"
    assert [f.what for f in alarms(yolo)] == [message]  # and nothing about a balance
    with pytest.raises(DataError, match="no label file found for 8 pictures"):
        recognising.read(yolo)


def test_bad_lines_are_all_named_and_the_rest_is_checked(yolo: Path) -> None:
    (yolo / "labels/train/0.txt").write_text("0 .5 .5 .4 .4 .4 .4 2 .6 .6 2\n7 .5 .5 .4 .4 .4 .4 2 .6 .6 2\n")
    (yolo / "labels/val/1.txt").write_text("0 .5 .5 .4 .4 .4 .4 2 .6 .6 2 .9\n")
    (yolo / "labels/val/2.txt").write_bytes(b"\xff\xfe")
    subject = read(yolo)
    assert reading.counts(subject) == {"pictures": 8, "people": 6}
    said = [f.what for f in subject.found]
    assert len(said) == 3
    assert "labels/train/0.txt: line 2: class 7, but data.yaml has 1 names" in said[0]
    assert "labels/val/1.txt: line 1: expected class, box and 2 points of 3 numbers, 11; found 12" in said[1]
    assert "labels/val/2.txt: is not UTF-8" in said[2]
    with pytest.raises(DataError, match="class 7"):
        recognising.read(yolo)


def test_where_no_line_can_be_read_nothing_is_said_of_the_balance(yolo: Path) -> None:
    (yolo / "data.yaml").write_text(
        (yolo / "data.yaml").read_text().replace("[2, 3]", "[3, 3]").replace("[1, 0]", "[1, 0, 2]")
    )
    assert len(alarms(yolo)) == 8 and {f.kind for f in alarms(yolo)} == {"invalid_annotation"}


def test_bad_tasks_are_all_named_and_the_rest_is_checked(studio: Path) -> None:
    tasks = json.loads((studio / "export.json").read_text())
    tasks[1]["annotations"][0]["result"][0]["value"]["x"] = "left"
    tasks[2]["annotations"][0]["result"][1]["value"]["keypointlabels"] = ["snout"]
    (studio / "export.json").write_text(json.dumps(tasks))
    subject = read(studio)
    assert reading.counts(subject) == {"pictures": 4, "people": 2}
    assert [f.what.split("export.json: ")[1].split(":")[0] for f in subject.found] == ["task 2", "task 3"]
    assert subject.unlisted == {studio: []}


def test_a_flip_that_is_nearly_cocos(tmp_path: Path) -> None:
    pictures(tmp_path / "images/train", 1)
    line = "0 .5 .5 .4 .4" + "".join(f" .{40 + i} .{40 + i} 2" for i in range(17)) + "\n"
    (tmp_path / "labels/train").mkdir(parents=True)
    (tmp_path / "labels/train/0.txt").write_text(line)
    settings = "train: images/train\nkpt_shape: [17, 3]\nnames: [person]\nflip_idx: "
    tail = "6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]\n"
    (tmp_path / "data.yaml").write_text(settings + "[0, 1, 2, 3, 4, " + tail)
    found = [f.what for f in running.run(read(tmp_path)).findings if f.severity == WARNING]
    assert found == ["flip_idx is coco_person's except at points 1-4; if these are COCO's people, correct data.yaml"]
    (tmp_path / "data.yaml").write_text(settings + "[0, 2, 1, 4, 3, " + tail)
    assert [f for f in running.run(read(tmp_path)).findings if f.severity == WARNING] == []


def mice(counts: dict[str, int], people: int = 116) -> Subject:
    """People of whom each point is labelled so often: the last ones for a count, the first ones for a negative one."""
    skeleton = skeletons.make("mouse", list(counts), [], [])
    rows = Rows("mouse", skeleton)
    for i in range(people):
        on = np.array([i < n if n > 0 else i >= people + n for n in counts.values()])
        rows.add(0, np.full((len(counts), 2), 5.0 + i), 2 * on.astype(np.int64))
    subject = Subject("made", [Picture("0.png", Path("0.png"))])
    subject.groups = [rows.group()]
    return subject


def test_a_slip_in_a_name() -> None:
    made = mice({"snout": 116, "leftear": 115, "rightear": 116, "leftera": -1})
    (found,) = labelling.misspelt(made)
    assert (found.severity, found.keypoint) == (WARNING, "leftera")
    assert found.what == "is labelled once, beside 'leftear' 115 times: a typo?"
    assert list(labelling.rare(made)) == []
    assert [f for f in skeleton_checks.flips(made) if "flip 0" in f.fix] == []


@pytest.mark.parametrize(
    "counts",
    [
        {"left_ear": 115, "right_ear": 115, "left_eye": -1, "right_eye": -1},  # close, and with a mirror name
        {"left_ear": 116, "left_era": -1},  # both of one mouse
        {"kp_1": 115, "kp_2": -1},
        {"snout": 115, "tailbase": -1},
    ],
)
def test_names_that_are_no_slips(counts: dict[str, int]) -> None:
    assert list(labelling.misspelt(mice(counts))) == []


def test_what_a_rare_point_is_compared_with() -> None:
    (found,) = labelling.rare(mice({"snout": 116, "leftear": 116, "tailbase": -1}))
    assert "0.9 % of the people" in found.what and found.what.endswith("of 100 %")
