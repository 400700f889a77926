"""Detectors whose answers are known: what they do to a changed picture must be found at its size."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from armature.architectures.centernet.codec import CenterNetCodec
from armature.data.geometry import translation
from armature.errors import ConfigError
from armature.skeletons import make
from armature.structures import Poses
from armature.suites.consistency import moves
from armature.suites.drawn import Draws
from armature.suites.equivariance import Equivariance, label_offset, relit
from armature.suites.scenes import View, identity, mirror, rotation, scaling, scenes, show
from armature.suites.subject import Subject, look, mapped_back

_spec = importlib.util.spec_from_file_location("dots", Path(__file__).with_name("dots.py"))
assert _spec and _spec.loader
dots = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(dots)

SCENES = [dots.scene(n) for n in range(8)]
RECORDS = [scene.record for scene in SCENES]
PLAIN = View("unchanged", 0.0, identity())


def suite(**settings) -> Equivariance:
    return Equivariance(**({"resamples": 50, "shown": 0} | settings))


def test_the_finder_finds_the_dots() -> None:
    for found, record in zip(dots.Finder().find([s.picture for s in SCENES]), RECORDS, strict=True):
        np.testing.assert_allclose(found.keypoints[0].numpy(), record.keypoints[0], atol=0.03)


@pytest.mark.parametrize(
    "view",
    [
        View("rotation", 33, rotation(33, dots.SIZE)),
        View("rotation", 180, rotation(180, dots.SIZE)),
        View("scale", 0.7, scaling(0.7, dots.SIZE)),
        View("shift", 0.5, translation(0.5, 0.5)),
        View("flip", 1, mirror(dots.SIZE)),
    ],
    ids=lambda view: f"{view.kind} {view.strength}",
)
def test_a_dot_lies_under_its_point_in_every_view_and_comes_back_to_where_it_was(view: View) -> None:
    for scene, back in zip(SCENES, look(dots.Finder(), SCENES, view, 0), strict=True):
        np.testing.assert_allclose(back.keypoints[0].numpy(), scene.record.keypoints[0], atol=0.06)


def test_the_same_picture_gives_the_same_points() -> None:
    found = look(dots.Finder((0.3, 0.1)), SCENES, PLAIN, 0)
    again = moves(found, look(dots.Finder((0.3, 0.1)), SCENES, PLAIN, 0), RECORDS, PLAIN)
    assert again.counted.all() and again.steady.all() and (again.distance == 0).all()
    numbers = again.ratios(dots.DOTS.keypoints).numbers()
    assert numbers["moved"] == 0 and numbers["jumps"] == 0 and numbers["jumps/green"] == 0


@pytest.mark.parametrize("error", [(0.5, 0.5), (-0.5, 0.0), (0.0, 0.25)])
def test_a_planted_offset_is_found_at_its_size_without_labels_and_with_them(error: tuple[float, float]) -> None:
    finder = dots.Finder(error)
    result = suite(lights=[])(finder, SCENES)
    for axis, planted in zip("xy", error, strict=True):
        assert result.numbers[f"offset/{axis}"].estimate == pytest.approx(planted, abs=0.03)
        assert result.numbers[f"labels/offset/{axis}"].estimate == pytest.approx(planted, abs=0.03)
    for axis, planted in enumerate(error):
        values = list(result.keypoints[f"offset {'xy'[axis]}"].values())
        np.testing.assert_allclose(values, planted, atol=0.04)
    labelled = label_offset(look(finder, SCENES, PLAIN, 0), RECORDS, Draws.of(len(SCENES), 50))
    for interval, planted in zip(labelled, error, strict=True):
        assert interval.estimate == pytest.approx(planted, abs=0.03)
    said = result.remarks[0]
    assert said.startswith("constant offset")
    right, down = (abs(value) > 0 for value in error)
    assert ("px to the right" in said or "px to the left" in said) == right and (" px down of" in said) == down


def test_a_detector_without_an_offset_is_told_so() -> None:
    result = suite(lights=[])(dots.Finder(), SCENES)
    assert result.remarks[0].startswith("no constant offset")
    assert result.numbers["moved"].estimate < 0.05 and result.numbers["jumps"].estimate == 0
    # dots have no sigmas and are tiny: AP with the default sigma is 1 for points this near
    assert result.numbers["AP/unchanged"].estimate == pytest.approx(1.0)
    assert result.numbers["AP/difference"].estimate == pytest.approx(0.0)


def test_an_offset_shows_as_twice_itself_in_a_mirror_and_not_at_all_in_a_shift() -> None:
    finder = dots.Finder((0.5, 0.0))
    base = look(finder, SCENES, PLAIN, 0)
    for view, expected in ((View("flip", 1, mirror(dots.SIZE)), 1.0), (View("shift", 2, translation(2, 2)), 0.0)):
        moved = moves(base, look(finder, SCENES, view, 0), RECORDS, view)
        assert moved.ratios(dots.DOTS.keypoints).numbers()["moved"] == pytest.approx(expected, abs=0.03)


def test_left_and_right_come_back_from_the_mirror() -> None:
    skeleton = make("pair", ["left_ear", "right_ear"])
    people = Poses(
        torch.tensor([[[10.0, 5.0], [30.0, 6.0]]]), torch.tensor([[0.9, 0.8]]), torch.zeros(1, 4), torch.ones(1)
    )
    back = mapped_back(people, View("flip", 1, mirror((40, 100))), skeleton)
    torch.testing.assert_close(back.keypoints[0], torch.tensor([[70.0, 6.0], [90.0, 5.0]]))
    torch.testing.assert_close(back.keypoint_scores[0], torch.tensor([0.8, 0.9]))


def test_who_is_not_found_again_has_jumped() -> None:
    class Blind(dots.Finder):
        def find(self, pictures):  # type: ignore[no-untyped-def]
            return super().find([np.full_like(image, 100) for image in pictures])

    base = look(dots.Finder(), SCENES, PLAIN, 0)
    lost = moves(base, look(Blind(), SCENES, PLAIN, 0), RECORDS, PLAIN)
    numbers = lost.ratios(dots.DOTS.keypoints).numbers()
    assert numbers["jumps"] == 1 and np.isnan(numbers["moved"])


def test_what_the_view_does_not_show_does_not_count() -> None:
    base = look(dots.Finder(), SCENES, PLAIN, 0)
    away = View("shift", 60, translation(60, 0))
    moved = moves(base, look(dots.Finder(), SCENES, away, 0), RECORDS, away)
    assert not moved.counted.any()


def test_light_is_a_factor_that_ends_at_white() -> None:
    picture = np.array([[[10, 100, 200]]], np.uint8)
    changed = relit(2.0)(picture, RECORDS[0], np.random.default_rng(0))
    assert changed.tolist() == [[[20, 200, 255]]]


class Convolutions(Subject):
    """A fully convolutional network of random weights, stride 4, in front of a real codec."""

    def __init__(self) -> None:
        skeleton = make("pair", ["left_ear", "right_ear"])
        super().__init__("convolutions", None, skeleton, (64, 96))  # type: ignore[arg-type]
        torch.manual_seed(3)
        flat = {"padding": 1, "padding_mode": "replicate"}
        self.trunk = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, **flat), nn.ReLU(), nn.Conv2d(8, 16, 3, 2, **flat), nn.ReLU()
        ).double()
        heads = {"center": 1, "size": 2, "offset": 2, "joints": 4, "heatmaps": 2, "joint_offset": 2}
        self.heads = {name: nn.Conv2d(16, channels, 1).double() for name, channels in heads.items()}
        self.codec = CenterNetCodec(skeleton, max_people=5, max_joints=5, min_score=0.0)

    @property
    def anonymous(self) -> bool:
        return False

    @torch.inference_mode()
    def find(self, pictures: Sequence[np.ndarray]) -> list[Poses]:
        images = torch.from_numpy(np.stack(list(pictures))).permute(0, 3, 1, 2).double() / 255
        features = self.trunk(images)
        outputs = {name: head(features) for name, head in self.heads.items()}
        outputs["joints"] = outputs["joints"].unflatten(1, (2, 2))
        background = float(outputs["center"][0, 0, 0, 0])
        outputs["center"] = 4 * (outputs["center"] - background).abs() - 2  # what differs from the background is a peak
        outputs["size"] = outputs["size"].abs() + 4
        return self.codec.decode(outputs, (len(images), 64, 96))


def test_a_shift_by_the_stride_changes_nothing_for_a_fully_convolutional_codec() -> None:
    network = Convolutions()
    base = look(network, SCENES, PLAIN, 0)
    assert all(len(found) for found in base)

    def moved(px: float) -> dict[str, float]:
        view = View("shift", px, translation(px, px))
        return moves(base, look(network, SCENES, view, 0), RECORDS, view).ratios(network.skeleton.keypoints).numbers()

    for px in (4.0, -4.0, 8.0):
        assert moved(px)["moved"] < 1e-5 and moved(px)["jumps"] == 0
    assert moved(1.0)["moved"] > 0.05 or moved(1.0)["jumps"] > 0


def test_points_without_names_are_refused_in_words() -> None:
    class Anonymous(dots.Finder):
        anonymous = True

    with pytest.raises(ConfigError, match="points without names"):
        suite()(Anonymous(), SCENES)


def test_a_picture_of_a_view_does_not_depend_on_what_was_shown_before() -> None:
    noisy = View("noise", 1.0, identity(), lambda p, r, rng: (p + rng.integers(0, 9, p.shape)).astype(np.uint8))
    first = show(SCENES[1], noisy, 5)
    show(SCENES[2], noisy, 5)
    assert (show(SCENES[1], noisy, 5) == first).all() and (show(SCENES[1], noisy, 6) != first).any()


def test_scenes_come_letterboxed_with_their_people() -> None:
    from armature.data.synthetic import Synthetic

    source = Synthetic(
        make("pair", ["left_ear", "right_ear"], edges=[("left_ear", "right_ear")]), 3, (64, 48), vary=False
    )
    found = scenes(source, (96, 96), 2)
    assert len(found) == 2 and found[0].record.size == (96, 96)
    record = source.records[0]
    np.testing.assert_allclose(found[0].record.keypoints, record.keypoints * 1.5 + [12, 0])
    np.testing.assert_allclose(found[0].record.areas, record.areas * 2.25)
