"""Data that readers refuse are read all the same, and everything that is wrong with them is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from armature import skeletons
from armature.checking import reading
from armature.checking.findings import Finding
from armature.checking.subject import Subject
from armature.errors import ConfigError

NAMES = ["nose", "left_eye", "right_eye"]


def person(ident: int, image: int, **changes: Any) -> dict[str, Any]:
    fields = {"id": ident, "image_id": image, "category_id": 1, "bbox": [4.0, 5.0, 10.0, 12.0], "area": 60.0}
    fields |= {"iscrowd": 0, "num_keypoints": 2, "keypoints": [5, 6, 2, 8.5, 9, 1, 0, 0, 0]}
    return {k: v for k, v in (fields | changes).items() if v is not None}


def coco(*people: dict[str, Any], **changes: Any) -> dict[str, Any]:
    images = [{"id": i, "file_name": f"{i}.png", "width": 32, "height": 24} for i in (1, 2)]
    return {
        "images": images,
        "annotations": list(people),
        "categories": [{"id": 1, "name": "head", "keypoints": NAMES}],
    } | changes


def folder(root: Path, content: Any) -> Path:
    """A data set in COCO's layout, split into train and val by the names of files."""
    for i in (1, 2):
        (root / "images").mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(root / "images" / f"{i}.png"), np.random.default_rng(i).integers(0, 255, (24, 32), np.uint8))
    file = root / "annotations" / "train.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return file


def read(root: Path, content: Any, **more: Any) -> Subject:
    file = folder(root, content)
    source = {"_target_": "armature.data.coco.CocoKeypoints", "annotations": str(file), "images": str(root / "images")}
    data = {"_target_": "armature.data.datamodule.KeypointData", "train": source | more}
    return reading.read(data, None)


def told(subject: Subject) -> list[tuple[str, int | None]]:
    return [(f.kind, f.instance) for f in subject.found]


def test_sound_data_are_read_as_training_reads_them(tmp_path: Path) -> None:
    subject = read(tmp_path, coco(person(1, 1), person(2, 2, iscrowd=1, keypoints=None, num_keypoints=None)))
    assert subject.found == [] and subject.unlisted == {tmp_path / "images": []}
    (group,) = subject.groups
    from armature.data.coco import CocoKeypoints

    made = skeletons.make("head", NAMES)
    source = CocoKeypoints(tmp_path / "annotations/train.json", tmp_path / "images", made)
    for i, record in enumerate(source.records):
        assert subject.pictures[i].file == record.file and tuple(subject.pictures[i].size) == tuple(record.size)
        assert np.array_equal(group.keypoints[i], record.keypoints[0])
        assert np.array_equal(group.visibility[i], record.visibility[0])
        assert np.array_equal(group.boxes[i], record.boxes[0])
        assert (group.areas[i], group.crowd[i], group.idents[i]) == (
            record.areas[0],
            record.crowd[0],
            record.annotation_ids[0],
        )
    assert group.counted.tolist() == [2, -1]
    assert group.skeleton.keypoints == tuple(NAMES) and group.skeleton.flip == (0, 2, 1)


