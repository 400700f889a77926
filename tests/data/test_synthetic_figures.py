"""Kinematics and drawing, against the geometry of one ball and one limb."""

from __future__ import annotations

import numpy as np
import pytest

from armature.data.synthetic import paint, person
from armature.data.synthetic.kinematics import Figures, pose
from armature.data.synthetic.rig import Builder, Pose, Rig, View, spelling


def _ball(radius: float) -> Rig:
    b = Builder("ball")
    b.joint("body", None, (0, 0, 0), stretch=(0, 0, 0))
    b.part("ball", "skin", ("body", (0, 0, 0), radius))
    b.point("centre", "body", (0, 0, 0), ("ball",))
    return b.build(["centre"], [Pose(1.0)], View(), 1.0)


def test_a_ball_is_drawn_round_its_centre() -> None:
    """Pixel i spans [i, i + 1): the centre of the pixels of a disc is the centre of the disc, to a tenth of a pixel."""
    rig, centre = _ball(9.0), np.array([[40.3, 27.8]])
    figures = Figures(np.zeros((1, 1, 3)), np.full((1, 1), 9.0), np.zeros((1, 1, 3)), np.ones((1, 1), bool))
    canvas = paint.blank(np.zeros((64, 80, 3), np.uint8))
    drawing = paint.sketch(rig, figures, np.ones(1), centre, np.array([-0.6, -0.8]), np.random.default_rng(0))
    paint.paint(canvas, drawing, 0, 7)
    y, x = np.nonzero(canvas.labels == 7 << 8)
    np.testing.assert_allclose([x.mean() + 0.5, y.mean() + 0.5], centre[0], atol=0.1)
    assert len(x) == pytest.approx(np.pi * 9.5**2, rel=0.06)  # OpenCV fills every pixel the outline touches
    weight = canvas.image[..., 0] / canvas.image[28, 40, 0]
    y, x = np.mgrid[:64, :80] + 0.5
    np.testing.assert_allclose(
        [(weight * x).sum() / weight.sum(), (weight * y).sum() / weight.sum()], centre[0], atol=0.1
    )


def test_an_outline_is_the_hull_of_its_circles() -> None:
    rig = _limb()
    figures = pose(rig, 1, np.random.default_rng(0))
    balls, radii = figures.balls[..., :2] * 100.0, figures.radii * 100.0
    corners = paint.outlines(rig, balls, radii, np.zeros(2))[0, 0, 0] / 16 + 0.5
    for corner in corners:
        distance = np.hypot(*(corner - balls[0]).T) - radii[0]
        assert abs(distance.min()) < 0.1 and (distance > -0.1).all()


def _limb() -> Rig:
    b = Builder("limb")
    b.joint("body", None, (0, 0, 0), stretch=(0, 0, 0))
    b.joint("end", "body", (0, -1.0, 0), stretch=(0, 0, 0))
    b.part("bone", "skin", ("body", (0, 0, 0), 0.3), ("end", (0, 0, 0), 0.1))
    b.point("end", "end", (0, 0, 0), ("bone",))
    b.limit("body", (-20, -20, -20), (20, 20, 20))
    return b.build(["end"], [Pose(1.0, {}, {"body": (60, 60, 60)})], View((0, 0), (0, 0), (0, 0)), 1.0)


def test_bones_keep_their_length_and_joints_their_limits() -> None:
    figures = pose(_limb(), 500, np.random.default_rng(1))
    ends = figures.points[:, 0]
    np.testing.assert_allclose(np.linalg.norm(ends, axis=1), 1.0)
    sideways = np.degrees(np.arcsin(np.abs(ends[:, [0, 2]]).max(0)))
    assert (sideways < 29).all() and (sideways > 18).all()  # 20 degrees about each axis, no more than both together


def test_left_and_right_are_mirrored_at_rest() -> None:
    names = ["left_wrist", "right_wrist", "left_ankle", "right_ankle", "left_ear", "right_ear"]
    rig = person.builder().build(names, [Pose(1.0, {"arm": (0, 15, 30)})], View((0, 0), (0, 0), (0, 0)), 1.75)
    points = pose(rig, 1, np.random.default_rng(0)).points[0]
    np.testing.assert_allclose(points[0::2], points[1::2] * (-1, 1, 1), atol=1e-9)
    assert (points[0::2, 0] > 0).all()


@pytest.mark.parametrize(
    ("name", "known_as"),
    [
        ("left_eye", "lefteye"),
        ("leftear", "leftear"),
        ("L_Eye", "lefteye"),
        ("eye-r", "righteye"),
        ("toe.L", "lefttoe"),
    ],
)
def test_spelling(name: str, known_as: str) -> None:
    assert spelling(name) == known_as
