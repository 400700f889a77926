"""FreiHAND's hands, projected; and the hands of COCO-WholeBody as objects of their own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from armature import config_folders, skeletons
from armature.data import recognising
from armature.data.formats import freihand
from armature.errors import ConfigError, DataError

from .conftest import CAMERA, hands, picture


def test_hands_are_projected_by_their_cameras(tmp_path: Path) -> None:
    root = hands(tmp_path)
    assert recognising.recognise(root)[0] == "freihand"
    labels = recognising.read(root)
    assert [i.file[-12:] for i in labels.images] == [f"{i:08d}.jpg" for i in range(8)]
    assert [i.extra["sample"] for i in labels.images] == ["training 0", "training 1"] * 4
    for image, depth in zip(labels.images, [1.0, 2.0] * 4):
        expected = [[100 * 0.01 * i / depth + 16.5, 80 * 0.02 / depth + 12.5] for i in range(21)]
        np.testing.assert_allclose(image.people[0].keypoints, expected)
        assert image.size == (24, 32) and image.split == "train"


def test_the_points_are_those_of_the_skeleton() -> None:
    own = skeletons.load(config_folders.project() / "skeleton" / "hand_21.yaml")
    assert own.keypoints == freihand.KEYPOINTS and own.flip == freihand.FLIP
    assert sorted(own.edges) == sorted(freihand.EDGES)


def test_backgrounds_can_be_left_out_and_need_not_be_there(tmp_path: Path) -> None:
    hands(tmp_path)
    assert len(recognising.read(tmp_path, options={"backgrounds": False}).images) == 2
    (tmp_path / "few").mkdir()
    hands(tmp_path / "few", backgrounds=1)
    assert len(recognising.read(tmp_path / "few").images) == 2


def test_the_test_set_is_read_where_its_places_are_there(tmp_path: Path) -> None:
    hands(tmp_path)
    hands(tmp_path, name="evaluation", frames=3, backgrounds=1)
    assert [i.split for i in recognising.read(tmp_path).images] == ["train"] * 8 + ["test"] * 3
    (tmp_path / "evaluation_xyz.json").unlink()
    assert len(recognising.read(tmp_path).images) == 8


@pytest.mark.parametrize(
    ("field", "values", "message"),
    [
        ("K", [CAMERA], r"has 2 hands, training_K.json has 1 cameras"),
        ("xyz", [[[0, 0, 1]] * 21, [[0, 0, 1]] * 20], r"hand 1: field 'xyz' must be 21 x 3 finite numbers"),
        ("xyz", [[[0, 0, 1]] * 21, [[0, 0, -1]] * 21], r"hand 1: a point lies behind the camera"),
        ("K", [CAMERA, "x"], r"hand 1: could not convert"),
        ("xyz", {"a": 1}, r"field 'hands' must be a list"),
        ("xyz", [[[0, 0, 1]] * 21, [[0, float("nan"), 1]] * 21], r"hand 1: field 'xyz'"),
    ],
)
def test_unsound_files_are_refused_by_hand(tmp_path: Path, field: str, values: Any, message: str) -> None:
    hands(tmp_path, **{field: values})
    with pytest.raises(DataError, match=message):
        recognising.read(tmp_path)


def test_it_is_only_read(tmp_path: Path) -> None:
    (tmp_path / "hands").mkdir()
    labels = recognising.read(hands(tmp_path / "hands"))
    with pytest.raises(DataError, match="only read"):
        recognising.write(labels, "freihand", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    recognising.write(labels, "coco", tmp_path / "out")
    again = recognising.read(tmp_path / "out")
    np.testing.assert_allclose(again.images[0].people[0].keypoints, labels.images[0].people[0].keypoints, atol=1e-5)


def wholebody(path: Path) -> Path:
    counts = {"keypoints": 17, "foot_kpts": 6, "face_kpts": 68, "lefthand_kpts": 21, "righthand_kpts": 21}
    one: dict[str, Any] = {"id": 7, "image_id": 1, "category_id": 1, "bbox": [1, 2, 20, 15], "area": 90, "iscrowd": 0}
    one |= {field: [v for i in range(n) for v in (i, 2, 2)] for field, n in counts.items()}
    one |= {"lefthand_valid": True, "righthand_valid": True, "face_valid": False, "foot_valid": True}
    one |= {"lefthand_box": [3.0, 4.0, 5.0, 6.0], "righthand_box": [1.0, 1.0, 2.0, 2.0], "face_box": [0.0] * 4}
    content = {"images": [{"id": 1, "file_name": "a.png", "height": 24, "width": 32}], "annotations": [one]}
    content["categories"] = [{"id": 1, "name": "person", "keypoints": [f"p{i}" for i in range(17)], "skeleton": []}]
    picture(path / "a.png")
    (path / "coco_wholebody_val_v1.0.json").write_text(json.dumps(content))
    return path


def test_hands_of_a_whole_body_are_people_with_boxes_of_their_own(tmp_path: Path) -> None:
    labels = recognising.read(wholebody(tmp_path), options={"part": "hand"})
    assert [len(c.keypoints) for c in labels.categories] == [21] and labels.categories[0].name == "hand"
    left, right = labels.images[0].people
    assert left.box is not None and left.box.tolist() == [3.0, 4.0, 8.0, 10.0] and left.area == 30.0
    assert left.keypoints[4].tolist() == [4.5, 2.5] and left.extra == {"person": 7, "which": "lefthand"}
    assert right.extra["which"] == "righthand" and (left.ident, right.ident) == (1, 2)
    assert recognising.read(tmp_path, options={"part": "face"}).images[0].people == ()
    assert len(recognising.read(tmp_path).images[0].people[0].keypoints) == 133
    with pytest.raises(ConfigError, match=r"part='foot'; known are hand, face"):
        recognising.read(tmp_path, options={"part": "foot"})


def test_wflw_lists_of_subsets_are_passed_over(tmp_path: Path) -> None:
    points = " ".join(["3"] * 196)
    folder = tmp_path / "WFLW_annotations"
    (folder / "list_98pt_test").mkdir(parents=True)
    (folder / "list_98pt_rect_attr_test.txt").write_text(f"{points} 1 2 3 4 0 0 0 0 0 0 a.png\n")
    (folder / "list_98pt_test" / "list_98pt_test_blur.txt").write_text(f"{points} a.png\n")
    assert len(recognising.read(tmp_path, "wflw").images) == 1
