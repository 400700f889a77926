"""Where skeletons' points are drawn: known figures as they look, others by their limbs, mirrored where they mirror."""

from __future__ import annotations

import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest

from armature import config_folders
from armature.errors import UserError
from armature.reports import skeleton_picture
from armature.reports.skeleton_layout import from_limbs, layout
from armature.skeletons import load, make

FOLDER = config_folders.project() / "skeleton"
NAMES = sorted(file.stem for file in FOLDER.glob("*.yaml"))
#: Seen from the side, or one hand: no mirror image of themselves.
ONE_SIDED = {"ap10k", "animalpose", "hand_21", "coco_wholebody_hand"}


@pytest.mark.parametrize("name", NAMES)
def test_no_two_points_fall_together_and_left_is_opposite_right(name: str) -> None:
    skeleton = load(FOLDER / f"{name}.yaml")
    places = layout(skeleton)
    assert places.shape == (skeleton.count, 2) and np.isfinite(places).all()
    size = np.ptp(places, axis=0).max()
    for a, b in itertools.combinations(range(skeleton.count), 2):
        assert np.linalg.norm(places[a] - places[b]) > 0.005 * size, (a, b)
    if name not in ONE_SIDED:
        np.testing.assert_allclose(places[list(skeleton.flip)] * [-1, 1], places, atol=1e-6 * size)
    for i, point in enumerate(skeleton.keypoints):
        if name not in ONE_SIDED and point.startswith("left"):
            # The person's left, seen from the front; a body's limbs may cross nothing else.
            assert places[i, 0] > 0


def test_people_stand_upright_in_all_their_spellings() -> None:
    for name in ("coco_person", "mpii", "body_25", "lsp"):
        skeleton = load(FOLDER / f"{name}.yaml")
        y = dict(zip(skeleton.keypoints, layout(skeleton)[:, 1], strict=True))
        assert y["left_shoulder"] < y["left_hip"] < y["left_knee"] < y["left_ankle"]
    a, b = (
        make("a", ["LWrist", "RWrist"], flip_pairs=[]),
        ["left_elbow", "right_elbow", "left_hip", "right_hip", "nose"],
    )
    mixed = make("m", [*a.keypoints, *b], flip_pairs=[["LWrist", "RWrist"]])
    person = load(FOLDER / "coco_person.yaml")
    np.testing.assert_array_equal(layout(mixed)[0], layout(person)[person.keypoints.index("left_wrist")])


def test_limbs_come_out_alike_in_a_chain_and_in_a_star() -> None:
    chain = make("chain", list("abcdef"), [["a", "b"], ["b", "c"], ["c", "d"], ["d", "e"], ["e", "f"]])
    places = from_limbs(chain)
    apart = np.linalg.norm(places[:, None] - places, axis=-1)
    expected = np.abs(np.subtract.outer(np.arange(6), np.arange(6)))
    np.testing.assert_allclose(apart, expected, atol=0.05)
    star = make("star", ["m", "left_a", "right_a", "left_b", "right_b"], [["m", s] for s in
                ("left_a", "right_a", "left_b", "right_b")])  # fmt: skip
    places = from_limbs(star)
    lengths = np.linalg.norm(places[1:] - places[0], axis=-1)
    assert lengths.max() < 1.3 * lengths.min()


def test_one_point_and_no_limbs_are_drawn_too(tmp_path: Path) -> None:
    for i, names in enumerate((["a"], ["a", "b"], ["left_x", "right_x", "y"])):
        path = skeleton_picture.save(make("few", names), tmp_path / f"{i}.png")
        assert cv2.imread(str(path)) is not None


def test_points_are_drawn_in_their_colours_at_their_places(tmp_path: Path) -> None:
    colours = [[255, 0, 0], [0, 0, 255]]
    skeleton = make("two", ["a", "b"], [["a", "b"]], colours=colours)
    picture = cv2.imread(str(skeleton_picture.save(skeleton, tmp_path / "two.png", [[0.0, 0.0], [0.0, 1.0]])))
    assert picture is not None
    drawn = picture[:, : picture.shape[1] // 2]
    rows = [np.argwhere((drawn == colour[::-1]).all(-1)) for colour in colours]
    assert len(rows[0]) > 50 and len(rows[1]) > 50
    # y runs downwards: the first point is above the second, straight.
    top, bottom = rows[0].mean(0), rows[1].mean(0)
    assert top[0] < bottom[0] - 100 and abs(top[1] - bottom[1]) < 3


def test_other_endings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"ends in one of \.png"):
        skeleton_picture.save(load(FOLDER / "lsp.yaml"), tmp_path / "x.jpg")
