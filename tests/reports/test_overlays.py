"""Drawing: colour lands where the point is, hidden points are hollow, sheets keep their panels."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from armature.reports import overlays
from armature.reports.overlays import (
    People,
    contact_sheet,
    draw,
    enlargement,
    people_of_poses,
    people_of_record,
    side_by_side,
)
from armature.skeletons import make
from armature.structures import Poses, Record

SKELETON = make("pair", ["a", "b"], edges=[["a", "b"]], flip_pairs=[], colours=[[255, 0, 0], [0, 0, 255]])
GREY = 90


def grey(height: int = 600, width: int = 800) -> np.ndarray:
    return np.full((height, width, 3), GREY, np.uint8)


def changed(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    return np.abs(before.astype(int) - after.astype(int)).sum(-1) > 0


@pytest.mark.parametrize("at", [(100.5, 200.5), (400.0, 300.0), (333.25, 77.75)])
def test_a_lone_point_is_drawn_centred_on_its_continuous_position(at: tuple[float, float]) -> None:
    image = grey()
    drawn = draw(image, [[at, (np.nan, np.nan)]], [[2, 2]], SKELETON, readable=0)
    weight = np.abs(drawn.astype(float) - image).sum(-1)
    rows, columns = np.indices(weight.shape)
    centroid = ((columns + 0.5) * weight).sum() / weight.sum(), ((rows + 0.5) * weight).sum() / weight.sum()
    assert centroid == pytest.approx(at, abs=0.1)


def test_the_pixel_under_a_visible_point_has_its_colour_and_the_input_is_untouched() -> None:
    image = grey()
    drawn = draw(image, [[(100.5, 200.5), (600.5, 420.5)]], [[2, 2]], SKELETON)
    assert tuple(drawn[200, 100]) == (255, 0, 0)
    assert tuple(drawn[420, 600]) == (0, 0, 255)
    assert (image == GREY).all()


def test_small_pictures_are_enlarged_and_the_points_with_them() -> None:
    assert enlargement((96, 128)) == 4
    assert enlargement((480, 640)) == 1
    assert enlargement((96, 128), readable=0) == 1
    drawn = draw(grey(96, 128), [[(10.5, 20.5), (np.nan, 0)]], [[2, 0]], SKELETON)
    assert drawn.shape == (96 * 4, 128 * 4, 3)
    rows, columns = np.nonzero(changed(np.full_like(drawn, GREY), drawn))
    assert np.mean(columns) + 0.5 == pytest.approx(10.5 * 4, abs=0.3)
    assert np.mean(rows) + 0.5 == pytest.approx(20.5 * 4, abs=0.3)


def test_hidden_points_are_hollow_even_where_a_limb_ends() -> None:
    drawn = draw(grey(), [[(100.5, 200.5), (600.5, 420.5)]], [[1, 2]], SKELETON)
    assert tuple(drawn[200, 100]) == (GREY, GREY, GREY)
    around = drawn[190:212, 90:112].reshape(-1, 3)
    assert (around == (255, 0, 0)).all(1).any(), "a ring of the point's colour surrounds the hole"


def test_scores_decide_like_flags() -> None:
    points = [[(100.5, 200.5), (600.5, 420.5)]]
    for scores, flags in (([[0.9, 0.8]], [[2, 2]]), ([[0.1, 0.8]], [[1, 2]]), ([[0.0, 0.8]], [[0, 2]])):
        assert (draw(grey(), points, scores, SKELETON) == draw(grey(), points, flags, SKELETON)).all()


def test_unlabelled_points_and_their_limbs_are_left_out() -> None:
    drawn = draw(grey(), [[(100.5, 200.5), (600.5, 420.5)]], [[0, 0]], SKELETON)
    assert (drawn == GREY).all()


@pytest.mark.parametrize(
    "points", [np.zeros((0, 2, 2)), [[(1e12, -1e12), (5.0, 5.0)]], [[(-50.0, -50.0), (9000.0, 2.0)]]]
)
def test_nobody_and_far_away_points_do_no_harm(points: np.ndarray) -> None:
    points = np.asarray(points)
    drawn = draw(grey(), points, np.full(points.shape[:2], 2), SKELETON)
    assert drawn.shape == (600, 800, 3)


def test_boxes_are_drawn_on_their_edges() -> None:
    drawn = draw(grey(), np.zeros((0, 2, 2)), np.zeros((0, 2), int), SKELETON, boxes=[[100, 50, 300, 250]])
    assert changed(grey(), drawn)[150, 99:101].any()
    assert changed(grey(), drawn)[150, 299:301].any()
    assert not changed(grey(), drawn)[150, 110:290].any()


def test_records_lose_their_crowds_and_poses_are_drawn_best_last() -> None:
    record = Record(
        1,
        "",
        (10, 10),
        np.zeros((2, 2, 2)),
        np.full((2, 2), 2),
        np.zeros((2, 4)),
        np.ones(2),
        np.array([False, True]),
        np.array([1, 2]),
    )
    assert len(people_of_record(record).keypoints) == 1
    poses = Poses(torch.arange(12.0).view(3, 2, 2), torch.ones(3, 2), torch.zeros(3, 4), torch.tensor([0.9, 0.05, 0.5]))
    people = people_of_poses(poses, threshold=0.1)
    assert people.labels == ("0.50", "0.90")
    assert people.keypoints[-1, 0, 1] == 1.0


def test_side_by_side_shows_truth_left_and_prediction_right() -> None:
    truth = People(np.array([[(50.5, 60.5), (np.nan, 0)]]), np.array([[2, 0]]))
    prediction = People(np.array([[(150.5, 160.5), (np.nan, 0)]]), np.array([[2, 0]]))
    sheet = side_by_side(grey(), truth, prediction, SKELETON, "OKS 0.83")
    strip = sheet.shape[0] - 600
    right = sheet.shape[1] - 800
    assert strip > 0
    assert tuple(sheet[strip + 60, 50]) == (255, 0, 0)
    assert tuple(sheet[strip + 160, right + 150]) == (255, 0, 0)
    assert (sheet[:strip, :400] < 100).any(), "the heading is written"
    assert (sheet[:strip, -200:] < 200).any(), "the caption is written"


def test_side_by_side_of_nothing_is_the_picture() -> None:
    assert side_by_side(grey(), None, None, SKELETON).shape[1] == 800


def test_a_contact_sheet_keeps_every_panel() -> None:
    panels = [np.full((40 + i, 60, 3), 10 * (i + 1), np.uint8) for i in range(5)]
    sheet = contact_sheet(panels, columns=2, gap=4)
    assert sheet.shape == (41 + 43 + 44 + 8, 124, 3)
    assert {10, 20, 30, 40, 50} <= set(np.unique(sheet))


def test_lines_are_thicker_on_larger_people_but_bounded() -> None:
    small = overlays._line_width(np.array([[0.0, 0.0], [20.0, 20.0]]), (600, 800))
    large = overlays._line_width(np.array([[0.0, 0.0], [500.0, 400.0]]), (600, 800))
    assert 800 * 0.003 <= small < large <= 800 * 0.007
