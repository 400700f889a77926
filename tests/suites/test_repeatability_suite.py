"""The suite over detectors and networks: an identity repeats entirely, and a planted error shows."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from armature import assembly
from armature.building import build
from armature.configuration import compose
from armature.data.synthetic import Synthetic
from armature.errors import ConfigError
from armature.skeletons import make
from armature.structures import Outputs, Poses
from armature.suites.repeatability import Repeatability, points_of
from armature.suites.scenes import Scene, filling, scenes
from armature.suites.subject import Subject

_spec = importlib.util.spec_from_file_location("dots", Path(__file__).with_name("dots.py"))
assert _spec and _spec.loader
dots = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(dots)

SCENES = [dots.scene(n) for n in range(5)]
ONLY = {"viewpoints": 0, "illuminations": 0, "rotations": [], "scales": [], "corruptions": {}, "resamples": 30}


class Finder(dots.Finder):
    """The dots' finder as a network: it says nothing but what it finds."""

    def say(self, pictures: Sequence[np.ndarray]) -> tuple[Outputs, list[Poses]]:
        return {}, self.find(pictures)


@pytest.fixture(scope="module", params=["harris", "sift"])
def detector(request: pytest.FixtureRequest) -> Subject:
    config = compose("train", [f"architecture={request.param}"])
    return Subject(request.param, assembly.assemble(config).eval(), build(config.skeleton), (96, 96))


def _drawn() -> list[Scene]:
    source = Synthetic(make("pair", ["left_ear", "right_ear"]), 3, (96, 96), seed=1, vary=False)
    return scenes(source, (96, 96))


def test_an_identity_repeats_entirely(detector: Subject) -> None:
    result = Repeatability(**(ONLY | {"rotations": [0], "scales": [1.0], "shown": 0}))(detector, _drawn())
    for kind in ("rotation", "scale"):
        for eps in (1, 3, 5):
            assert result.numbers[f"repeatability@{eps}/{kind}"].estimate == 1
        assert result.numbers[f"localisation/{kind}"].estimate == 0
    if detector.name == "sift":
        assert result.numbers["matching score/rotation"].estimate == 1
        assert result.numbers["homography@1/rotation"].estimate == 1
    else:
        assert "matching score/rotation" not in result.numbers


def test_a_turned_picture_keeps_most_of_its_points(detector: Subject) -> None:
    result = Repeatability(**(ONLY | {"rotations": [90], "viewpoints": 1, "shown": 1}))(detector, _drawn())
    assert result.numbers["repeatability@3/rotation"].estimate > 0.8
    assert 0.2 < result.numbers["repeatability@3/viewpoint"].estimate < 1
    assert len(result.pictures) == 1 and "came back" in result.pictures[0][0]


def test_a_networks_keypoints_are_its_points() -> None:
    # 90 degrees and the canvas' middle: every dot stays inside, and a planted offset turns with the picture
    suite = Repeatability(**(ONLY | {"rotations": [180], "shown": 0}))
    exact = suite(Finder(), SCENES).numbers
    assert exact["repeatability@1/rotation"].estimate == 1
    assert exact["localisation/rotation"].estimate < 0.1
    off = suite(Finder((1.0, 0.0)), SCENES).numbers
    assert off["localisation/rotation"].estimate == pytest.approx(2.0, abs=0.1)
    assert off["repeatability@1/rotation"].estimate < 0.2 and off["repeatability@3/rotation"].estimate == 1


def test_pictures_fill_the_canvas_without_an_edge_to_find() -> None:
    source = Synthetic(make("pair", ["left_ear", "right_ear"]), 1, (64, 128), seed=1, vary=False)
    scene = scenes(source, (96, 96))[0]
    filled = filling(scene)
    assert filled.shape == (96, 96, 3)
    middle = scene.picture[:, 32:96]
    import cv2

    np.testing.assert_allclose(
        filled[8:-8, 8:-8], cv2.resize(middle, (96, 96), interpolation=cv2.INTER_LINEAR)[8:-8, 8:-8], atol=2
    )


def test_pictures_of_several_sizes_are_looked_at_one_by_one(detector: Subject) -> None:
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 255, (*size, 3)).astype(np.uint8) for size in ((64, 64), (64, 64), (48, 80))]
    together = points_of(detector, pictures, None)
    for picture, found in zip(pictures, together, strict=True):
        np.testing.assert_allclose(points_of(detector, [picture], None)[0].xy, found.xy, atol=1e-4)


def test_a_corruption_that_there_is_not_is_named() -> None:
    with pytest.raises(ConfigError, match="there is no rain"):
        Repeatability(corruptions={"rain": [1]})


def test_people_without_a_record_are_the_five_best() -> None:
    class Six(Finder):
        def find(self, pictures: Sequence[np.ndarray]) -> list[Poses]:
            points = torch.arange(36.0).view(6, 3, 2)
            return [Poses(points, torch.ones(6, 3), torch.zeros(6, 4), torch.arange(6.0)) for _ in pictures]

    assert len(points_of(Six(), [SCENES[0].picture], None)[0]) == 15
    assert len(points_of(Six(), [SCENES[0].picture], SCENES[0].record)[0]) == 3
