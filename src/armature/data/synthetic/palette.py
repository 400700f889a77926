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

#: Kinds of cloth patterns, and the periods (px) of the three finenesses.
KINDS = 12
_PERIODS = (4.0, 7.0, 13.0)
_PATCH = 160

# From light to dark, or from one common colour to the next.
_SKIN = "ffe0c4 f1c2a0 e2ac84 c68c64 a8704c 885638 68402a 482e22"
_HAIR = "181414 302018 563822 80542e c49858 dec48c 963e1e 969696"
_FUR = "e8e2d6 c4a06e 96683e 64442c 3c3432 96928e ce7e3e 786046"
_MOUSE = "2c2a2c 60544a 968e88 e4e0da 785c42 46403e b0aaa0 343030"
_RAMPS = np.array([[list(bytes.fromhex(c)) for c in ramp.split()] for ramp in (_SKIN, _HAIR, _FUR, _MOUSE)], float)
#: Hue, saturation and value of tops, bottoms and shoes: trousers are rarely as loud as shirts.
_SUBDUED = np.array([[1.0, 1.0, 1.0], [1.0, 0.75, 0.8], [1.0, 0.5, 1.0]])
#: Materials that only some figures have, and how many.
_SOMETIMES = {"locks": 0.45, "button": 0.5, "collar": 0.8}

#: Materials that wear a pattern, how often, and the one that goes on in the same cloth where it has the same colour.
PATTERNED = {"top": (0.55, "sleeve"), "bottom": (0.25, "legs"), "fur": (0.35, "")}


def colours(materials: tuple[str, ...], count: int, rng: np.random.Generator) -> tuple[Floats, NDArray[np.bool_]]:
    """(P, materials, 3) RGB 0-255 of each figure, and (P, materials) whether it has that (long hair, buttons)."""
    mix = rng.random((count, 24))
    paints = _paints(mix)
    out = np.stack([_material(name, paints, mix) for name in materials], 1)
    worn = np.ones((count, len(materials)), bool)
    for column, (name, chance) in enumerate(_SOMETIMES.items(), start=18):
        if name in materials:
            worn[:, materials.index(name)] = mix[:, column] < chance
    return np.clip(out, 0.0, 255.0, out), worn


def _paints(mix: Floats) -> dict[str, Floats]:
    """The colours that all others follow from."""
    ramp = _between(_RAMPS, mix[:, (0, 1, 0, 0)])
    cloth = _cloth(mix[:, 3:12].reshape(-1, 3, 3) * _SUBDUED)
    light = mix[:, 2:3]
    return {
        "skin": ramp[:, 0],
        "hair": ramp[:, 1] * (0.75 + 0.5 * light),
        "fur": ramp[:, 2] * (0.8 + 0.4 * light),
        "mouse": ramp[:, 3],
        "top": cloth[:, 0],
        "bottom": cloth[:, 1],
        "shoe": cloth[:, 2],
    }


def _material(name: str, base: dict[str, Floats], mix: Floats) -> Floats:
    if name in base:
        return base[name]
    if name in _RULES:
        return _RULES[name](base, mix)
    hue, value = (float(v) for v in name.split(":")[1:])
    hues = hue + 0.06 * (mix[:, 3] - 0.5)
    values = value * (0.85 + 0.15 * mix[:, 4])
    rgb = [colorsys.hsv_to_rgb(h % 1.0, 0.75, v) for h, v in zip(hues, values, strict=True)]
    return np.array(rgb).reshape(-1, 3) * 255.0


def _button(base: dict[str, Floats], mix: Floats) -> Floats:
    top = base["top"]
    return np.where(top.mean(1, keepdims=True) > 120, top * 0.45, top * 0.5 + 120.0)


