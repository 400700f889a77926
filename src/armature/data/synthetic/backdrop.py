"""What is behind the figures: rooms, streets, walls and meadows, with things in them."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from armature.data.synthetic import things
from armature.data.synthetic.palette import Image

#: Scenes and tints kept ready for each size, made when first wanted; one of each is mixed for every picture.
SCENES, TINTS = 24, 8
#: Scenes are made no larger than this and enlarged: what is far behind is out of focus.
LARGEST = 320
_Pixels = NDArray[np.float32]


@lru_cache(maxsize=3 * SCENES)
def scene(height: int, width: int, number: int) -> Image:
    """A background a quarter larger than the picture, so that each use shows another cut."""
    rng = np.random.default_rng((977, height, width, number))
    size, small = _sizes(height, width)
    return cv2.resize(_scene(*small, number % 4, rng), size, interpolation=cv2.INTER_LINEAR).astype(np.uint8)


@lru_cache(maxsize=3 * TINTS)
def tint(height: int, width: int, number: int) -> Image:
    """A smooth colour field that changes the mood of a scene."""
    rng = np.random.default_rng((41, height, width, number))
    size, small = _sizes(height, width)
    field = np.clip(_gradient(*small, 45.0, rng) + _cloud(*small, 10.0, rng), 0, 255).astype(np.uint8)
    return cv2.resize(field, size, interpolation=cv2.INTER_LINEAR).astype(np.uint8)


def backdrop(height: int, width: int, rng: np.random.Generator) -> Image:
    """A new background (H, W, 3): a scene, cut, mirrored and tinted, with things in it."""
    first, second, share, light = rng.random(4).tolist()
    behind = _cut(scene(height, width, int(first * SCENES)), height, width, rng)
    mood = _cut(tint(height, width, int(second * TINTS)), height, width, rng)
    share = 0.6 + 0.4 * share
    image = cv2.addWeighted(behind, share, mood, 1.0 - share, 40.0 * light - 25.0)
    place_things(image, int(rng.integers(0, 6)), rng)
    return image


def _sizes(height: int, width: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Of a background: (W, H) as OpenCV wants it, and the (H, W) in which it is made."""
    full = np.array([height, width]) * 5 // 4
    small = np.maximum(full * min(1.0, LARGEST / full.max()), 8).astype(int)
    return (int(full[1]), int(full[0])), (int(small[0]), int(small[1]))


def place_things(
    image: Image,
    count: int,
    rng: np.random.Generator,
    labels: NDArray[np.uint16] | None = None,
    light: Image | None = None,
) -> None:
    """Pastes things at random places, far ones first; with ``labels`` and ``light`` they hide whoever is there."""
    height, width = image.shape[:2]
    for which, x, y in sorted(rng.random((count, 3)).tolist(), key=lambda n: n[2]):
        thing = things.cutout(height, width, int(which * things.COUNT))
        h, w = thing.solid.shape
        things.paste(thing, int(x * (width + w)) - w, int(height * (0.25 + 0.95 * y)) - h, image, labels, light)


def _cut(picture: Image, height: int, width: int, rng: np.random.Generator) -> Image:
    y, x, flip = rng.random(3).tolist()
    top, left = int(y * (picture.shape[0] - height)), int(x * (picture.shape[1] - width))
    cut = picture[top : top + height, left : left + width]
    return cv2.flip(cut, 1) if flip < 0.5 else cut


def _scene(height: int, width: int, kind: int, rng: np.random.Generator) -> Image:
    horizon = int(height * rng.uniform(0.4, 0.7))
    if kind == 0:
        picture = _indoors(height, width, horizon, rng)
    elif kind == 1:
        picture = _outdoors(height, width, horizon, rng)
    elif kind == 2:
        picture = _street(height, width, horizon, rng)
    else:
        picture = _gradient(height, width, 30.0, rng) + _cloud(height, width, float(rng.choice([6.0, 20.0, 30.0])), rng)
    image = np.clip(picture, 0, 255).astype(np.uint8)
    place_things(image, int(rng.integers(0, 7)), rng)
    blur = float(rng.choice([0.0, 0.7, 1.5, 3.0])) * max(height, width) / 320
    return cv2.GaussianBlur(image, (0, 0), blur) if blur > 0.3 else image


def _indoors(height: int, width: int, horizon: int, rng: np.random.Generator) -> _Pixels:
    """A papered wall with pictures or windows, and a floor of boards or tiles."""
    wall = _gradient(height, width, 14.0, rng) + _cloud(height, width, 3.0, rng)
    x = np.arange(width) * (2 * np.pi / rng.uniform(10, 40))
    wall += (rng.choice([0.0, 5.0, 9.0]) * np.sign(np.sin(x)))[None, :, None].astype(np.float32)
    for _ in range(int(rng.integers(0, 5))):
        left, top = int(rng.uniform(0, 0.9) * width), int(rng.uniform(0.02, 0.6) * horizon)
        w, h = int(rng.uniform(0.06, 0.25) * width), int(rng.uniform(0.1, 0.45) * height)
        frame, inside = _colour(rng), _colour(rng)
        bottom = min(top + h, horizon - 3)
        cv2.rectangle(wall, (left, top), (left + w, bottom), frame, -1)
        cv2.rectangle(wall, (left + 4, top + 4), (left + w - 4, max(bottom - 4, top + 5)), inside, -1)
    wall[horizon:] = _floor(height - horizon, width, int(rng.integers(2)), rng)
    cv2.rectangle(wall, (0, horizon - 5), (width, horizon), _colour(rng), -1)
    return wall


