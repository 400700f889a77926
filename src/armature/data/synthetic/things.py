"""Furniture, plants and other things that are nobody: drawn once as cut-outs, pasted behind and before the figures."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from armature.data.synthetic import paint
from armature.data.synthetic.kinematics import pose
from armature.data.synthetic.palette import Image
from armature.data.synthetic.rig import Builder, Pose, Rig, Vector, View

# Figures are tables of numbers, wrapped by hand.
# fmt: off

#: Cut-outs kept ready for each picture size.
COUNT = 72
_BODY = "body"
_Ball = tuple[str, Vector, float]


class Cutout(NamedTuple):
    """A thing on nothing.

    Attributes:
        image: (h, w, 3); solid: (h, w), 255 where the thing is.
        share: (h, w) in [0, 1], the same with soft edges; rest: 1 - share.
    """

    image: Image
    solid: Image
    share: NDArray[np.float32]
    rest: NDArray[np.float32]


@lru_cache(maxsize=4 * COUNT)
def cutout(height: int, width: int, number: int) -> Cutout:
    """A thing of some size and colour for pictures of a size."""
    rng = np.random.default_rng((5, height, width, number))
    rigs = _rigs()
    return _cut_out(rigs[number % len(rigs)], min(height, width) * float(rng.uniform(0.16, 0.62)), rng)


def paste(thing: Cutout, x: int, y: int, image: Image, labels: NDArray[np.uint16] | None = None,
          light: Image | None = None) -> None:
    """Puts a thing with its upper left corner at (x, y); on the label map it is scenery."""
    height, width = image.shape[:2]
    h, w = thing.solid.shape
    left, top, right, bottom = max(x, 0), max(y, 0), min(x + w, width), min(y + h, height)
    if left >= right or top >= bottom:
        return
    here = (slice(top, bottom), slice(left, right))
    cut = (slice(top - y, bottom - y), slice(left - x, right - x))
    image[here] = cv2.blendLinear(thing.image[cut], image[here], thing.share[cut], thing.rest[cut])
    for layer, value in ((labels, 0), (light, 128)):
        if layer is not None:
            cv2.copyTo(np.full(thing.solid[cut].shape, value, layer.dtype), thing.solid[cut], layer[here])


def _cut_out(rig: Rig, tall: float, rng: np.random.Generator) -> Cutout:
    figures = pose(rig, 1, rng)
    scale = np.array([tall / rig.reach])
    low = (figures.balls[0] - figures.radii[0, :, None]).min(0)[:2] * scale
    high = (figures.balls[0] + figures.radii[0, :, None]).max(0)[:2] * scale
    width, height = (int(v) + 5 for v in np.ceil(high - low))
    middle = np.array([[2.0 - low[0], 2.0 + high[1]]])
    drawing = paint.sketch(rig, figures, scale, middle, np.array([-0.5, -0.85]), rng)
    canvas = paint.blank(np.tile(np.rint(drawing.colours[:, :1]).astype(np.uint8), (height, width, 1)))
    paint.paint(canvas, drawing, 0, 1)
    paint.dress(canvas, rig, drawing, 0, 1, rng)
    solid = cv2.inRange(canvas.labels, 1, 65535)
    softness = 2 * round(tall / 40) + 3
    light = cv2.cvtColor(cv2.blur(canvas.light, (softness, softness)), cv2.COLOR_GRAY2RGB)
    share = cv2.blur(cv2.erode(solid, np.ones((2, 2), np.uint8)), (2, 2)).astype(np.float32) / 255.0
    return Cutout(cv2.multiply(canvas.image, light, scale=1 / 128), solid, share, 1.0 - share)


@lru_cache(maxsize=1)
def _rigs() -> tuple[Rig, ...]:
    makers = (_chair, _table, _tree, _bush, _lamp, _box, _sofa, _sign, _ball, _vase, _rack, _car)
    return tuple(_finish(maker) for maker in makers)


def _finish(maker: Callable[[Builder], None]) -> Rig:
    builder = Builder(maker.__name__)
    builder.joint(_BODY, None, (0, 0, 0), _BODY, (0.2, 0.2, 0.15))
    maker(builder)
    upright = View((0.0, -1.0), (9.0, 5.0), (0.0, 3.0))
    return builder.build((), [Pose(1.0)], upright, 1.0)


def _plate(x: tuple[float, float], y: tuple[float, float], z: tuple[float, float], radius: float) -> list[_Ball]:
    """Four balls that span a flat thing: level if its heights are equal, upright otherwise."""
    if y[0] == y[1]:
        return [(_BODY, (a, y[0], c), radius) for a in x for c in z]
    return [(_BODY, (a, b, c), radius) for b, c in zip(y, z, strict=True) for a in x]


def _legs(b: Builder, x: float, z: float, top: float, bottom: float, radius: float, material: str) -> None:
    for i, (sx, sz) in enumerate(((1, 1), (-1, 1), (1, -1), (-1, -1))):
        b.part(f"leg{i}", material, (_BODY, (x * sx, top, z * sz), radius), (_BODY, (x * sx, bottom, z * sz), radius))


def _chair(b: Builder) -> None:
    b.part("seat", "top", *_plate((-0.2, 0.2), (0.0, 0.0), (-0.2, 0.2), 0.04))
    b.part("back", "top", *_plate((-0.2, 0.2), (0.08, 0.5), (-0.2, -0.26), 0.035))
    _legs(b, 0.2, 0.2, -0.03, -0.5, 0.026, "fur")


def _table(b: Builder) -> None:
    b.part("plate", "fur", *_plate((-0.55, 0.55), (0.3, 0.3), (-0.3, 0.3), 0.035), bias=0.3)
    _legs(b, 0.5, 0.26, 0.28, -0.45, 0.032, "fur_dark")


def _tree(b: Builder) -> None:
    b.part("trunk", "fur_dark", (_BODY, (0, -0.5, 0), 0.06), (_BODY, (0, 0.1, 0), 0.04))
    for i, (x, y, z, r) in enumerate(((0, 0.3, 0, 0.24), (0.17, 0.16, 0.1, 0.17), (-0.17, 0.17, 0.05, 0.18),
            (0.03, 0.12, -0.1, 0.18), (0, 0.42, 0.05, 0.15))):
        b.part(f"crown{i}", "leaf", (_BODY, (x, y, z), r), (_BODY, (x * 0.6, y + 0.05, z), r * 0.9))


def _bush(b: Builder) -> None:
    for i in range(7):
        x, z = 0.3 * np.cos(i * 2.4), 0.2 * np.sin(i * 2.4)
        b.part(f"leaf{i}", "leaf", (_BODY, (x, -0.2 + 0.05 * (i % 3), z), 0.17),
               (_BODY, (x * 1.1, 0.0 + 0.06 * (i % 4), z), 0.1))


def _lamp(b: Builder) -> None:
    b.part("foot", "bottom", (_BODY, (0.08, -0.5, 0), 0.03), (_BODY, (-0.08, -0.5, 0), 0.03))
    b.part("pole", "bottom", (_BODY, (0, -0.5, 0), 0.02), (_BODY, (0, 0.4, 0), 0.016))
    b.part("shade", "top", (_BODY, (0.07, 0.48, 0), 0.03), (_BODY, (-0.07, 0.48, 0), 0.03),
           (_BODY, (0.13, 0.3, 0), 0.03), (_BODY, (-0.13, 0.3, 0), 0.03), bias=0.05)


def _box(b: Builder) -> None:
    b.part("front", "fur", *_plate((-0.3, 0.3), (-0.4, 0.25), (0.3, 0.3), 0.012))
    b.part("behind", "fur_dark", *_plate((-0.3, 0.3), (-0.4, 0.25), (-0.3, -0.3), 0.012))
    for name, x in (("one", -0.3), ("two", 0.3)):
        b.part(name, "fur_dark", *[(_BODY, (x, y, z), 0.012) for y in (-0.4, 0.25) for z in (-0.3, 0.3)])
    b.part("lid", "fur_light", *_plate((-0.31, 0.31), (0.26, 0.26), (-0.31, 0.31), 0.015), bias=0.35)


def _sofa(b: Builder) -> None:
    b.part("base", "top", (_BODY, (-0.6, -0.2, 0.1), 0.17), (_BODY, (0.6, -0.2, 0.1), 0.17),
           (_BODY, (0.6, -0.2, -0.1), 0.15), (_BODY, (-0.6, -0.2, -0.1), 0.15))
    b.part("back", "top", (_BODY, (-0.58, 0.25, -0.2), 0.12), (_BODY, (0.58, 0.25, -0.2), 0.12),
           (_BODY, (0.58, -0.1, -0.15), 0.12), (_BODY, (-0.58, -0.1, -0.15), 0.12))
    for name, x in (("one", -0.72), ("two", 0.72)):
        b.part(name, "top", (_BODY, (x, 0.05, 0.2), 0.1), (_BODY, (x, 0.05, -0.2), 0.1), (_BODY, (x, -0.27, 0.2), 0.1),
               (_BODY, (x, -0.27, -0.2), 0.1))


def _sign(b: Builder) -> None:
    b.part("pole", "sock", (_BODY, (0, -0.5, 0), 0.022), (_BODY, (0, 0.45, 0), 0.022))
    b.part("board", "shoe", *_plate((-0.17, 0.17), (0.18, 0.45), (0.03, 0.03), 0.03))


def _ball(b: Builder) -> None:
    b.part("ball", "top", (_BODY, (0, 0, 0), 0.3))


def _vase(b: Builder) -> None:
    b.part("pot", "shoe", (_BODY, (0, -0.35, 0), 0.12), (_BODY, (0, -0.15, 0), 0.17))
    for i in range(6):
        x, z = 0.25 * np.cos(i * 2.4), 0.2 * np.sin(i * 2.4)
        b.part(f"leaf{i}", "leaf", (_BODY, (x * 0.15, -0.05, z * 0.15), 0.025), (_BODY, (x * 0.7, 0.2, z), 0.06),
               (_BODY, (x, 0.33 + 0.03 * i, z), 0.02))


def _rack(b: Builder) -> None:
    """Rods in all directions: the thing most like limbs."""
    rods = (((-0.3, -0.5, 0), (0.0, 0.45, 0.1)), ((0.3, -0.5, 0), (0.0, 0.45, -0.1)), ((0, 0.4, 0), (0.3, 0.2, 0.2)),
            ((0, 0.4, 0), (-0.32, 0.25, -0.1)), ((-0.2, -0.1, 0), (0.2, -0.1, 0)))
    for i, (start, end) in enumerate(rods):
        b.part(f"rod{i}", "shoe" if i % 2 else "bottom", (_BODY, start, 0.04), (_BODY, end, 0.034))


def _car(b: Builder) -> None:
    b.part("body", "shoe", (_BODY, (-0.8, -0.2, 0.25), 0.13), (_BODY, (0.8, -0.2, 0.25), 0.13),
           (_BODY, (0.78, -0.2, -0.25), 0.15), (_BODY, (-0.78, -0.2, -0.25), 0.15))
    b.part("cabin", "sock", (_BODY, (-0.45, -0.1, 0), 0.2), (_BODY, (0.4, -0.1, 0), 0.2),
           (_BODY, (0.25, 0.1, 0), 0.18), (_BODY, (-0.3, 0.1, 0), 0.18))
    for i, (x, z) in enumerate(((0.5, 0.36), (-0.5, 0.36), (0.5, -0.36), (-0.5, -0.36))):
        b.part(f"wheel{i}", "pupil", (_BODY, (x, -0.33, z), 0.13))
        b.part(f"hub{i}", "white", (_BODY, (x, -0.33, z * 1.1), 0.06), bias=0.01)