#: Materials whose colour follows from others: rules of (paints, random numbers) -> (P, 3).
_RULES: dict[str, Callable[[dict[str, Floats], Floats], Floats]] = {
    "nose": lambda base, mix: base["skin"] * 0.93,
    "mouth": lambda base, mix: base["skin"] * 0.5 + (75.0, 12.0, 16.0),
    "white": lambda base, mix: np.full((len(mix), 3), 245.0),
    "pupil": lambda base, mix: np.full((len(mix), 3), 25.0),
    "locks": lambda base, mix: base["hair"] * 0.9,
    "sleeve": lambda base, mix: np.where(mix[:, 13:14] < 0.5, base["top"], base["skin"]),
    "legs": lambda base, mix: np.where(mix[:, 14:15] < 0.68, base["bottom"], base["skin"]),
    "collar": lambda base, mix: np.where(mix[:, 15:16] < 0.6, base["skin"], 0.4 * base["top"] + 150.0),
    "button": _button,
    "sole": lambda base, mix: np.where(mix[:, 16:17] < 0.5, 235.0, base["shoe"] * 0.5),
    "fur_dark": lambda base, mix: base["fur"] * 0.62,
    "fur_light": lambda base, mix: base["fur"] * 0.6 + 95.0,
    "muzzle": lambda base, mix: base["fur"] * 0.2,
    "sock": lambda base, mix: np.where(mix[:, 17:18] < 0.4, base["fur"], np.where(mix[:, 17:18] < 0.7, 40.0, 225.0)),
    "pink": lambda base, mix: base["mouse"] * 0.25 + (165.0, 115.0, 110.0),
    "leaf": lambda base, mix: (40.0, 70.0, 30.0) + mix[:, 3:6] * (90.0, 90.0, 50.0),
    "nail": lambda base, mix: base["skin"] * 0.55 + (112.0, 95.0, 92.0),
    "palm": lambda base, mix: base["skin"] * 1.08 + (8.0, 2.0, 2.0),
}


def _between(ramps: Floats, at: Floats) -> Floats:
    """(P, ramps, 3): the colour at ``at`` (P, ramps) in [0, 1) of each ramp (ramps, steps, 3)."""
    position = at * (ramps.shape[1] - 1)
    low = position.astype(np.int64)
    part = (position - low)[..., None]
    rows = np.arange(len(ramps))
    return ramps[rows, low] * (1 - part) + ramps[rows, low + 1] * part


def _cloth(mix: Floats) -> Floats:
    """(..., 3) RGB of cloth from hue, saturation and value in [0, 1); greys are as common as strong colours."""
    hue, saturation, value = mix[..., 0], mix[..., 1], mix[..., 2]
    saturation = np.clip(saturation * 1.3 - 0.25, 0.0, 0.9)
    k = (np.array([5.0, 3.0, 1.0]) + hue[..., None] * 6.0) % 6.0
    ramp = np.clip(np.minimum(k, 4.0 - k), 0.0, 1.0)
    return (255.0 * (0.16 + 0.8 * value))[..., None] * (1.0 - saturation[..., None] * ramp)


def cloth(kind: int, fineness: int, width: int, height: int) -> Image:
    """A pattern of at least (height, width) as factors on colours, 128 being 1; larger ones are coarser."""
    side = _PATCH
    while side < max(width, height):
        side *= 2
    return _patch(kind, fineness, side)


@lru_cache(maxsize=256)
def _patch(kind: int, fineness: int, side: int) -> Image:
    if side > _PATCH:
        return cv2.resize(_patch(kind, fineness, _PATCH), (side, side), interpolation=cv2.INTER_LINEAR).astype(np.uint8)
    return _pattern(kind, _PERIODS[fineness], side, np.random.default_rng((kind, fineness)))


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


@lru_cache(maxsize=2)
def grain(height: int, width: int) -> Image:
    """Camera noise around 128, (H + 64, W + 64, 3)."""
    rng = np.random.default_rng(31)
    return np.clip(rng.normal(128, 40, (height + 64, width + 64, 3)), 0, 255).astype(np.uint8)
