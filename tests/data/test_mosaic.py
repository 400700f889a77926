"""Mosaics: every point where its picture shows it, no picture over another, random by (seed, epoch, index) alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from armature.data.dataset import KeypointDataset
from armature.data.geometry import RandomAffine, map_points
from armature.data.mosaic import Mosaic
from armature.errors import ConfigError

CANVAS = (120, 160)


@pytest.mark.parametrize("seed", range(6))
def test_pictures_touch_the_point_and_do_not_overlap(seed: int) -> None:
    sizes = [(60, 100), (100, 60), (33, 200), (120, 160)]
    places = Mosaic().places(sizes, CANVAS, np.random.default_rng(seed))
    owned = np.zeros((2 * CANVAS[0], 2 * CANVAS[1]), int)
    corners, touching = [], [(1, 1), (0, 1), (0, 0), (1, 0)]
    for size, matrix, (right, low) in zip(sizes, places, touching, strict=True):
        assert matrix[0, 0] == pytest.approx(min(CANVAS[0] / size[0], CANVAS[1] / size[1]))
        corners.append(map_points(np.array([right * size[1], low * size[0]], float), matrix))
        y, x = np.mgrid[: owned.shape[0], : owned.shape[1]] + 0.5
        back = map_points(np.stack([x - CANVAS[1] / 2, y - CANVAS[0] / 2], -1), np.linalg.inv(matrix))
        owned += ((back > 0) & (back < (size[1], size[0]))).all(-1)
    assert owned.max() == 1
    assert np.ptp(corners, axis=0) == pytest.approx(0, abs=1e-9)
    assert ((corners[0] >= 0) & (corners[0] <= (CANVAS[1], CANVAS[0]))).all()


def test_points_lie_where_their_pictures_show_them(dots: Callable) -> None:
    """Sources light a pixel under every point; after a mosaic and a warp there is light under each that is left."""
    source = dots(8)
    data = KeypointDataset(source, (192, 192), RandomAffine((1.0, 1.5), 20, 0.1, 0.5), 2, (0, 0, 0), Mosaic())
    seen = 0
    for index in range(8):
        sample = data[(1, index)]
        for x, y in sample.people.keypoints[sample.people.visibility > 0]:
            near = sample.image[max(0, int(y) - 2) : int(y) + 3, max(0, int(x) - 2) : int(x) + 3]
            assert near.max() > 30, (index, x, y)
            seen += 1
    assert seen > 30


def test_a_mosaic_depends_on_seed_epoch_and_index_alone(dots: Callable) -> None:
    def sample(draw: tuple[int, int], mosaic: Mosaic | None = None) -> np.ndarray:
        return KeypointDataset(dots(5), (64, 64), RandomAffine(), 3, mosaic=mosaic or Mosaic())[draw].image

    assert np.array_equal(sample((1, 2)), sample((1, 2)))
    assert not np.array_equal(sample((1, 2)), sample((2, 2)))
    plain = KeypointDataset(dots(5), (64, 64), RandomAffine(), 3)
    assert not np.array_equal(sample((1, 2)), plain[(1, 2)].image)
    late = sample((4, 2), Mosaic(passes=4))
    assert late.shape == (64, 64, 3) and np.array_equal(late, plain[(4, 2)].image)


def test_probabilities_are_checked() -> None:
    with pytest.raises(ConfigError, match=r"found 1\.5 and None"):
        Mosaic(1.5)
