"""What changes pixels on the device: nothing without being asked, and light along the published directions."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from armature.augmentation import DIRECTIONS, VARIANCES, Lighting, Photometric


def images() -> torch.Tensor:
    return torch.rand(4, 3, 12, 16, generator=torch.Generator().manual_seed(0)) / 2 + 0.25


def test_without_arguments_nothing_changes() -> None:
    assert torch.equal(Photometric()(images()), images())


def test_each_part_alone_changes_something_and_every_image_differently() -> None:
    for part in ({"brightness": 0.3, "jitter": 1.0}, {"lighting": 0.1}, {"blur": 1.0}, {"noise": 1.0}):
        torch.manual_seed(1)
        same = images()[:1].expand(4, -1, -1, -1)
        changed = Photometric(**part)(same)
        assert not torch.equal(changed, same), part
        assert not torch.equal(changed[0], changed[1]), part
        assert changed.min() >= 0 and changed.max() <= 1


def test_grey_is_grey() -> None:
    grey = Photometric(grey=1.0)(images())
    assert torch.allclose(grey[:, 0], grey[:, 1]) and torch.allclose(grey[:, 1], grey[:, 2])


def test_directions_are_orthonormal_and_in_rgb() -> None:
    directions = np.array(DIRECTIONS)
    assert directions.T @ directions == pytest.approx(np.eye(3), abs=1e-6)
    # The first is brightness, the second from blue to red.
    assert np.ptp(directions[:, 0]) < 0.05
    assert directions[0, 1] * directions[2, 1] < 0
    assert list(VARIANCES) == sorted(VARIANCES, reverse=True)


def test_lighting_adds_one_colour_to_an_image_with_the_published_covariance() -> None:
    torch.manual_seed(0)
    flat = torch.full((20_000, 3, 2, 2), 0.5, dtype=torch.float64)
    added = Lighting(0.1)(flat) - 0.5
    assert torch.equal(added.amax((2, 3)), added.amin((2, 3)))
    colours = added[:, :, 0, 0].numpy()
    expected = np.zeros((3, 3))
    for direction, variance in zip(np.array(DIRECTIONS).T, VARIANCES):
        expected += np.outer(direction, direction) * (0.1 * variance) ** 2
    assert np.cov(colours.T) == pytest.approx(expected, abs=expected.max() / 20)


def test_a_checkpoint_has_no_keys_of_it() -> None:
    assert not Photometric(lighting=0.1).state_dict()
