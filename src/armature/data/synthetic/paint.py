"""Draws figures: one colour picture, one label map that says which part of whom is on top, one map of light."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from armature.data.synthetic.kinematics import Figures
from armature.data.synthetic.palette import KINDS, PATTERNED, Image, cloth, colours, grain
from armature.data.synthetic.rig import Floats, Rig

#: Corners of a part's outline; 16 keep the inscribed polygon within 2 % of the radius.
CORNERS = 16
_ANGLES = np.arange(CORNERS) * (2 * np.pi / CORNERS)
_DIRECTIONS = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], 1)
#: Radius and shift towards the light of the brighter cores inside each outline, with their light (128 is neutral).
_CORES = ((1.0, 0.0, 98), (0.76, 0.14, 124), (0.45, 0.26, 146))
_RINGS = np.array([c[0] for c in _CORES])[:, None, None] * _DIRECTIONS
_SHIFTS = np.array([c[1] for c in _CORES])[:, None, None]
#: Parts of less than these radii (px) are not drawn, get no light, or no middle tone: see ``Drawing.care``.
_WIDTHS = np.array([0.4, 1.4, 3.5])
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


class Drawing(NamedTuple):
    """Figures ready to be drawn: P figures, A parts.

    Attributes:
        points: (P, K, 2) px.
        outlines: (P, A, cores, CORNERS, 2) in 1/16 px, see ``outlines``.
        parts: per figure its part numbers, from far to near; limbs, paints: what belongs to each.
        care: how much is drawn of each: 0 nothing, 1 its colour, 2 a crest of light too, 3 the middle tones as well.
        colours: (P, materials, 3); scale: (P,) px per metre.
    """

    points: Floats
    outlines: NDArray[np.int32]
    parts: list[list[int]]
    limbs: list[list[int]]
    paints: list[list[list[float]]]
    care: list[list[int]]
    colours: Floats
    scale: Floats


def blank(image: Image) -> Canvas:
    """A canvas on a background."""
    height, width = image.shape[:2]
    return Canvas(image, np.zeros((height, width), np.uint16), np.full((height, width), 128, np.uint8))


def sketch(
    rig: Rig, figures: Figures, scale: Floats, centre: Floats, towards_light: Floats, rng: np.random.Generator
) -> Drawing:
    """All that can be worked out about figures at once.

    Parallel projection, ``scale`` (P,) px per metre, the root of each at ``centre`` (P, 2) px; clothes at random.
    """
    flip = scale[:, None, None] * np.array([1.0, -1.0])
    radii = figures.radii * scale[:, None]
    shapes = outlines(rig, figures.balls[..., :2] * flip + centre[:, None], radii, towards_light)
    paints, worn = colours(rig.materials, len(scale), rng)
    order = np.argsort(figures.balls[:, rig.part_balls, 2].mean(-1) + rig.part_bias, axis=1, kind="stable")
    who = np.arange(len(scale))[:, None]
    width = radii[who[..., None], rig.part_balls[order]].max(-1)
    material = rig.part_material[order]
    care = np.searchsorted(_WIDTHS, width) * worn[who, material]
    points = figures.points[..., :2] * flip + centre[:, None]
    return Drawing(
        points, shapes, order.tolist(), rig.part_limb[order].tolist(), paints[who, material].tolist(), care.tolist(),
        paints, scale,
    )  # fmt: skip


def outlines(rig: Rig, balls: Floats, radii: Floats, towards_light: Floats) -> NDArray[np.int32]:
    """(P, A, cores, CORNERS, 2) outlines in 1/16 px: convex hulls of circles, by their support points.

    Args:
        balls, radii: (P, S, 2), (P, S) px.
        towards_light: (2,) unit vector in the picture.
    """
    support = balls @ _DIRECTIONS.T + radii[..., None]
    best = support[:, rig.part_balls].argmax(2)
    ball = rig.part_balls[np.arange(len(rig.part_balls))[:, None], best]
    figure = np.arange(len(ball))[:, None, None]
    centre, radius = balls[figure, ball], radii[figure, ball][..., None]
    points = centre[:, :, None] + radius[:, :, None] * (_RINGS + _SHIFTS * towards_light)
    # OpenCV puts whole numbers on pixel centres; ours are half a pixel further.
    return np.rint((points - 0.5) * _ONE).astype(np.int32)


def paint(canvas: Canvas, drawing: Drawing, figure: int, label: int) -> None:
    """Draws one figure, parts from far to near; ``label`` is its number in the label map."""
    shapes = drawing.outlines[figure]
    rows = zip(drawing.parts[figure], drawing.limbs[figure], drawing.paints[figure], drawing.care[figure], strict=True)
    image, labels, light = canvas
    base, limb = label << 8, -1
    cores: list[tuple[NDArray[np.int32], bool]] = []
    for part, here, colour, care in rows:
        if here != limb and cores:
            _kindle(light, cores)
            cores = []
        limb = here
        if care == 0:
            continue
        outline = shapes[part]
        cv2.fillConvexPoly(image, outline[0], colour, cv2.LINE_AA, _SHIFT)
        cv2.fillConvexPoly(labels, outline[0], base | part, cv2.LINE_8, _SHIFT)
        if care > 1:
            cv2.fillConvexPoly(light, outline[0], _CORES[0][2], cv2.LINE_8, _SHIFT)
            cores.append((outline, care > 2))
    _kindle(light, cores)


def _kindle(light: Image, cores: list[tuple[NDArray[np.int32], bool]]) -> None:
    """Lights a limb: first all its middles, then all its crests, so that no seam shows where its parts meet."""
    for outline, large in cores:
        if large:
            cv2.fillConvexPoly(light, outline[1], _CORES[1][2], cv2.LINE_8, _SHIFT)
    for outline, _ in cores:
        cv2.fillConvexPoly(light, outline[2], _CORES[2][2], cv2.LINE_8, _SHIFT)


def shade_floor(canvas: Canvas, drawing: Drawing) -> None:
    """Soft shadows where figures touch the ground."""
    low, high = drawing.outlines[:, :, 0].min((1, 2)).tolist(), drawing.outlines[:, :, 0].max((1, 2)).tolist()
    for (left, top), (right, bottom) in zip(low, high, strict=True):
        width = max(min(right - left, (bottom - top) // 2), 1)
        centre = ((left + right) // 2, bottom - width // 12)
        cv2.ellipse(canvas.light, centre, (width // 2, width // 9), 0, 0, 360, 104, -1, cv2.LINE_8, _SHIFT)


def dress(canvas: Canvas, rig: Rig, drawing: Drawing, figure: int, label: int, rng: np.random.Generator) -> None:
    """Puts cloth patterns on one painted figure."""
    paints, scale, shapes = drawing.colours[figure], float(drawing.scale[figure]), drawing.outlines[figure]
    names = rig.materials
    for name, (share, longer) in PATTERNED.items():
        chance, which, x, y = rng.random(4).tolist()
        if name not in names or chance >= share:
            continue
        cloths = [names.index(name)]
        if longer in names and np.array_equal(paints[names.index(longer)], paints[cloths[0]]):
            cloths.append(names.index(longer))
        spans = [rig.spans[c] for c in cloths]
        outline = np.concatenate([shapes[first:last, 0] for first, last in spans])
        left, top, right, bottom = _bounds(outline.reshape(-1, 2), canvas.labels.shape)
        if right - left < 3 or bottom - top < 3:
            continue
        region = canvas.labels[top:bottom, left:right]
        mask = _wearing(region, label, *spans[0])
        for span in spans[1:]:
            cv2.bitwise_or(mask, _wearing(region, label, *span), mask)
        texture = cloth(int(which * KINDS), 0 if scale < 50 else (1 if scale < 110 else 2), right - left, bottom - top)
        v, u = int(y * (len(texture) - (bottom - top))), int(x * (len(texture) - (right - left)))
        view = canvas.image[top:bottom, left:right]
        cv2.copyTo(cv2.multiply(view, texture[v : v + bottom - top, u : u + right - left], scale=1 / 128), mask, view)


def _wearing(region: NDArray[np.uint16], label: int, first: int, last: int) -> Image:
    """255 where the figure's parts first..last - 1 are on top."""
    return cv2.inRange(region, (label << 8) + first, (label << 8) + last - 1)


def _bounds(outline: NDArray[np.int32], size: tuple[int, ...]) -> tuple[int, int, int, int]:
    low, high = outline.min(0) >> _SHIFT, outline.max(0) >> _SHIFT
    return max(int(low[0]), 0), max(int(low[1]), 0), min(int(high[0]) + 2, size[1]), min(int(high[1]) + 2, size[0])


def develop(canvas: Canvas, softness: int, rng: np.random.Generator) -> Image:
    """The finished picture: soft light on everything, exposure, camera noise and now and then a blur."""
    height, width = canvas.labels.shape
    gain, amount, blur, y, x = rng.random(5).tolist()
    light = cv2.cvtColor(cv2.blur(canvas.light, (softness, softness)), cv2.COLOR_GRAY2RGB)
    image = cv2.multiply(canvas.image, light, scale=(0.75 + 0.5 * gain) / 128)
    if blur < 0.25:
        image = cv2.blur(image, (2, 2) if blur < 0.12 else (3, 3))
    noise = grain(height, width)[int(y * 64) : int(y * 64) + height, int(x * 64) : int(x * 64) + width]
    strength = 0.02 + 0.2 * amount * amount
    return cv2.addWeighted(image, 1.0, noise, strength, -128 * strength)
