"""Bad pictures: what each kind must do to a picture, and the arithmetic of mPC and rPC against a loop."""

from __future__ import annotations

import importlib.util
import itertools
from pathlib import Path

import numpy as np
import pytest

from armature.errors import ConfigError, DataError
from armature.suites.accuracy import accuracy, judge_of
from armature.suites.corruption_kinds import KINDS, OCCLUSIONS, STRENGTHS, change
from armature.suites.corruptions import Corruptions
from armature.suites.drawn import Draws, relative
from armature.suites.scenes import View, identity, show
from armature.suites.subject import look

_spec = importlib.util.spec_from_file_location("dots", Path(__file__).with_name("dots.py"))
assert _spec and _spec.loader
dots = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(dots)

SCENES = [dots.scene(n) for n in range(6)]


def _picture(size: tuple[int, int] = (96, 128)) -> np.ndarray:
    """Edges, flat parts and all three colours."""
    y, x = np.mgrid[: size[0], : size[1]]
    waves = 60 * np.sin(x / 2.3 + y / 7.1)
    return np.stack([(x // 11 % 2) * 60 + 70 + waves, y * 150 // size[0] + 40, 120 + waves], -1).astype(np.uint8)


def _corrupted(kind: str, strength: int, picture: np.ndarray, seed: int = 0) -> np.ndarray:
    record = SCENES[0].record
    return change(kind, strength, dots.DOTS)(picture, record, np.random.default_rng(seed))


@pytest.mark.parametrize("kind", KINDS)
def test_more_strength_is_further_from_the_picture(kind: str) -> None:
    picture = _picture()
    away = [np.abs(_corrupted(kind, s, picture).astype(float) - picture).mean() for s in STRENGTHS]
    assert away[0] > 0.2 and away[-1] > 1.3 * away[0], away
    assert all(b > 0.7 * a for a, b in itertools.pairwise(away)), away
    assert _corrupted(kind, 3, picture).shape == picture.shape and _corrupted(kind, 3, picture).dtype == np.uint8


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_draws_the_same_picture_and_the_given_one_is_not_changed(kind: str) -> None:
    picture = _picture()
    before = picture.copy()
    assert (_corrupted(kind, 2, picture, 4) == _corrupted(kind, 2, picture, 4)).all()
    assert (picture == before).all()


def test_noise_has_its_stated_spread() -> None:
    grey = np.full((128, 128, 3), 128, np.uint8)
    for strength, spread in ((1, 0.08), (2, 0.12)):
        assert _corrupted("gaussian_noise", strength, grey).std() / 255 == pytest.approx(spread, rel=0.03)
    # Poisson: variance = light / photons
    assert _corrupted("shot_noise", 1, grey).std() / 255 == pytest.approx(np.sqrt(128 / 255 / 60), rel=0.05)
    changed = (_corrupted("impulse_noise", 3, grey) != 128).mean()
    assert changed == pytest.approx(0.09, rel=0.1)


def test_blur_keeps_the_light_and_its_middle() -> None:
    point = np.zeros((65, 65, 3), np.uint8)
    point[32, 32] = 255
    big = np.tile(point, (4, 4, 1))[: 65 * 4, : 65 * 4]
    for kind in ("defocus_blur", "motion_blur"):
        light = KINDS[kind](big.astype(np.float32) / 255, 1, np.random.default_rng(0))
        assert light.sum() == pytest.approx(16 * 3, rel=1e-3)
        one = light[65:130, 65:130, 0]
        y, x = np.mgrid[:65, :65]
        assert (one * x).sum() / one.sum() == pytest.approx(32, abs=1e-3)
        assert (one * y).sum() / one.sum() == pytest.approx(32, abs=1e-3)


def test_contrast_and_brightness_do_what_their_names_say() -> None:
    picture = _picture()
    faint = _corrupted("contrast", 3, picture)
    assert faint[..., 0].std() == pytest.approx(0.2 * picture[..., 0].std(), rel=0.05)
    assert faint.mean() == pytest.approx(picture.mean(), abs=1)
    light = _corrupted("brightness", 2, picture)
    np.testing.assert_allclose(light.max(-1), np.minimum(picture.max(-1) + 51.0, 255), atol=2)


def test_occlusion_covers_joints_and_leaves_the_rest() -> None:
    scene = SCENES[2]
    points = scene.record.keypoints[0]
    covered = [
        int(sum((shown[int(y), int(x)] == (124, 116, 104)).all() for x, y in points))
        for strength in STRENGTHS
        for shown in [_covered(scene, OCCLUSIONS[0], strength)]
    ]
    assert covered[0] >= 1 and covered[-1] >= 2 and covered == sorted(covered)
    untouched = _covered(scene, OCCLUSIONS[0], 1)
    assert (untouched != scene.picture).any(-1).mean() < 0.2
    # dots have no limbs: nothing to cover
    assert (_covered(scene, OCCLUSIONS[1], 5) == scene.picture).all()


def _covered(scene, kind: str, strength: int) -> np.ndarray:  # type: ignore[no-untyped-def]
    return show(scene, View(kind, strength, identity(), change(kind, strength, dots.DOTS)), 0)


class Breaking(dots.Finder):
    """Finds everybody in clean pictures and is far off in noisy ones."""

    def find(self, pictures):  # type: ignore[no-untyped-def]
        found = super().find(pictures)
        for people, picture in zip(found, pictures, strict=True):
            if picture[:8, :8].std((0, 1)).max() > 25:
                people.keypoints += 500
        return found


def test_mean_and_relative_performance_are_what_a_loop_says() -> None:
    suite = Corruptions(["gaussian_noise", "contrast"], [], [1, 5], resamples=30, shown=0)
    result = suite(Breaking(), SCENES)
    records, judge = [s.record for s in SCENES], judge_of(dots.DOTS)
    cells = []
    for kind in ("gaussian_noise", "contrast"):
        for strength in (1, 5):
            view = View(kind, float(strength), identity(), change(kind, strength, dots.DOTS))
            found = look(Breaking(), SCENES, view, 0)
            cells.append(float(accuracy(found, records, judge, Draws.of(6, 10), ["AP"])["AP"][0]))
    assert result.numbers["clean"].estimate == pytest.approx(1.0)
    assert result.numbers["mPC"].estimate == pytest.approx(np.mean(cells))
    assert result.numbers["rPC"].estimate == pytest.approx(np.mean(cells))
    assert result.numbers["drop"].estimate == pytest.approx(1 - np.mean(cells))
    assert result.numbers["mPC/contrast"].estimate == pytest.approx(np.mean(cells[2:]))
    assert 0 < np.mean(cells) < 1
    assert result.card["seed"] == 0 and result.card["kinds"] == ["gaussian_noise", "contrast"]


def test_nothing_is_relative_to_nothing() -> None:
    clean, changed = np.array([0.5, 0.4, 0.0]), np.array([0.25, 0.1, 0.1])
    np.testing.assert_allclose(relative(changed, clean), [0.5, 0.25, np.nan])
    assert np.isnan(relative(changed, np.array([0.004, 0.5, 0.5]))).all()


def test_what_there_is_not_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"suite\.kinds: there is no rain; known: gaussian_noise"):
        Corruptions(["rain"])
    with pytest.raises(ConfigError, match="there is no 6"):
        Corruptions(strengths=[6])


def test_pictures_without_labels_are_refused() -> None:
    from dataclasses import replace

    blank = [replace(s, record=replace(s.record, visibility=s.record.visibility * 0)) for s in SCENES]
    with pytest.raises(DataError, match="nobody is labelled"):
        Corruptions(["contrast"])(dots.Finder(), blank)
