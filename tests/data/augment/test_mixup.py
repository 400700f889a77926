"""Blends: pixels a weighted mean, everybody of both."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from armature.data.augment.mixup import MixUp
from armature.data.dataset import KeypointDataset
from armature.data.geometry import People
from armature.data.sample import Sample
from armature.errors import ConfigError


def noise(seed: int, people: int, ignore: bool = False, known: list[bool] | None = None) -> Sample:
    rng = np.random.default_rng(seed)
    mask = rng.random((12, 16)) < 0.5 if ignore else None
    flags = rng.integers(0, 3, (people, 2))
    crowd = People(rng.random((people, 4)), rng.random((people, 2, 2)), flags, rng.random(people))
    image = rng.integers(0, 255, (12, 16, 3), dtype=np.uint8)
    return Sample(image, crowd, mask, np.eye(3), seed, None if known is None else np.array(known))


def test_pixels_are_the_weighted_mean_and_everybody_is_there() -> None:
    first, second = noise(1, 2, ignore=True, known=[True, False]), noise(2, 3, ignore=True, known=[True, True])
    after = MixUp(1.0)(first, np.random.default_rng(5), lambda rng: second)
    share = np.random.default_rng(5).beta(32, 32)
    mean = share * first.image.astype(float) + (1 - share) * second.image
    assert np.abs(after.image - mean).max() <= 0.5 + 1e-9
    for one, two, both in zip(first.people, second.people, after.people):
        assert np.array_equal(np.concatenate([one, two]), both)
    assert np.array_equal(after.ignore, first.ignore | second.ignore)
    assert after.known.tolist() == [True, False]
    assert after.image_id == 1


def test_nothing_ignored_and_everything_known_stay_unsaid() -> None:
    after = MixUp(1.0)(noise(1, 1), np.random.default_rng(0), lambda rng: noise(2, 1))
    assert after.ignore is None and after.known is None
    after = MixUp(1.0)(noise(1, 1), np.random.default_rng(0), lambda rng: noise(2, 1, True, [False, True]))
    assert after.ignore.any() and after.known.tolist() == [False, True]


def test_shares_are_those_of_the_beta_distribution() -> None:
    black, white = noise(1, 0), noise(2, 0)
    black.image[:], white.image[:] = 0, 255
    rng = np.random.default_rng(0)
    shares = np.array([MixUp(1.0, alpha=2.0)(white, rng, lambda r: black).image[0, 0, 0] / 255 for _ in range(3000)])
    # Beta(2, 2): mean 1/2, variance 1/20.
    assert shares.mean() == pytest.approx(0.5, abs=0.02)
    assert shares.var() == pytest.approx(0.05, abs=0.005)


def test_the_other_one_is_drawn_from_the_same_numbers(lit: Callable) -> None:
    source = lit(count=9)
    data = KeypointDataset(source, (64, 96), augment={"m": MixUp(1.0)})
    plain = KeypointDataset(source, (64, 96))
    partners = []
    for index in range(9):
        sample, own = data[(0, index)], plain[(0, index)]
        assert np.array_equal(sample.people.keypoints[:2], own.people.keypoints)
        others = sample.people.keypoints[2:]
        partners.append(next(i for i in range(9) if np.array_equal(plain[(0, i)].people.keypoints, others)))
    assert len(set(partners)) > 3


def test_alpha_is_checked() -> None:
    with pytest.raises(ConfigError, match="MixUp: alpha"):
        MixUp(alpha=0)
