"""Colours in the loader: each part against its definition, and nothing else changes."""

from __future__ import annotations

from typing import Any

import cv2
import kornia
import numpy as np
import pytest
import torch

from armature.data.augment.colour import LUMA, Colour, colour_map
from armature.data.dataset import KeypointDataset
from armature.data.sample import Sample
from armature.errors import ConfigError

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 3)).astype(float)


def changed(**options: float) -> np.ndarray:
    matrix = colour_map(**options)
    return PIXELS @ matrix[:, :3].T + matrix[:, 3]


def test_each_part_is_what_it_is_called() -> None:
    grey = (PIXELS @ LUMA)[:, None]
    np.testing.assert_allclose(changed(), PIXELS, atol=1e-9)
    np.testing.assert_allclose(changed(brightness=1.2), 1.2 * PIXELS, atol=1e-9)
    np.testing.assert_allclose(changed(contrast=0.7), 0.7 * (PIXELS - 127.5) + 127.5, atol=1e-9)
    np.testing.assert_allclose(changed(saturation=1.4), grey + 1.4 * (PIXELS - grey), atol=1e-9)
    np.testing.assert_allclose(changed(saturation=0.0), np.broadcast_to(grey, PIXELS.shape), atol=1e-9)


def test_saturation_and_brightness_are_those_of_torchvision() -> None:
    from torchvision.transforms.v2 import functional

    picture = torch.tensor(PIXELS.reshape(1, 40, 3) / 255 * 0.5).permute(2, 0, 1)  # dark, so that nothing is cut off
    for name, options in (("saturation", {"saturation": 1.3}), ("brightness", {"brightness": 1.25})):
        expected = getattr(functional, f"adjust_{name}")(picture, next(iter(options.values())))
        matrix = colour_map(**options)
        found = torch.einsum("ij,jhw->ihw", torch.tensor(matrix[:, :3]), picture).clamp(0, 1)
        assert (found - expected).abs().max() < 2e-3  # its luma has other digits


def test_a_turn_of_hue_goes_the_way_that_hsv_counts() -> None:
    linear = colour_map(hue=1 / 12)[:, :3]
    # From red towards yellow, from green towards cyan, from blue towards magenta: the next channel comes up.
    for channel in range(3):
        after = linear[:, channel]
        assert after[(channel + 1) % 3] > after[channel - 1] + 0.1
        before = torch.zeros(1, 3, 1, 1)
        before[0, channel] = 1.0
        hsv = kornia.enhance.adjust_hue(before, 2 * np.pi / 12)[0, :, 0, 0]
        assert hsv[(channel + 1) % 3] > hsv[channel - 1]


def test_hue_keeps_brightness_and_a_whole_turn_is_none() -> None:
    np.testing.assert_allclose(changed(hue=0.2) @ LUMA, PIXELS @ LUMA, atol=1e-6)
    np.testing.assert_allclose(changed(hue=1.0), PIXELS, atol=1e-6)
    assert np.abs(changed(hue=0.03) - PIXELS).max() > 5


def sample_of(image: np.ndarray) -> Sample:
    return Sample(image, "people", None, np.eye(3), 7)  # type: ignore[arg-type]


def test_only_pixels_change_and_each_picture_otherwise() -> None:
    image = np.random.default_rng(1).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    colour = Colour(probability=1.0)
    found = [colour(sample_of(image), np.random.default_rng(n), None) for n in (1, 1, 2)]  # type: ignore[arg-type]
    assert all(f.people == "people" and f.image_id == 7 and f.image.dtype == np.uint8 for f in found)
    assert np.array_equal(found[0].image, found[1].image) and not np.array_equal(found[0].image, found[2].image)
    matrix = colour_map(1.1, 0.9, 1.2, 0.02)
    expected = np.clip(np.round(image @ matrix[:, :3].T + matrix[:, 3]), 0, 255)
    assert np.abs(cv2.transform(image, matrix) - expected).max() <= 1


def test_shares_of_pictures_are_those_asked_for() -> None:
    image = np.random.default_rng(1).integers(60, 200, (4, 4, 3), dtype=np.uint8)
    rng = np.random.default_rng(0)
    found = [Colour(probability=0.3, grey=0.2)(sample_of(image), rng, None).image for _ in range(1500)]  # type: ignore[arg-type]
    grey = np.mean([(f == f[..., :1]).all() for f in found])
    same = np.mean([np.array_equal(f, image) for f in found])
    assert abs(grey - 0.2) < 0.035 and abs(same - 0.7 * 0.8) < 0.045


def test_it_is_one_of_the_augmentations_of_a_data_set(dots: Any) -> None:
    plain = KeypointDataset(dots(3), (48, 64))[0]
    coloured = KeypointDataset(dots(3), (48, 64), augment={"colour": Colour(1.0)})[0]
    assert np.array_equal(plain.people.keypoints, coloured.people.keypoints)
    assert not np.array_equal(plain.image, coloured.image)


@pytest.mark.parametrize("options", [{"brightness": 1.2}, {"hue": 0.6}, {"probability": 2}, {"grey": -1}])
def test_ranges_that_make_no_sense_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        Colour(**options)  # type: ignore[arg-type]
