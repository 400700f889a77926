"""A right flip map shows each colour on the side that looks the same; a wrong one does not."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from dots import SKELETON, Dots, near

from armature import config_folders
from armature.data.geometry import letterbox
from armature.showing import panels, stages, twins
from armature.skeletons import load, make

CANVAS = (96, 128)


def colours_at_points(source: Dots, mirrored: bool) -> list[str]:
    """Of the upright picture's points, or of their mirror images, the colour that is drawn there."""
    upright, mirror = twins.pair(source, 1, CANVAS)
    sample = mirror if mirrored else upright
    people = stages.people_of_sample(sample)
    people = people._replace(visibility=np.where(people.visibility > 0, 2, 0))
    drawn = panels.labelled(sample.image, people, twins.by_side(source.skeleton), 512)
    points = upright.people.keypoints[0].copy()
    if mirrored:
        points[:, 0] = CANVAS[1] - points[:, 0]
    names = {"left": twins.LEFT, "right": twins.RIGHT, "middle": twins.MIDDLE}
    return [min(names, key=lambda n: near(drawn, p * 4, names[n], 1.5)) for p in points]


def test_what_was_left_is_right_in_a_mirror() -> None:
    source = Dots()
    assert colours_at_points(source, False) == ["left", "right", "left", "right"]
    assert colours_at_points(source, True) == ["right", "left", "right", "left"]


def test_without_a_flip_the_colours_stay_on_the_body() -> None:
    wrong = make("wrong", SKELETON.keypoints, flip_pairs=[["left_a", "right_a"]], colours=SKELETON.colours)
    assert colours_at_points(Dots(skeleton=wrong), True) == ["right", "left", "middle", "middle"]


def test_the_mirror_image_is_the_upright_one_mirrored() -> None:
    upright, mirror = twins.pair(Dots(), 2, CANVAS)
    assert np.abs(upright.image[:, ::-1].astype(int) - mirror.image).max() <= 8  # interpolated from either side


def test_the_largest_labelled_person_is_looked_at() -> None:
    source = Dots(size=(600, 900))
    upright, _ = twins.pair(source, 0, CANVAS)
    wide, high = upright.people.boxes[0, 2:] - upright.people.boxes[0, :2]
    assert max(wide / CANVAS[1], high / CANVAS[0]) > 0.6
    for point, flag in zip(upright.people.keypoints[0], upright.people.visibility[0], strict=True):
        assert flag and upright.image[int(point[1]), int(point[0])].min() > 100
    record = source.records[0]
    source.records[0] = replace(record, visibility=0 * record.visibility)
    whole, _ = twins.pair(source, 0, CANVAS)
    np.testing.assert_allclose(np.linalg.inv(whole.to_source), letterbox((600, 900), CANVAS), atol=1e-9)


def test_names_that_contradict_the_flip_map_are_told() -> None:
    assert twins.doubts(SKELETON) == []
    wrong = replace(SKELETON, flip=(1, 0, 2, 3))
    assert [doubt.split("'")[1] for doubt in twins.doubts(wrong)] == ["left_b", "right_b"]


@pytest.mark.parametrize("file", sorted((config_folders.project() / "skeleton").glob("*.yaml")), ids=lambda f: f.stem)
def test_no_skeleton_of_ours_is_doubted_and_sides_are_pairs(file: Path) -> None:
    skeleton = load(file)
    assert twins.doubts(skeleton) == []
    sides = twins.by_side(skeleton).colours
    swap = {twins.LEFT: twins.RIGHT, twins.RIGHT: twins.LEFT, twins.MIDDLE: twins.MIDDLE}
    assert all(sides[skeleton.flip[i]] == swap[side] for i, side in enumerate(sides))
