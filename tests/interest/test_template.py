"""A rigid thing located by one picture of it, without training."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from armature import cli, config_folders
from armature.data.geometry import map_points
from armature.errors import ConfigError, DataError
from armature.interest.rigid import PLACES, RigidPlate, painted
from armature.interest.template import TemplateMatcher, locate
from armature.skeletons import load, make

PLATE = load(config_folders.project() / "skeleton" / "plate.yaml")


class One:
    """A source of one picture and record, changed by a similarity."""

    def __init__(self, source: RigidPlate, matrix: np.ndarray | None = None) -> None:
        self.skeleton, (self.picture, self.record) = source.skeleton, source.read(0)
        if matrix is not None:
            from dataclasses import replace

            from armature.data.geometry import warp

            self.picture = warp(self.picture, matrix, self.record.size)
            self.record = replace(self.record, keypoints=map_points(self.record.keypoints, matrix))
        self.records = [self.record]

    def __len__(self) -> int:
        return 1

    def read(self, index: int, epoch: int = 0) -> tuple:
        return self.picture, self.record

    def fingerprint(self) -> str:
        return ""


def _turned(degrees: float, factor: float) -> np.ndarray:
    matrix = np.eye(3)
    matrix[:2] = cv2.getRotationMatrix2D((128, 96), degrees, factor)
    return matrix


def test_the_picture_itself_gives_its_own_points() -> None:
    source, matcher = One(RigidPlate(PLATE, 1)), TemplateMatcher()
    assert matcher.learn(source) == 1
    found = matcher.find(source.picture)
    np.testing.assert_allclose(found.keypoints[0].numpy(), source.record.keypoints[0], atol=0.1)
    assert float(found.scores[0]) > 0.6


@pytest.mark.parametrize(("degrees", "factor"), [(40, 1.0), (180, 0.9), (-75, 1.1)])
def test_a_turned_and_scaled_picture_gives_turned_and_scaled_points(degrees: float, factor: float) -> None:
    plain = RigidPlate(PLATE, 1, scale=(0.5, 0.5), tilt=0.0)
    matcher = TemplateMatcher()
    matcher.learn(One(plain))
    moved = One(plain, _turned(degrees, factor))
    away = np.linalg.norm(matcher.find(moved.picture).keypoints[0].numpy() - moved.record.keypoints[0], axis=1)
    assert away.max() < 1.5, away


@pytest.mark.slow
def test_other_pictures_of_the_plate_are_solved_by_a_few_templates() -> None:
    matcher = TemplateMatcher()
    matcher.learn(RigidPlate(PLATE, 3, seed=1))
    queries = RigidPlate(PLATE, 6, seed=2)
    errors = []
    for people, record in zip(locate(matcher, queries), queries.records, strict=True):
        assert len(people) == 1
        errors.append(np.linalg.norm(people.keypoints[0].numpy() - record.keypoints[0], axis=1))
    assert np.median(errors) < 4, errors


def test_where_the_thing_is_not_nothing_is_found() -> None:
    matcher = TemplateMatcher(agreeing=8)
    matcher.learn(RigidPlate(PLATE, 1, seed=1))
    noise = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 255, (192, 256, 3)).astype(np.uint8), (0, 0), 3)
    assert len(matcher.find(noise)) == 0


def test_large_pictures_are_reduced_and_answered_in_their_own_pixels() -> None:
    source = One(RigidPlate(PLATE, 1, size=(384, 512)))
    matcher = TemplateMatcher(longest=256)
    matcher.learn(source)
    np.testing.assert_allclose(matcher.find(source.picture).keypoints[0].numpy(), source.record.keypoints[0], atol=0.2)


def test_a_point_that_the_template_lacks_scores_nothing() -> None:
    source = One(RigidPlate(PLATE, 1))
    source.record.visibility[0, 2] = 0
    matcher = TemplateMatcher()
    matcher.learn(source)
    scores = matcher.find(source.picture).keypoint_scores[0]
    assert float(scores[2]) == 0 and float(scores[0]) > 0


def test_without_anybody_labelled_there_is_no_template() -> None:
    source = One(RigidPlate(PLATE, 1))
    source.record.visibility[:] = 0
    with pytest.raises(DataError, match="none of 1 training pictures"):
        TemplateMatcher().learn(source)
    with pytest.raises(ConfigError, match="agreeing from 3"):
        TemplateMatcher(agreeing=1)


def test_the_plate_lies_under_its_points() -> None:
    """A plate painted black with light dots at the named places: every dot lies under its label."""
    source = RigidPlate(PLATE, 4, size=(192, 256), tilt=0.2, scale=(0.6, 0.75))
    plate = np.zeros_like(painted(0))
    for x, y in PLACES:
        cv2.circle(
            plate, (round(x * 160 * 16 - 8), round(y * 160 * 16 - 8)), 5 * 16, (255, 255, 255), -1, cv2.LINE_AA, 4
        )
    source._plate = plate
    for index in range(4):
        picture, record = source.read(index)
        for x, y in record.keypoints[0]:
            if 3 < x < 253 and 3 < y < 189:
                assert picture[int(y), int(x)].mean() > 120, (index, x, y)


def test_pictures_follow_from_the_seed() -> None:
    one, again, other = (RigidPlate(PLATE, 2, seed=s) for s in (1, 1, 2))
    assert (one.read(1)[0] == again.read(1)[0]).all() and one.fingerprint() == again.fingerprint()
    assert one.fingerprint() != other.fingerprint()
    with pytest.raises(DataError, match="skeleton=plate"):
        RigidPlate(make("pair", ["left_ear", "right_ear"]), 2)
    with pytest.raises(IndexError):
        one.read(2)


@pytest.mark.slow
def test_the_verb_leaves_what_compare_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "template"
    words = ["data=plate", "skeleton=plate", "data.val.length=3", "data.train.length=4", "templates=2"]
    assert cli.main(["template", *words, f"output={out}"]) == 0
    assert "nothing found in" in capsys.readouterr().out
    told = json.loads((out / "metrics.json").read_text())
    assert told["protocol"]["templates"] == 2 and told["metrics"]["val/error/mean"] < 8
    files = [f"a:{out}/predictions.json", f"b:{out}/predictions.json", f"annotations={out}/truth.json"]
    assert cli.main(["compare", *files, "skeleton=plate", "metric=error/mean", "metrics=[PCK@0.1]"]) == 0
