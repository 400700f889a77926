"""What is behind (and sometimes before) the figures: walls, floors, blurred shapes, clutter, noise."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from armature.data.synthetic.palette import Image

#: Pictures kept ready for each size; two of them are mixed anew for every picture.
BANK = 20


@lru_cache(maxsize=2)
def bank(height: int, width: int) -> tuple[Image, ...]:
    """Backgrounds a quarter larger than the picture, so that each use shows another cut."""
    rng = np.random.default_rng(977 + height * 4099 + width)
    return tuple(_background(height * 5 // 4, width * 5 // 4, kind % 4, rng) for kind in range(BANK))


@lru_cache(maxsize=2)
def grain(height: int, width: int) -> Image:
    """Camera noise around 128, (H + 64, W + 64, 3)."""
    rng = np.random.default_rng(31)
    return np.clip(rng.normal(128, 40, (height + 64, width + 64, 3)), 0, 255).astype(np.uint8)


def backdrop(height: int, width: int, rng: np.random.Generator) -> Image:
    """A new background (H, W, 3): two of the bank, cut, mirrored and mixed, with clutter on it."""
    pictures = bank(height, width)
    a, b = (pictures[int(i)] for i in rng.integers(len(pictures), size=2))
    share = float(rng.random()) ** 0.5
    image = cv2.addWeighted(_cut(a, height, width, rng), share, _cut(b, height, width, rng), 1.0 - share, float(rng.uniform(-25, 20)))
    clutter(image, int(rng.integers(0, 9)), rng)
    return image


def _cut(picture: Image, height: int, width: int, rng: np.random.Generator) -> Image:
    y, x, flip = rng.random(3)
    top, left = int(y * (picture.shape[0] - height)), int(x * (picture.shape[1] - width))
    cut = picture[top : top + height, left : left + width]
    return cv2.flip(cut, 1) if flip < 0.5 else cut


def clutter(image: Image, count: int, rng: np.random.Generator) -> None:
    """Paints shapes: boxes, discs, rods and triangles that are nobody's limb."""
    height, width = image.shape[:2]
    numbers = rng.random((count, 12))
    for row in numbers:
        kind, cx, cy, size, turn, ratio, *rgb = row.tolist()[:9]
        centre = np.array([cx * width, cy * height])
        length = (0.05 + 0.25 * size * size) * max(height, width)
        colour = (rgb[0] * 255, rgb[1] * 255, rgb[2] * 255)
        shape(image, kind, centre, length, turn, ratio, colour)


def shape(image: Image, kind: float, centre: np.ndarray, length: float, turn: float, ratio: float, colour: tuple[float, ...]) -> np.ndarray:
    """Paints one shape and returns its outline (points, 2) in 1/16 px, to be drawn on other maps as well."""
    corners = 4 if kind < 0.5 else (3 if kind < 0.62 else 14)
    slim = 0.08 + 0.12 * ratio if kind < 0.25 else 0.35 + 0.65 * ratio
    angle = np.arange(corners) * (2 * np.pi / corners) + np.pi / 4
    local = np.stack([np.cos(angle), slim * np.sin(angle)], 1) * length
    c, s = np.cos(turn * 6.3), np.sin(turn * 6.3)
    outline = np.rint((local @ np.array([[c, s], [-s, c]]) + centre) * 16).astype(np.int32)
    cv2.fillConvexPoly(image, outline, colour, cv2.LINE_AA, 4)
    if kind > 0.35:
        inner = np.rint((local * 0.72 @ np.array([[c, s], [-s, c]]) + centre - length * 0.06) * 16).astype(np.int32)
        cv2.fillConvexPoly(image, inner, tuple(v * 0.88 + 18 for v in colour), cv2.LINE_AA, 4)
    return outline


def _background(height: int, width: int, kind: int, rng: np.random.Generator) -> Image:
    picture = _gradient(height, width, rng)
    if kind == 0:
        picture = _room(picture, rng)
    if kind == 1:
        picture += _noise(height, width, rng)
    if kind == 2:
        picture = _blobs(picture, rng)
    if kind == 3:
        picture = _room(_blobs(picture, rng), rng) + _noise(height, width, rng) * 0.5
    return np.clip(picture, 0, 255).astype(np.uint8)


def _gradient(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    corners = (rng.uniform(50, 220) + rng.normal(0, 32, (2, 2, 3))).astype(np.float32)
    return cv2.resize(corners, (width, height), interpolation=cv2.INTER_LINEAR)


def _room(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A floor below a horizon, with boards, tiles or grass."""
    height, width = picture.shape[:2]
    horizon = int(height * rng.uniform(0.4, 0.75))
    rows = np.linspace(0.75, 1.15, height - horizon, dtype=np.float32)[:, None, None]
    floor = np.broadcast_to((rng.uniform(60, 190) + rng.normal(0, 25, 3)).astype(np.float32) * rows, (height - horizon, width, 3)).copy()
    depth = np.linspace(0.05, 1, height - horizon)[:, None]
    x = (np.arange(width) - width / 2)[None] / depth
    style = rng.integers(3)
    if style == 0:
        floor += (12 * np.sign(np.sin(x / 22.0)) * depth**0.5)[..., None]
    elif style == 1:
        floor += (10 * np.sign(np.sin(x / 22.0) * np.sin(9 / depth)))[..., None]
    else:
        floor += _noise(height - horizon, width, rng) * 0.5
    out = picture.copy()
    out[horizon:] = floor
    return out


def _noise(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    total = np.zeros((height, width, 3), np.float32)
    for cells, strength in ((6, 34.0), (20, 18.0), (70, 11.0)):
        grey = rng.normal(0, strength, (cells, cells, 1)) + rng.normal(0, strength * 0.35, (cells, cells, 3))
        total += cv2.resize(grey.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    return total


def _blobs(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Things far behind, out of focus."""
    height, width = picture.shape[:2]
    image = np.clip(picture, 0, 255).astype(np.uint8)
    for _ in range(int(rng.integers(8, 26))):
        centre = rng.random(2) * (width, height)
        colour = tuple(float(v) for v in np.clip(rng.uniform(30, 225) + rng.normal(0, 30, 3), 0, 255))
        shape(image, rng.random(), centre, rng.uniform(0.04, 0.22) * width, rng.random(), rng.random(), colour)
    return cv2.GaussianBlur(image, (0, 0), rng.uniform(1.0, 7.0)).astype(np.float32)
