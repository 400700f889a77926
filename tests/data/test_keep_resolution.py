"""Pictures at their own resolution: sizes as released, nothing interpolated, points under their pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from armature.data.keep_resolution import KeepResolution
from armature.errors import ConfigError
from armature.skeletons import make
from armature.structures import Record

SKELETON = make("one", ["dot"])


class Lit:
    """One picture with one lit pixel, and a person whose keypoint lies on it."""

    skeleton = SKELETON

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size

    def __len__(self) -> int:
        return 1

    def read(self, index: int, epoch: int) -> tuple[Any, Record]:
        height, width = self.size
        picture = np.random.default_rng(0).integers(0, 200, (height, width, 3)).astype(np.uint8)
        picture[7, 5] = 255
        record = Record(
            1,
            "",
            self.size,
            np.array([[[5.5, 7.5]]]),
            np.array([[2]]),
            np.array([[1.0, 1.0, 20.0, 25.0]]),
            np.array([100.0]),
            np.array([False]),
            np.array([1]),
        )
        return picture, record


@pytest.mark.parametrize(
    ("size", "divisor", "canvas"),
    [((427, 640), 32, (448, 672)), ((33, 31), 32, (64, 32)), ((50, 64), 128, (128, 128)), ((64, 64), 32, (96, 96))],
)
def test_the_canvas_is_the_next_multiple_and_the_picture_unchanged_in_its_middle(
    size: tuple[int, int], divisor: int, canvas: tuple[int, int]
) -> None:
    source = Lit(size)
    sample = KeepResolution(source, divisor=divisor)[0]  # type: ignore[arg-type]
    assert sample.image.shape[:2] == canvas
    top, left = canvas[0] // 2 - size[0] // 2, canvas[1] // 2 - size[1] // 2
    assert np.array_equal(sample.image[top : top + size[0], left : left + size[1]], source.read(0, 0)[0])
    x, y = sample.people.keypoints[0, 0]
    assert (sample.image[int(y), int(x)] == 255).all() and (x % 1, y % 1) == (0.5, 0.5)
    assert np.allclose(sample.to_source @ [x, y, 1], [5.5, 7.5, 1])
    assert np.allclose(sample.people.areas, 100)


def test_an_impossible_divisor_is_refused() -> None:
    with pytest.raises(ConfigError, match="power of two"):
        KeepResolution(Lit((8, 8)), divisor=24)  # type: ignore[arg-type]
