"""People drawn on pictures fast enough for films: straight onto the pixels, each stroke blended where it is.

Reports draw with ``reports.overlays`` on a sheet of twice the size, which is finer and takes ten times as long.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from armature.data.source import Picture
from armature.predicting.prediction import NOBODY, Prediction

#: Keypoint scores from which a point is drawn in full, and below which it is left out.
FULL, FAINTEST = 0.5, 0.05
#: Binary places that OpenCV keeps of a coordinate.
_SHIFT = 4
_DARK, _FRAME = (12, 12, 14), (240, 240, 240)
#: Opacity of the least certain point that is drawn.
_LEAST = 0.15

#: Two ends of a limb whose colours differ by no more are drawn in one stroke.
_ALIKE = 40

Point = NDArray[np.floating]
Places = list[tuple[int, int]]


class Style(NamedTuple):
    """What is drawn besides limbs and points: boxes, and labels (scores and track numbers); ``thick`` widens lines."""

    boxes: bool = True
    labels: bool = True
    thick: float = 1.0


def draw(image: Picture, found: Prediction, style: Style | None = None) -> Picture:
    """A copy of the picture with everybody on it: limbs in the skeleton's colours, the less certain the fainter.

    The opacity of a point is its score, full from ``FULL`` on; that of a limb its lesser end's. The least certain
    people lie below the others. Points that are not finite are left out.

    Args:
        image: RGB (H, W, 3); is left as it is.
    """
    style = style or Style()
    canvas = np.array(image, np.uint8, order="C")
    points, scores, boxes, people, _ = found.numpy()
    for person in np.argsort(people, kind="stable"):
        ink = _opacity(scores[person], points[person])
        width = _width(points[person][ink > 0], canvas.shape[:2]) * style.thick
        if style.boxes and np.isfinite(boxes[person]).all():
            _box(canvas, boxes[person], max(max(canvas.shape[:2]) / 900, 1.0))
        places = _places(points[person], canvas)
        _limbs(canvas, places, ink, found, width)
        _points(canvas, places, ink, found, width)
    if style.labels:
        _labels(canvas, found)
    return canvas


def _opacity(scores: Point, points: Point) -> NDArray[np.float64]:
    """(K,) in [0, 1]; 0 is not drawn."""
    share = np.clip(np.asarray(scores, float) / FULL, _LEAST, 1)
    return np.where((scores >= FAINTEST) & np.isfinite(points).all(-1), share, 0.0)


def _width(points: Point, size: tuple[int, int]) -> float:
    """Line width in px: a share of the person, kept between what can be seen and what covers the picture."""
    larger = max(size)
    person = float(np.ptp(points, axis=0).max()) if len(points) > 1 else larger / 8
    return max(float(np.clip(person * 0.016, larger * 0.003, larger * 0.008)), 1.6)


def _limbs(canvas: Picture, places: Places, ink: Point, found: Prediction, width: float) -> None:
    colours = found.skeleton.colours
    shade, line = max(round(width * 1.7), 2), max(round(width), 1)
    for a, b in found.skeleton.edges:
        if ink[a] > 0 and ink[b] > 0:
            (x1, y1), (x2, y2) = places[a], places[b]
            middle = (x1 + x2) // 2, (y1 + y2) // 2
            strokes = [(places[a], places[b], _DARK, shade), (places[a], places[b], colours[a], line)]
            if max(abs(p - q) for p, q in zip(colours[a], colours[b], strict=True)) > _ALIKE:
                strokes.append((middle, places[b], colours[b], line))
            reach = (min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2))
            _blended(canvas, reach, width, float(min(ink[a], ink[b])), functools.partial(_lines, strokes=strokes))


def _points(canvas: Picture, places: Places, ink: Point, found: Prediction, width: float) -> None:
    radius = max(round(width * 1.2 * (1 << _SHIFT)), 1)
    for k in np.flatnonzero(ink > 0).tolist():
        discs = ((radius * 4 // 3, _DARK), (radius, found.skeleton.colours[k]))
        stroke = functools.partial(_discs, at=places[k], discs=discs)
        _blended(canvas, (*places[k], *places[k]), 2 * width, float(ink[k]), stroke)


def _places(points: Point, canvas: Picture) -> Places:
    """Points as OpenCV's fixed-point numbers, which count from the middle of the first pixel."""
    limit = 4.0 * max(canvas.shape)  # beyond its 32 bits it draws nonsense
    fixed = np.round(np.clip(np.where(np.isfinite(points), points, 0) - 0.5, -limit, limit) * (1 << _SHIFT)).astype(int)
    return [(x, y) for x, y in fixed.tolist()]


