"""Draws figures: one colour picture, one label map that says which part of whom is on top, one map of light."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from armature.data.synthetic.backdrop import grain
from armature.data.synthetic.kinematics import Figures
from armature.data.synthetic.palette import PATTERNED, Image, patterns
from armature.data.synthetic.rig import Floats, Rig

#: Corners of a part's outline; 20 keep the inscribed polygon within 1.3 % of the radius.
CORNERS = 20
_ANGLES = np.arange(CORNERS) * (2 * np.pi / CORNERS)
_DIRECTIONS = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], 1)
#: Radius and shift towards the light of the brighter cores inside each outline, with their light (128 is neutral).
_CORES = ((1.0, 0.0, 98), (0.76, 0.14, 124), (0.45, 0.26, 146))
_SHIFT = 4
_ONE = 1 << _SHIFT


class Canvas(NamedTuple):
    """The three maps of a picture that is being painted.

    Attributes:
        image: (H, W, 3) RGB; light: (H, W), 128 is neutral.
        labels: (H, W) uint16, 0 for scenery, else figure << 8 | part, figures from 1.
    """

    image: Image
    labels: NDArray[np.uint16]
    light: Image


class Placed(NamedTuple):
    """Figures on the picture, in px: points (P, K, 2); balls (P, S, 2); radii (P, S); depth (P, S), greater is nearer."""

    points: Floats
    balls: Floats
    radii: Floats
    depth: Floats


def blank(image: Image) -> Canvas:
    """A canvas on a background."""
    height, width = image.shape[:2]
    return Canvas(image, np.zeros((height, width), np.uint16), np.full((height, width), 128, np.uint8))


def place(figures: Figures, scale: Floats, centre: Floats) -> Placed:
    """Projects figures: parallel projection, ``scale`` px per metre, the root at ``centre`` (P, 2) px."""
    flip = np.array([1.0, -1.0])
    size = scale[:, None, None]
    return Placed(
        figures.points[..., :2] * flip * size + centre[:, None],
        figures.balls[..., :2] * flip * size + centre[:, None],
        figures.radii * scale[:, None],
        figures.balls[..., 2],
    )


def outlines(rig: Rig, placed: Placed, towards_light: Floats) -> NDArray[np.int32]:
    """(P, A, cores, CORNERS, 2) outlines in 1/16 px: convex hulls of circles, by their support points."""
    balls, radii = placed.balls[:, rig.part_balls], placed.radii[:, rig.part_balls]
    support = balls @ _DIRECTIONS.T + radii[..., None]
    best = support.argmax(2)[..., None]
    centre = np.take_along_axis(balls[:, :, :, None], best[:, :, None], 2)[:, :, 0]
    radius = np.take_along_axis(radii[:, :, :, None], best[:, :, None, :, 0], 2)[:, :, 0, :, None]
    size = np.array([c[0] for c in _CORES])[:, None, None]
    shift = np.array([c[1] for c in _CORES])[:, None, None]
    points = centre[:, :, None] + radius[:, :, None] * (size * _DIRECTIONS + shift * towards_light)
    # OpenCV puts whole numbers on pixel centres; ours are half a pixel further.
    return np.rint((points - 0.5) * _ONE).astype(np.int32)


def paint(canvas: Canvas, rig: Rig, shapes: NDArray[np.int32], placed: Placed, colours: Floats, worn: NDArray[np.bool_], figure: int, label: int) -> None:
    """Draws one figure of the batch, parts from far to near; ``label`` is its number in the label map."""
    nearness = placed.depth[figure, rig.part_balls].mean(-1) + rig.part_bias
    order = np.argsort(nearness, kind="stable").tolist()
    paints = colours[figure, rig.part_material].tolist()
    drawn = worn[figure, rig.part_material].tolist()
    image, labels, light = canvas
    for part in order:
        if drawn[part]:
            outer, middle, inner = shapes[figure, part]
            cv2.fillConvexPoly(image, outer, paints[part], cv2.LINE_AA, _SHIFT)
            cv2.fillConvexPoly(labels, outer, label << 8 | part, cv2.LINE_8, _SHIFT)
            cv2.fillConvexPoly(light, outer, _CORES[0][2], cv2.LINE_8, _SHIFT)
            cv2.fillConvexPoly(light, middle, _CORES[1][2], cv2.LINE_8, _SHIFT)
            cv2.fillConvexPoly(light, inner, _CORES[2][2], cv2.LINE_8, _SHIFT)


def dress(canvas: Canvas, rig: Rig, shapes: NDArray[np.int32], scale: float, figure: int, label: int, rng: np.random.Generator) -> None:
    """Puts cloth patterns on one painted figure."""
    chances = rng.random((len(rig.materials), 4)).tolist()
    for material, (chance, which, x, y) in zip(range(len(rig.materials)), chances, strict=True):
        if chance >= PATTERNED.get(rig.materials[material], 0.0):
            continue
        parts = np.flatnonzero(rig.part_material == material)
        left, top, right, bottom = _bounds(shapes[figure, parts, 0], canvas.labels.shape)
        if right - left < 3 or bottom - top < 3:
            continue
        mask = cv2.inRange(canvas.labels[top:bottom, left:right], (label << 8) + int(parts[0]), (label << 8) + int(parts[-1]))  # type: ignore[call-overload]
        side = 128 if max(right - left, bottom - top) <= 96 else 2 * max(canvas.labels.shape)
        kinds = patterns(side)[0 if scale < 50 else (1 if scale < 110 else 2)]
        cloth = kinds[int(which * len(kinds))]
        v, u = int(y * (side - (bottom - top))), int(x * (side - (right - left)))
        view = canvas.image[top:bottom, left:right]
        cv2.copyTo(cv2.multiply(view, cloth[v : v + bottom - top, u : u + right - left], scale=1 / 128), mask, view)


def _bounds(outline: NDArray[np.int32], size: tuple[int, ...]) -> tuple[int, int, int, int]:
    low, high = outline.reshape(-1, 2).min(0) >> _SHIFT, outline.reshape(-1, 2).max(0) >> _SHIFT
    return max(int(low[0]), 0), max(int(low[1]), 0), min(int(high[0]) + 2, size[1]), min(int(high[1]) + 2, size[0])


def develop(canvas: Canvas, softness: int, rng: np.random.Generator) -> Image:
    """The finished picture: soft light on everything, exposure, camera noise and now and then a blur."""
    height, width = canvas.labels.shape
    gain, amount, blur, y, x = rng.random(5).tolist()
    light = cv2.cvtColor(cv2.blur(canvas.light, (softness, softness)), cv2.COLOR_GRAY2RGB)
    image = cv2.multiply(canvas.image, light, scale=(0.7 + 0.5 * gain) / 128)
    if blur < 0.25:
        image = cv2.blur(image, (2, 2) if blur < 0.12 else (3, 3))
    noise = grain(height, width)[int(y * 64) : int(y * 64) + height, int(x * 64) : int(x * 64) + width]
    strength = 0.02 + 0.2 * amount * amount
    return cv2.addWeighted(image, 1.0, noise, strength, -128 * strength)
