"""One picture of a sheet: an image enlarged or reduced to a common size, with people, maps, fields or boxes on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from armature.data.geometry import map_points
from armature.data.source import Picture
from armature.reports.ink import Colour, Ink
from armature.reports.overlays import People, draw_people
from armature.structures import Skeleton

#: Of what lies below targets: the picture, grey and this bright.
_DIM = 0.45
_NEUTRAL: Colour = (255, 214, 102)
#: Stripes where nothing is supervised: their distance in px, and what share of it is dark.
_STRIPES, _DARK = 12, 4


class Panel(NamedTuple):
    """A picture (H, W, 3) with the words above it."""

    heading: str
    image: Picture


class View:
    """A picture shown within a box of ``side`` px: the picture enlarged or reduced, and where its points come to lie.

    Args:
        image: (H, W, 3) uint8 RGB. side: px of the longer side as shown.
    """

    def __init__(self, image: Picture, side: int) -> None:
        height, width = image.shape[:2]
        self.scale = side / max(height, width)
        size = (max(round(width * self.scale), 1), max(round(height * self.scale), 1))
        # Both sides are whole px, so that the factors differ by a fraction of a px.
        self.matrix = np.diag([size[0] / width, size[1] / height, 1.0])
        how = cv2.INTER_AREA if self.scale < 1 else cv2.INTER_CUBIC if self.scale < 4 else cv2.INTER_NEAREST
        self.image: Picture = np.asarray(cv2.resize(np.ascontiguousarray(image), size, interpolation=how), np.uint8)

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) as shown."""
        return self.image.shape[0], self.image.shape[1]

    def points(self, points: Float[NDArray, "*n 2"]) -> Float[NDArray, "*n 2"]:
        """Points of the picture as shown."""
        return map_points(np.asarray(points, float), self.matrix)

    def boxes(self, boxes: Float[NDArray, "N 4"]) -> Float[NDArray, "N 4"]:
        """Boxes xyxy of the picture as shown."""
        return self.points(np.asarray(boxes, float).reshape(-1, 2, 2)).reshape(-1, 4)

    def grey(self) -> Picture:
        """The picture without colour and darker: what targets are laid on."""
        grey = cv2.cvtColor(self.image, cv2.COLOR_RGB2GRAY)[..., None] * _DIM
        return np.repeat(grey, 3, 2).astype(np.uint8)


def labelled(image: Picture, people: People, skeleton: Skeleton, side: int) -> Picture:
    """The picture with its people."""
    view = View(image, side)
    boxes = view.boxes(people.boxes) if people.boxes is not None else None
    shown = People(view.points(people.keypoints), people.visibility, boxes, people.labels)
    return draw_people(view.image, shown, skeleton, readable=0)


def maps(
    image: Picture,
    values: Float[NDArray, "C h w"],
    colours: Sequence[Colour],
    stride: float,
    side: int,
    weight: Float[NDArray, "C h w"] | None = None,
) -> Picture:
    """Each cell in the colour of its strongest channel, as opaque as that is strong; striped where nobody learns it.

    Args:
        values: in [0, 1]. colours: of the C channels. stride: canvas px per cell. weight: 0 is not supervised.
    """
    view = View(image, side)
    strongest = values.argmax(0)
    strength = _spread(values.max(0).astype(np.float32), stride, view)[..., None]
    paint = np.asarray(colours, np.uint8)[strongest].astype(np.float32)
    laid = view.grey() * (1 - strength) + _spread(paint, stride, view) * strength
    if weight is not None and not weight.all():
        laid = _striped(laid, _spread((weight.max(0) > 0).astype(np.float32), stride, view))
    return np.clip(laid + 0.5, 0, 255).astype(np.uint8)


def fields(image: Picture, vectors: Float[NDArray, "E 2 h w"], stride: float, side: int) -> Picture:
    """Each cell in the hue of its longest vector's direction, as opaque as that is long; with a wheel of the hues."""
    view = View(image, side)
    lengths = np.linalg.norm(vectors, axis=1)
    longest = lengths.argmax(0)[None, None]
    along = np.take_along_axis(vectors, longest, 0)[0]
    colour = _spread(_hue(along[0], along[1]), stride, view)
    strength = np.clip(_spread(lengths.max(0).astype(np.float32), stride, view), 0, 1)[..., None]
    laid = view.grey() * (1 - strength) + colour * strength
    return _with_wheel(np.clip(laid + 0.5, 0, 255).astype(np.uint8))


def boxes(image: Picture, found: Float[NDArray, "N 4"], side: int) -> Picture:
    """Outlines."""
    view = View(image, side)
    ink = Ink(view.size)
    for box in view.boxes(found):
        ink.box(box, _NEUTRAL, max(side / 250, 1.0))
    return ink.over(view.grey())


def places(
    image: Picture,
    points: Float[NDArray, "N 2"],
    colours: Sequence[Colour],
    side: int,
    learners: Float[NDArray, "N 2"] | None = None,
) -> Picture:
    """Dots, with a line from what learns each (a white dot) to it."""
    view = View(image, side)
    ink, at = Ink(view.size), view.points(points)
    if learners is not None:
        starts = view.points(learners)
        for start, end, colour in zip(starts, at, colours, strict=True):
            ink.line(tuple(start), tuple(end), (colour, colour), max(side / 500, 0.5))
        for start in np.unique(starts.round(2), axis=0):
            ink.dot(tuple(start), side / 170, (255, 255, 255), 0.8)
    for point, colour in zip(at, colours, strict=True):
        ink.dot(tuple(point), side / 130, colour, 0.8)
    return ink.over(view.grey())


def shades(keypoints: Sequence[int], skeleton: Skeleton) -> list[Colour]:
    """The skeleton's colours of keypoints; of -1, which is none, a colour of its own."""
    return [skeleton.colours[k] if k >= 0 else _NEUTRAL for k in keypoints]


def _spread(values: NDArray[np.float32], stride: float, view: View) -> NDArray[np.float32]:
    """Values of cells (h, w, ...) over the picture as shown, every cell as the square that it is."""
    to = view.matrix @ np.diag([stride, stride, 1.0])
    height, width = view.size
    rows = np.clip(((np.arange(height) + 0.5) / to[1, 1]).astype(int), 0, values.shape[0] - 1)
    columns = np.clip(((np.arange(width) + 0.5) / to[0, 0]).astype(int), 0, values.shape[1] - 1)
    return values[rows[:, None], columns]


def _striped(image: NDArray[np.floating], learned: NDArray[np.float32]) -> NDArray[np.floating]:
    y, x = np.indices(learned.shape)
    dark = ((x + y) % _STRIPES < _DARK) & (learned == 0)
    return np.where(dark[..., None], image * 0.35 + np.array([110, 20, 30]), image)


def _hue(x: NDArray[np.floating], y: NDArray[np.floating]) -> NDArray[np.float32]:
    """(..., 3): the colour of directions; red to the right, and round clockwise as y grows downwards."""
    degrees = (np.degrees(np.arctan2(y, x)) % 360).astype(np.float32)
    hsv = np.stack([degrees, np.full_like(degrees, 0.85), np.ones_like(degrees)], -1)
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB) * 255, np.float32)


def _with_wheel(image: Picture) -> Picture:
    radius = max(image.shape[1] // 22, 8)
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1].astype(np.float32)
    away = np.hypot(x, y)
    corner = image[-2 * radius - 5 : -4, -2 * radius - 5 : -4]
    if corner.shape[:2] != x.shape:
        return image
    ring = (away <= radius) & (away >= radius * 0.45)
    corner[ring] = _hue(x, y)[ring]
    return image