WRONG: dict[str, tuple[dict[str, Any], tuple[str, int | None]]] = {
    "points": ({"keypoints": [1, 2, 2]}, ("invalid_annotation", 7)),
    "flag": ({"keypoints": [1, 2, 4, 0, 0, 0, 0, 0, 0]}, ("invalid_annotation", 7)),
    "text": ({"keypoints": "none"}, ("invalid_annotation", 7)),
    "no points": ({"keypoints": None}, ("invalid_annotation", 7)),
    "box": ({"bbox": [1, 2]}, ("invalid_annotation", 7)),
    "area": ({"area": -3}, ("invalid_annotation", 7)),
    "image": ({"image_id": 9}, ("orphan_annotation", 7)),
    "no image": ({"image_id": None}, ("orphan_annotation", 7)),
    "category": ({"category_id": 9}, ("invalid_annotation", 7)),
    "id": ({"id": 1}, ("repeated_id", 1)),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_annotation_is_one_finding_and_the_others_are_kept(tmp_path: Path, name: str) -> None:
    changes, expected = WRONG[name]
    subject = read(tmp_path, coco(person(1, 1), person(7, 2, **changes), person(3, 2)))
    assert told(subject) == [expected]
    idents = subject.groups[0].idents.tolist()
    assert idents[0] == 1 and idents[-1] == 3


def test_a_negative_box_is_left_to_the_check_of_boxes(tmp_path: Path) -> None:
    subject = read(tmp_path, coco(person(1, 1, bbox=[9, 9, -4, 5])))
    assert subject.found == []
    assert subject.groups[0].boxes[0].tolist() == [9, 9, 5, 14]


def test_wrong_entries_of_pictures(tmp_path: Path) -> None:
    content = coco(person(1, 1))
    content["images"] += [
        {"id": 3, "file_name": "x.png", "width": 0, "height": 24},
        {"id": 4, "file_name": "../x.png", "width": 9, "height": 24},
        {"id": 1, "file_name": "2.png", "width": 32, "height": 24},
        {"id": 5, "file_name": "2.png", "width": 32, "height": 24},
        "nothing",
    ]
    kinds = [kind for kind, _ in told(read(tmp_path, content))]
    assert sorted(kinds) == ["invalid_image"] * 3 + ["picture_listed_twice", "repeated_id"]


def test_wrong_categories(tmp_path: Path) -> None:
    categories: list[Any] = [
        {"id": 1, "name": "head", "keypoints": 3},
        {"name": "x"},
        {"id": 2, "keypoints": ["a", "a"]},
    ]
    subject = read(tmp_path, coco(person(1, 1), categories=categories))
    assert [kind for kind, _ in told(subject)] == ["invalid_category"] * 3
    assert subject.groups[0].skeleton.count == 3  # as many as its people have


@pytest.mark.parametrize("content", ["{", "[]", '{"images": 3, "annotations": {}, "categories": []}', ""])
def test_a_file_that_is_none_is_a_finding(tmp_path: Path, content: str) -> None:
    subject = read(tmp_path, content)
    assert {f.kind for f in subject.found} == {"unreadable_labels"}
    # Its pictures are looked at all the same.
    assert [p.file for p in subject.pictures] == ["1.png", "2.png"]


def test_a_folder_without_pictures_is_a_finding(tmp_path: Path) -> None:
    subject = read(tmp_path, coco(person(1, 1)), images=str(tmp_path / "elsewhere"))
    assert [f.kind for f in subject.found] == ["unreadable_labels"]
    assert "no such folder" in subject.found[0].what


def test_pictures_that_nobody_listed(tmp_path: Path) -> None:
    content = coco(person(1, 1))
    del content["images"][1]
    assert read(tmp_path, content).unlisted == {tmp_path / "images": ["2.png"]}


def _folder(path: Path, **more: Any) -> Subject:
    return reading.read({"_target_": "armature.data.folder.folder_data", "path": str(path), **more}, None)


def test_a_folder_in_cocos_layout_is_read_tolerantly(tmp_path: Path) -> None:
    folder(tmp_path, coco(person(1, 1), person(2, 9)))
    subject = _folder(tmp_path)
    assert [p.file for p in subject.pictures] == ["images/1.png", "images/2.png"]
    assert {p.split for p in subject.pictures} == {"train"}
    assert told(subject) == [("orphan_annotation", 2)]
    assert subject.tree == tmp_path


def test_other_formats_say_what_their_readers_say(tmp_path: Path) -> None:
    folder(tmp_path, coco())
    (tmp_path / "annotations/train.json").unlink()
    labels = tmp_path / "labels.csv"
    labels.write_text("file,width,height,nose_x,nose_y\nimages/1.png,32,24,5,6\nimages/2.png,32,24,7,8\n")
    sound = _folder(tmp_path)
    assert sound.found == [] and len(sound.groups[0]) == 2
    labels.write_text("file,width,height,nose_x,nose_y\nimages/1.png,32,24,5,six\nimages/2.png,32,24,7,8\n")
    broken = _folder(tmp_path)
    assert [f.kind for f in broken.found] == ["unreadable_labels"]
    assert "six" in broken.found[0].what
    assert [p.file for p in broken.pictures] == ["images/1.png", "images/2.png"]


def test_an_unknown_folder_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello")
    found: list[Finding] = _folder(tmp_path).found
    assert found[0].kind == "unreadable_labels"


def test_two_files_of_one_kind_of_people_are_one_group(tmp_path: Path) -> None:
    folder(tmp_path / "a", coco(person(1, 1)))
    folder(tmp_path / "b", coco(person(2, 2)))
    sources = [
        {
            "_target_": "armature.data.coco.CocoKeypoints",
            "annotations": str(tmp_path / n / "annotations/train.json"),
            "images": str(tmp_path / n / "images"),
        }
        for n in ("a", "b")
    ]
    data = {"_target_": "armature.data.datamodule.KeypointData", "train": sources[0], "val": sources[1]}
    subject = reading.read(data, None)
    (group,) = subject.groups
    assert [(subject.pictures[i].split, n) for i, n in zip(group.picture, group.idents)] == [("train", 1), ("val", 2)]
    assert group.origin.tolist() == [[0, 0], [1, 0]]


def test_a_split_is_that_of_training(tmp_path: Path) -> None:
    folder(tmp_path, coco(person(1, 1), person(2, 2)))
    source = {
        "_target_": "armature.data.coco.CocoKeypoints",
        "annotations": str(tmp_path / "annotations/train.json"),
        "images": str(tmp_path / "images"),
        "skeleton": {"_target_": "armature.skeletons.make", "name": "head", "keypoints": NAMES},
    }
    split = {"_target_": "armature.data.split.Fraction", "val": 0.5}
    data = {"_target_": "armature.data.datamodule.KeypointData", "source": source, "split": split}
    assert sorted(p.split for p in reading.read(data, None).pictures) == ["train", "val"]


def test_generated_data_have_nothing_to_check() -> None:
    made = {"_target_": "armature.skeletons.make", "name": "head", "keypoints": NAMES}
    source = {"_target_": "armature.data.synthetic.Synthetic", "skeleton": made, "length": 2, "size": [64, 64]}
    data = {"_target_": "armature.data.datamodule.KeypointData", "train": source}
    with pytest.raises(ConfigError, match="is it generated"):
        reading.read(data, None)
