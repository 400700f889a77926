"""JPEG on the canvas, against another library's encoder."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from armature.data.augment.compression import Jpeg, compress
from armature.data.geometry import People
from armature.data.sample import Sample
from armature.errors import ConfigError


def scene() -> np.ndarray:
    """Smooth colours with an edge, (64, 96, 3)."""
    y, x = np.mgrid[:64, :96]
    picture = np.stack([2 * x, 3 * y, 255 - x - y], -1)
    picture[20:40, 30:60] = (200, 30, 40)
    return picture.astype(np.uint8)


@pytest.mark.parametrize("quality", [20, 50, 95])
def test_it_is_what_pillow_makes_of_it(quality: int) -> None:
    file = io.BytesIO()
    Image.fromarray(scene()).save(file, "JPEG", quality=quality)
    expected = np.array(Image.open(file)).astype(int)
    found = compress(scene(), quality).astype(int)
    # The same tables and the same halved colours; rounding differs.
    assert np.abs(found - expected).mean() < 1.0
    error = np.abs(expected - scene()).mean()
    assert np.abs(found - scene()).mean() == pytest.approx(error, rel=0.15, abs=0.1)


def test_lower_quality_is_worse() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    errors = [np.abs(compress(noise, q).astype(int) - noise).mean() for q in (10, 30, 60, 95)]
    assert errors == sorted(errors, reverse=True)


def test_qualities_are_drawn_between_the_bounds() -> None:
    jpeg, found, rng = Jpeg(1.0, (30, 32)), set(), np.random.default_rng(0)
    pictures = {q: compress(scene(), q).tobytes() for q in range(28, 35)}
    nobody = People(np.zeros((0, 4)), np.zeros((0, 1, 2)), np.zeros((0, 1), int), np.zeros(0))
    sample = Sample(scene(), nobody, None, np.eye(3), 1)
    for _ in range(60):
        made = jpeg(sample, rng, lambda r: sample).image.tobytes()
        found |= {q for q, p in pictures.items() if p == made}
    assert found == {30, 31, 32}


def test_qualities_are_checked() -> None:
    with pytest.raises(
        ConfigError, match=r"Jpeg: quality must be two ascending numbers in \[1, 100\]; found \(0, 50\)"
    ):
        Jpeg(quality=(0, 50))
