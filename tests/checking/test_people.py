"""Boxes, points, areas and counts of single people: what is found, of whom, and what is not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from armature import skeletons
from armature.checking.findings import ERROR, NOTE, WARNING
from armature.checking.kinds import annotations, areas, boxes, labelling, points
from armature.checking.kinds import skeletons as skeleton_checks
from armature.checking.subject import Subject
from checking_people import CORNER, SIDES, SIZE, instances, upright

Make = Callable[..., Subject]
CHECKS = [check for module in (annotations, areas, boxes, points) for check in module.CHECKS]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.kind)
def test_sound_people_are_left_alone(check: object, subject_of: Make) -> None:
    assert list(check.find(subject_of({}, {}, {}))) == []  # type: ignore[attr-defined]


def test_boxes_without_area(subject_of: Make) -> None:
    found = list(
        boxes.without_area(subject_of({}, {"box": np.array([100.0, 20, 100, 60])}, {"box": np.array([9.0, 9, 1, 60])}))
    )
    assert instances(found) == [2, 3]
    assert all(f.severity == ERROR for f in found)
    assert "0 x 40 px" in found[0].what and "-8 x 51" in found[1].what


def test_boxes_beyond_the_picture_by_more_than_rounding(subject_of: Make) -> None:
    width = SIZE[1]
    made = subject_of(
        {"box": np.array([100.0, 20, width + 1.5, 60])},
        {"box": np.array([100.0, 20, width + 3, 60])},
        {"box": np.array([width + 2.0, 20, width + 30, 60])},
        {"box": np.array([10.0, -9, 30, 60])},
    )
    found = list(boxes.outside(made))
    assert [(f.instance, f.severity) for f in found] == [(2, WARNING), (3, ERROR), (4, WARNING)]
    assert "3 px beyond" in found[0].what and "9 px beyond" in found[2].what


def test_boxes_that_miss_their_points(subject_of: Make) -> None:
    away = np.concatenate([CORNER - (90, 0), CORNER + SIDES - (90, 0)])
    hidden = upright()
    hidden[15:] += [0, 50]
    flags = np.full(17, 2)
    flags[15:] = 1
    near = upright()
    near[0, 1] = CORNER[1] - 0.1 * SIDES[1]
    made = subject_of(
        {"box": away}, {"keypoints": hidden, "visibility": flags}, {"keypoints": near}, {"box": away, "crowd": True}
    )
    assert instances(boxes.misses_points(made)) == [1]


def test_points_beyond_the_picture(subject_of: Make) -> None:
    width = SIZE[1]
    wrong, cut = upright(), upright()
    wrong[9] = width + 20.5, 30.5
    cut[9, 0] = width + 2
    unlabelled, flags = upright(), np.full(17, 2)
    unlabelled[9], flags[9] = [width + 90, 30], 0
    made = subject_of({"keypoints": wrong}, {"keypoints": cut}, {"keypoints": unlabelled, "visibility": flags})
    (found,) = points.outside(made)
    assert (found.instance, found.keypoint) == (1, "left_wrist")
    assert "lies at 340, 30, 20 px beyond" in found.what.replace("20.5", "20")


def test_points_labelled_in_the_corner(subject_of: Make) -> None:
    corner = upright()
    corner[3] = 0.5  # COCO's 0, 0
    flags = np.full(17, 2)
    flags[3] = 0
    found = list(points.at_origin(subject_of({"keypoints": corner}, {"keypoints": corner, "visibility": flags})))
    assert [(f.instance, f.keypoint, f.severity) for f in found] == [(1, "left_ear", ERROR)]


def test_points_in_one_place(subject_of: Make) -> None:
    all_there, two = np.tile([150.0, 90.0], (17, 1)), upright()
    two[1] = two[0]
    half = upright()
    half[:9] = 150, 90
    found = list(points.stacked(subject_of({"keypoints": all_there}, {"keypoints": two}, {"keypoints": half})))
    assert instances(found) == [1, 3]
    assert "9 of its 17" in found[1].what


def test_shares_of_the_picture_instead_of_pixels(subject_of: Make) -> None:
    shares = upright() / [SIZE[1], SIZE[0]] + 0.5
    flags = np.full(17, 2)
    flags[:5] = 0
    made = subject_of({"keypoints": shares}, {"keypoints": shares, "visibility": flags}, {})
    assert instances(points.normalised(made)) == [1, 2]


@pytest.mark.parametrize("factor", [0.3, 0.5, 2.0, 4.0])
def test_points_of_a_scaled_picture(subject_of: Make, factor: float) -> None:
    corner, sides = np.array([200.0, 120.0]), np.array([40.0, 80.0])
    fields = {"box": np.concatenate([corner, corner + sides])}
    own = upright(0, corner, sides)
    (found,) = points.scaled(subject_of(fields | {"keypoints": own * factor}, fields | {"keypoints": own}))
    assert found.instance == 1
    said = float(found.what.split("box ")[1].split(" times")[0])
    assert said == pytest.approx(1 / factor, rel=0.1)


def test_another_persons_box_is_no_scale(subject_of: Make) -> None:
    away = np.concatenate([CORNER - (-90, 0), CORNER + SIDES - (-90, 0)])
    assert list(points.scaled(subject_of({"box": away}))) == []


def test_areas(subject_of: Make) -> None:
    made = subject_of(
        {"area": None}, {"area": 1.0}, {"area": 17700.0}, {"area": 15000.0}, {"area": None, "crowd": True}
    )
    assert instances(areas.absent(made)) == [1]
    # The box has 16,000 px.
    assert instances(areas.implausible(made)) == [2, 3]
    (note,) = areas.absent(subject_of({"area": None}, {"area": None}))
    assert (note.severity, note.instance) == (NOTE, None)


def test_people_annotated_twice(subject_of: Make) -> None:
    near = upright(0) + 0.5
    apart = upright(0) - (30, 0)
    few = np.zeros(17, int)
    few[:2] = 2
    made = subject_of(
        {"keypoints": upright(0)},
        {"keypoints": near},
        {"keypoints": apart},
        {"keypoints": upright(0)},
        {"keypoints": upright(0), "visibility": few},
        pictures=1,
    )
    found = list(annotations.duplicates(made))
    assert instances(found) == [2, 4]
    assert "nearly the same as annotation 1" in found[0].what
    assert "the same as annotation 1" in found[1].what and "fix=true" in found[1].fix
    assert list(annotations.duplicates(subject_of({}, {"keypoints": upright(0)}))) == []  # in two pictures


def test_counts(subject_of: Make) -> None:
    (found,) = annotations.counts(subject_of({"counted": 12}, {"counted": 17}, {"counted": -1}))
    assert (found.instance, found.what) == (1, "num_keypoints is 12, 17 points are labelled")


def test_how_the_data_set_is_labelled(subject_of: Make) -> None:
    flags = np.full(17, 2)
    flags[4] = 0
    found = list(labelling.never(subject_of(*[{"visibility": flags}] * 30)))
    assert [(f.severity, f.keypoint) for f in found] == [(WARNING, "right_ear")]
    assert list(labelling.never(subject_of(*[{"visibility": flags}] * 5))) == []
    (rare,) = labelling.rare(subject_of({}, *[{"visibility": flags}] * 39))
    assert (rare.severity, rare.keypoint) == (NOTE, "right_ear")
    both = list(labelling.visibility(subject_of({}, {})))
    assert len(both) == 2 and "are visible (2)" in both[0].what
    flags[5] = 1
    assert list(labelling.visibility(subject_of({"visibility": flags}))) == []


def test_a_keypoint_that_only_one_split_lacks(subject_of: Make) -> None:
    flags = np.full(17, 2)
    flags[4] = 0
    made = subject_of(*[{}] * 30, *[{"visibility": flags}] * 30)
    from dataclasses import replace

    made.pictures = [replace(p, split="train" if i < 30 else "val") for i, p in enumerate(made.pictures)]
    (found,) = labelling.never(made)
    assert (found.keypoint, found.split) == ("right_ear", "val")


def test_small_people_and_those_with_few_points(subject_of: Make) -> None:
    few, none = np.zeros(17, int), np.zeros(17, int)
    few[:2] = 2
    made = subject_of({"visibility": few}, {"visibility": none}, {}, {"box": np.array([9.0, 9, 15, 21])})
    assert instances(labelling.few(made)) == [1]
    assert instances(labelling.tiny(made)) == [4]


def test_crowding(subject_of: Make) -> None:
    inside = np.array([110.0, 30, 130, 90])
    made = subject_of({}, {"box": inside}, {"box": np.array([0.0, 0, 30, 30])}, pictures=1)
    (found,) = labelling.crowding(made)
    assert "2 of 3 people" in found.what
    assert list(labelling.crowding(subject_of({}, {"box": inside}))) == []  # in two pictures
    (full,) = labelling.full(subject_of(*[{}] * 21, pictures=1))
    assert "21 people" in full.what


def test_skeletons_against_their_names(subject_of: Make) -> None:
    names = ["nose", "left_eye", "right_eye", "left_ear"]
    crossed = skeletons.make("x", names, flip_pairs=[["nose", "left_eye"]], sigmas=[0.2 + 1, 0.05, 0.05, 0.05])
    fields = {"keypoints": np.ones((4, 2)), "visibility": np.full(4, 2)}
    found = list(skeleton_checks.flips(subject_of(fields, skeleton=crossed)))
    assert [f.keypoint for f in found if f.severity == WARNING] == ["nose", "left_eye", "right_eye"]
    assert [f.what for f in found if f.severity == NOTE] == ["left_ear: a side without the other"]
    told = [(f.severity, f.keypoint) for f in skeleton_checks.sigmas(subject_of(fields, skeleton=crossed))]
    assert told == [(WARNING, "nose"), (WARNING, "nose")]
    same = skeletons.make("x", names[:3], sigmas=[1 / 17] * 3)
    (found,) = skeleton_checks.sigmas(subject_of({k: v[:3] for k, v in fields.items()}, skeleton=same))
    assert "placeholder" in found.what
    none = skeletons.make("x", names[:3])
    (found,) = skeleton_checks.sigmas(subject_of({k: v[:3] for k, v in fields.items()}, skeleton=none))
    assert found.severity == NOTE
    assert list(skeleton_checks.flips(subject_of({}))) == list(skeleton_checks.sigmas(subject_of({}))) == []
