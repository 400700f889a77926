"""Colours and cloth patterns: what each figure of a picture is painted with."""

from __future__ import annotations

import colorsys
from collections.abc import Callable
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from armature.data.synthetic.rig import Floats

Image = NDArray[np.uint8]

_SKIN = np.array([[255, 224, 196], [241, 194, 160], [226, 172, 132], [198, 140, 100], [168, 112, 76], [136, 86, 56], [104, 64, 42], [72, 46, 34]])
_HAIR = np.array([[24, 20, 20], [48, 32, 24], [86, 56, 34], [128, 84, 46], [196, 152, 88], [222, 196, 140], [150, 62, 30], [150, 150, 150]])
_FUR = np.array([[232, 226, 214], [196, 160, 110], [150, 104, 62], [100, 68, 44], [60, 52, 50], [150, 146, 142], [206, 126, 62], [120, 96, 70]])
_MOUSE = np.array([[44, 42, 44], [96, 84, 74], [150, 142, 136], [228, 224, 218], [120, 92, 66], [70, 64, 62]])

#: Materials that wear a pattern, and how often.
PATTERNED = {"top": 0.55, "bottom": 0.25, "fur": 0.35}


def colours(materials: tuple[str, ...], count: int, rng: np.random.Generator) -> tuple[Floats, NDArray[np.bool_]]:
    """(P, materials, 3) RGB 0-255 for each figure and (P, materials) whether it has the material at all (long hair, buttons)."""
    draw = {m: i for i, m in enumerate(materials)}
    out = np.zeros((count, len(materials), 3))
    worn = np.ones((count, len(materials)), bool)
    mix = rng.random((count, 24))
    base = {
        "skin": _between(_SKIN, mix[:, 0]),
        "hair": _between(_HAIR, mix[:, 1]) * (0.75 + 0.5 * mix[:, 2:3]),
        "fur": _between(_FUR, mix[:, 0]) * (0.8 + 0.4 * mix[:, 2:3]),
        "mouse": _between(_MOUSE, mix[:, 0]),
        "top": _cloth(mix[:, 3:6]),
        "bottom": _cloth(mix[:, 6:9] * np.array([1.0, 0.75, 0.8])),
        "shoe": _cloth(mix[:, 9:12] * np.array([1.0, 0.5, 1.0])),
    }
    for name, i in draw.items():
        out[:, i] = _material(name, base, mix)
    for name, chance in (("locks", 0.45), ("button", 0.5), ("collar", 0.8)):
        if name in draw:
            worn[:, draw[name]] = mix[:, 12] < chance
    return np.clip(out, 0.0, 255.0), worn


def _material(name: str, base: dict[str, Floats], mix: Floats) -> Floats:
    skin = base["skin"]
    rules: dict[str, Callable[[], Floats]] = {
        "nose": lambda: skin * 0.93,
        "mouth": lambda: skin * 0.5 + np.array([75.0, 12.0, 16.0]),
        "white": lambda: np.full_like(skin, 245.0),
        "pupil": lambda: np.full_like(skin, 25.0),
        "locks": lambda: base["hair"] * 0.9,
        "sleeve": lambda: np.where(mix[:, 13:14] < 0.5, base["top"], skin),
        "legs": lambda: np.where(mix[:, 14:15] < 0.68, base["bottom"], skin),
        "collar": lambda: np.where(mix[:, 15:16] < 0.6, skin, 0.4 * base["top"] + 150.0),
        "button": lambda: np.where(base["top"].mean(1, keepdims=True) > 120, base["top"] * 0.45, base["top"] * 0.5 + 120.0),
        "sole": lambda: np.where(mix[:, 16:17] < 0.5, 235.0, base["shoe"] * 0.5),
        "fur_dark": lambda: base["fur"] * 0.62,
        "fur_light": lambda: base["fur"] * 0.6 + 95.0,
        "muzzle": lambda: base["fur"] * 0.35,
        "pink": lambda: base["mouse"] * 0.25 + np.array([165.0, 115.0, 110.0]),
        "mouse_dark": lambda: base["mouse"] * 0.75,
        "nail": lambda: skin * 0.55 + np.array([112.0, 95.0, 92.0]),
        "palm": lambda: np.minimum(skin * 1.08 + np.array([8.0, 2.0, 2.0]), 255.0),
    }
    if name in base:
        return base[name]
    if name in rules:
        return rules[name]()
    hue, value = (float(v) for v in name.split(":")[1:])
    shift = (mix[:, 3] - 0.5) * 0.06
    return np.array([[c * 255 for c in colorsys.hsv_to_rgb((hue + s) % 1.0, 0.75, value * (0.85 + 0.15 * m))] for s, m in zip(shift, mix[:, 4], strict=True)])


def _between(ramp: NDArray[np.int64], at: Floats) -> Floats:
    position = at * (len(ramp) - 1)
    low = position.astype(int)
    part = (position - low)[:, None]
    return ramp[low] * (1 - part) + ramp[np.minimum(low + 1, len(ramp) - 1)] * part


def _cloth(mix: Floats) -> Floats:
    """(P, 3) RGB of cloth from hue, saturation and value in [0, 1); greys are as common as strong colours."""
    hue, saturation, value = mix.T
    saturation = np.clip(saturation * 1.3 - 0.25, 0.0, 0.9)
    value = 0.16 + 0.8 * value
    k = (np.array([5.0, 3.0, 1.0]) + hue[:, None] * 6.0) % 6.0
    ramp = np.clip(np.minimum(k, 4.0 - k), 0.0, 1.0)
    return 255.0 * value[:, None] * (1.0 - saturation[:, None] * ramp)


@lru_cache(maxsize=8)
def patterns(side: int) -> tuple[tuple[Image, ...], ...]:
    """Cloth patterns as factors (128 leaves a colour as it is), (side, side, 3) each, by three fineness classes."""
    rng = np.random.default_rng(20240 + side)
    return tuple(tuple(_pattern(kind, period, side, rng) for kind in range(12)) for period in (4.0, 7.0, 13.0))


def _pattern(kind: int, period: float, side: int, rng: np.random.Generator) -> Image:
    y, x = np.mgrid[:side, :side].astype(np.float32)
    turn = rng.uniform(-0.5, 0.5) + (np.pi / 2 if kind % 2 else 0)
    u = (x * np.cos(turn) + y * np.sin(turn)) * (2 * np.pi / period)
    v = (-x * np.sin(turn) + y * np.cos(turn)) * (2 * np.pi / period)
    if kind < 4:
        mask = np.sin(u) * 2 + rng.uniform(-0.8, 0.8)
    elif kind < 6:
        mask = np.sin(u / 1.6) * np.sin(v / 1.6) * 4
    elif kind < 8:
        mask = (np.cos(u / 1.5) + np.cos(v / 1.5) - 1.0) * 3
    elif kind < 10:
        mask = np.maximum(np.cos(u / 1.8), np.cos(v / 1.8)) * 3 - 1.5
    else:
        noise = rng.standard_normal((side, side)).astype(np.float32)
        mask = cv2.GaussianBlur(noise, (0, 0), period / 3) * period * 1.6
    weight = np.clip(mask * 0.5 + 0.5, 0, 1)[..., None]
    first, second = rng.uniform(0.45, 0.9, 3) ** (1.0 if kind % 3 else 1.6), rng.uniform(1.0, 1.35, 3)
    return np.clip(128 * (weight * first + (1 - weight) * second), 0, 255).astype(np.uint8)