def _blended(
    canvas: Picture,
    reach: tuple[int, int, int, int],
    margin: float,
    opacity: float,
    stroke: Callable[[Picture, int, int], None],
) -> None:
    """Draws around some places (fixed-point bounds) and lets what was there before shine through."""
    if opacity >= 1:
        stroke(canvas, 0, 0)
        return
    height, width = canvas.shape[:2]
    grown = int(margin) + 3
    left, top = max((reach[0] >> _SHIFT) - grown, 0), max((reach[1] >> _SHIFT) - grown, 0)
    right, bottom = min((reach[2] >> _SHIFT) + grown, width), min((reach[3] >> _SHIFT) + grown, height)
    if right <= left or bottom <= top:
        return
    part = canvas[top:bottom, left:right]
    patch = part.copy()
    stroke(patch, left << _SHIFT, top << _SHIFT)
    cv2.addWeighted(patch, opacity, part, 1 - opacity, 0, dst=part)


def _lines(patch: Picture, x: int, y: int, strokes: Sequence[Any]) -> None:
    for (x1, y1), (x2, y2), colour, thick in strokes:
        cv2.line(patch, (x1 - x, y1 - y), (x2 - x, y2 - y), colour, thick, cv2.LINE_AA, _SHIFT)


def _discs(patch: Picture, x: int, y: int, at: tuple[int, int], discs: tuple[Any, ...]) -> None:
    for radius, colour in discs:
        cv2.fillConvexPoly(
            patch, _round(radius) + np.array([at[0] - x, at[1] - y], np.int32), colour, cv2.LINE_AA, _SHIFT
        )


@functools.lru_cache(maxsize=64)
def _round(radius: int) -> NDArray[np.int32]:
    """A disc around (0, 0), fixed-point: OpenCV's own small circles have four corners."""
    turns = np.arange(14) * (2 * np.pi / 14)
    return np.round(radius * np.stack([np.cos(turns), np.sin(turns)], 1)).astype(np.int32)


def _box(canvas: Picture, box: Point, width: float) -> None:
    corners = np.clip(np.round((box - 0.5) * (1 << _SHIFT)), -(2**28), 2**28).astype(int).tolist()
    for colour, thick in ((_DARK, 2 * width), (_FRAME, width)):
        first, last = (corners[0], corners[1]), (corners[2], corners[3])
        cv2.rectangle(canvas, first, last, colour, max(round(thick), 1), cv2.LINE_AA, _SHIFT)


def _labels(canvas: Picture, found: Prediction) -> None:
    """Score, and number where there is one, on a dark plate in the upper left corner of each box."""
    size = max(round(max(canvas.shape[:2]) / 50), 10)
    ids = [NOBODY] * len(found) if found.ids is None else found.ids.tolist()
    for box, score, number in zip(found.boxes.numpy(), found.scores.tolist(), ids, strict=True):
        if np.isfinite(box).all():
            text = f"{score:.2f}" if number == NOBODY else f"{number}  {score:.2f}"
            _stamp(canvas, _plate(text, size), box)


def _stamp(canvas: Picture, plate: Picture, box: Point) -> None:
    height, width = canvas.shape[:2]
    x, y = (int(np.clip(v, 0, side)) for v, side in zip(box[:2], (width, height), strict=True))
    x, y = max(min(x, width - plate.shape[1]), 0), max(min(y, height - plate.shape[0]), 0)
    part = canvas[y : y + plate.shape[0], x : x + plate.shape[1]]
    part[:] = plate[: part.shape[0], : part.shape[1]]


@functools.lru_cache(maxsize=2048)
def _plate(text: str, size: int) -> Picture:
    """A text in light letters on dark, as small as it can be."""
    font = _font(size)
    left, top, right, bottom = font.getbbox(text)
    sheet = Image.new("RGB", (round(right - left) + 6, round(bottom - top) + 6), _DARK)
    ImageDraw.Draw(sheet).text((3 - left, 3 - top), text, fill=_FRAME, font=font)
    return np.asarray(sheet)


@functools.lru_cache(maxsize=8)
def _font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)