def _outdoors(height: int, width: int, horizon: int, rng: np.random.Generator) -> _Pixels:
    """Sky, hills and grass or sand."""
    down = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    blue = np.array([110, 160, 215], np.float32) + rng.normal(0, 22, 3).astype(np.float32)
    picture = blue * (1 - 0.4 * down) + np.float32(150) * 0.6 * down + np.maximum(_cloud(height, width, 22.0, rng), 0)
    for layer in range(int(rng.integers(1, 4))):
        x = np.arange(width)
        rugged = 0.7 + np.cumsum(rng.normal(0, 0.02, width)) + 0.3 * np.sin(x / rng.uniform(18, 60))
        tops = horizon - (0.16 - 0.05 * layer) * height * rugged
        outline = np.concatenate([np.stack([x, tops], 1), [[width, height], [0, height]]]).astype(np.int32)
        green = np.array([70, 105, 75]) + rng.normal(0, 22, 3) + 22 * (1 - layer)
        cv2.fillPoly(picture, [outline], tuple(float(v) for v in green))
    picture[horizon:] = _floor(height - horizon, width, 2, rng)
    return picture


def _street(height: int, width: int, horizon: int, rng: np.random.Generator) -> _Pixels:
    """House fronts with windows above a pavement."""
    picture = _gradient(height, width, 12.0, rng)
    left = 0
    while left < width:
        w = int(rng.uniform(0.15, 0.5) * width)
        top = int(rng.uniform(0.0, 0.6) * horizon)
        cv2.rectangle(picture, (left, top), (left + w, horizon), _colour(rng), -1)
        pane, step = _colour(rng), int(rng.uniform(0.06, 0.11) * width)
        for y in range(top + step // 2, horizon - step, int(step * 1.5)):
            for x in range(left + step // 2, left + w - step // 2, int(step * 1.3)):
                cv2.rectangle(picture, (x, y), (x + step // 2, y + int(step * 0.8)), pane, -1)
        left += w
    picture += _cloud(height, width, 5.0, rng)
    picture[horizon:] = _floor(height - horizon, width, 1, rng)
    return picture


def _floor(height: int, width: int, style: int, rng: np.random.Generator) -> _Pixels:
    """Boards, tiles, or grass and sand, seen at a slant."""
    near = np.linspace(0.05, 1, height)[:, None]
    natural = np.array([[96, 120, 66], [176, 156, 116]][int(rng.integers(2))]) + rng.normal(0, 14, 3)
    colour = np.array(_colour(rng)) if style < 2 else natural
    floor = (colour * (0.82 + 0.25 * near[..., None])).astype(np.float32).repeat(width, 1)
    x = (np.arange(width) - width * rng.uniform(0.2, 0.8))[None] / near
    across = np.sin(x / rng.uniform(14, 34)) if style < 2 else 0.0
    along = np.sin(rng.uniform(4, 9) / near) if style == 1 else 1.0
    floor += (8.0 * np.sign(across * along) * near**0.5).astype(np.float32)[..., None]
    return floor + _cloud(height, width, 9.0 if style == 2 else 2.5, rng)


def _colour(rng: np.random.Generator) -> tuple[float, float, float]:
    """A quiet colour: any lightness, little saturation, rather warm than cold."""
    grey = rng.uniform(45, 225)
    r, g, b = np.clip(grey + rng.normal(0, 14, 3) + rng.normal(6, 9) * np.array([1, 0.2, -1]), 5, 250)
    return float(r), float(g), float(b)


def _gradient(height: int, width: int, strength: float, rng: np.random.Generator) -> _Pixels:
    grey = rng.normal(0, strength, (2, 2, 1)) + rng.normal(0, strength * 0.5, (2, 2, 3))
    corners = np.array(_colour(rng)) + grey
    return cv2.resize(corners.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR).astype(np.float32)


def _cloud(height: int, width: int, strength: float, rng: np.random.Generator) -> _Pixels:
    """Noise of many sizes around 0."""
    total = np.zeros((height, width, 3), np.float32)
    for cells, share in ((5, 1.0), (17, 0.6), (60, 0.45), (160, 0.4)):
        height_of = strength * share
        grey = rng.normal(0, height_of, (cells, cells, 1)) + rng.normal(0, height_of * 0.2, (cells, cells, 3))
        total += cv2.resize(grey.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    return total
