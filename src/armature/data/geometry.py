"""One 3x3 matrix an image, source px -> canvas px, and everything that follows it: picture, points, boxes, regions.

Coordinates are continuous: pixel ``i`` spans ``[i, i + 1)``. Matrices are float64 and act on column vectors
``(x, y, 1)``. A matrix with a negative determinant is a mirror and exchanges left and right in ``map_record``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import cv2
import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray

from armature.data.source import Picture
from armature.errors import ConfigError
from armature.structures import Record, Skeleton

Matrix = Float[NDArray[np.float64], "3 3"]
Points = Float[NDArray[np.float64], "... 2"]
Boxes = Float[NDArray[np.float64], "M 4"]
Size = tuple[int, int]

#: Colour beside the picture: ImageNet's mean, which normalisation turns into zero.
FILL = (124, 116, 104)
#: Below this scale the picture is averaged down before it is warped, because bilinear sampling would skip pixels.
ALIASING = 0.6
#: Who is brought to a given height has so many labelled keypoints and at least this area, px^2: those of fewer are not
#: among the people that OpenPose's training goes through.
LEAST_LABELLED, LEAST_AREA = 5, 32 * 32


class Geometry(Protocol):
    """Draws the matrix of one sample."""

    def __call__(self, size: Size, canvas: Size, rng: np.random.Generator, record: Record) -> Matrix: ...


def translation(x: float, y: float) -> Matrix:
    """The matrix that moves points by (x, y)."""
    return np.array([[1.0, 0.0, x], [0.0, 1.0, y], [0.0, 0.0, 1.0]])


def letterbox(size: Size, canvas: Size) -> Matrix:
    """The matrix that fits a picture into the canvas, aspect kept, centred; sizes are (H, W)."""
    (height, width), (canvas_height, canvas_width) = size, canvas
    scale = min(canvas_height / height, canvas_width / width)
    x, y = (canvas_width - scale * width) / 2, (canvas_height - scale * height) / 2
    return np.array([[scale, 0.0, x], [0.0, scale, y], [0.0, 0.0, 1.0]])


class Letterbox:
    """The geometry of evaluation: ``letterbox``, whatever the record."""

    def __call__(self, size: Size, canvas: Size, rng: np.random.Generator, record: Record) -> Matrix:
        return letterbox(size, canvas)


class RandomAffine:
    """The geometry of training: a random similarity on top of the letterbox, about the middle of the canvas.

    Args:
        scale: bounds of the factor; 1 fills the canvas as the letterbox does.
        rotation: largest angle to either side, degrees, drawn uniformly.
        shift: largest move to either side, as a share of the canvas, drawn uniformly for x and y.
        flip: probability of a mirror image.
        focus: probability that a random person's box centre, not the picture's centre, comes to the middle (before
            the shift); for small people in large pictures, together with a scale above 1.
        height: at scale 1 that person's box is so high, as a share of the canvas's height, whatever its size in the
            picture (Cao et al. 2017). Only somebody with five labelled keypoints and an area of 32 x 32 px is looked
            at then; None leaves people in the size they have.
        even: the factor is drawn uniformly and not log-uniformly.

    Raises:
        ConfigError: bounds that make no sense; names the parameter.
    """

    def __init__(
        self,
        scale: Sequence[float] = (0.75, 1.25),
        rotation: float = 30.0,
        shift: float = 0.1,
        flip: float = 0.5,
        focus: float = 0.0,
        height: float | None = None,
        even: bool = False,
    ) -> None:
        low, high = scale
        if not 0 < low <= high:
            raise ConfigError(f"geometry: scale must be (low, high) with 0 < low <= high; found {tuple(scale)}")
        for name, value in (("flip", flip), ("focus", focus)):
            if not 0 <= value <= 1:
                raise ConfigError(f"geometry: {name} is a probability between 0 and 1; found {value}")
        if height is not None and not 0 < height <= 10:
            raise ConfigError(f"geometry: height is a share of the canvas's, above 0, or null; found {height}")
        self.scale, self.rotation, self.shift, self.flip, self.focus = (low, high), rotation, shift, flip, focus
        self.height, self.even = height, even

    def __call__(self, size: Size, canvas: Size, rng: np.random.Generator, record: Record) -> Matrix:
        # Always the same number of draws, so that one option does not change what the others draw.
        zoom, turn, right, down, mirror, look, who = rng.random(7)
        low, high = self.scale
        scale = low + (high - low) * zoom if self.even else low * (high / low) ** zoom
        angle = math.radians(self.rotation) * (2 * turn - 1)
        base = letterbox(size, canvas)
        x, y = canvas[1] / 2, canvas[0] / 2
        if look < self.focus and (box := _look_at(record, who, self.height is not None)) is not None:
            x, y = map_points((box[:2] + box[2:]) / 2, base).tolist()
            if self.height is not None:
                scale *= self.height * canvas[0] / float((box[3] - box[1]) * base[1, 1])
        a, b = scale * math.cos(angle), scale * math.sin(angle)
        side = -1.0 if mirror < self.flip else 1.0
        turned = np.array([[side * a, -b, 0.0], [side * b, a, 0.0], [0.0, 0.0, 1.0]])
        to_x = canvas[1] * (0.5 + self.shift * (2 * right - 1))
        to_y = canvas[0] * (0.5 + self.shift * (2 * down - 1))
        return translation(to_x, to_y) @ turned @ translation(-x, -y) @ base


def _look_at(record: Record, who: float, well: bool) -> NDArray[np.float64] | None:
    """The box (4,) of one of the people, chosen by ``who`` in [0, 1); None without any.

    ``well``: only those with enough keypoints and a size to be enlarged.
    """
    chosen = ~record.crowd
    if well:
        chosen = chosen & ((record.visibility > 0).sum(1) >= LEAST_LABELLED) & (record.areas >= LEAST_AREA)
        chosen &= record.boxes[:, 3] - record.boxes[:, 1] >= 1
    people = record.boxes[chosen]
    return np.asarray(people[int(who * len(people))]) if len(people) else None


def warp(
    image: Picture, matrix: Matrix, canvas: Size, fill: tuple[int, int, int] = FILL, onto: Picture | None = None
) -> Picture:
    """The picture on a canvas of (H, W), bilinear, averaged first where it shrinks below ``ALIASING``.

    Exact in continuous coordinates at every scale: the averaging is a map of its own and is folded into the matrix.

    Args:
        onto: a picture of the canvas's size that is drawn over and returned, instead of ``fill``. Only the rectangle
            that the picture comes to is looked at.
    """
    if onto is None and image.shape[:2] == tuple(canvas) and np.array_equal(matrix, np.eye(3)):
        return image
    scale = math.sqrt(abs(matrix[0, 0] * matrix[1, 1] - matrix[0, 1] * matrix[1, 0]))
    if 0 < scale < ALIASING:
        factor = max(2, math.floor(1 / scale))
        height, width = image.shape[:2]
        small = (math.ceil(width / factor), math.ceil(height / factor))
        image = cv2.resize(image, small, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
        matrix = matrix @ np.diag([width / small[0], height / small[1], 1.0])
    if onto is not None:
        return _draw_over(onto, image, matrix)
    # OpenCV counts pixel centres as integers: shift into its convention and back.
    indices = translation(-0.5, -0.5) @ matrix @ translation(0.5, 0.5)
    return cv2.warpAffine(  # type: ignore[return-value]
        image, indices[:2], (canvas[1], canvas[0]), flags=cv2.INTER_LINEAR, borderValue=fill
    )


def _draw_over(onto: Picture, image: Picture, matrix: Matrix) -> Picture:
    x1, y1, x2, y2 = _reached(image.shape[:2], matrix, onto.shape[:2])
    if x1 < x2 and y1 < y2:
        indices = translation(-x1 - 0.5, -y1 - 0.5) @ matrix @ translation(0.5, 0.5)
        cv2.warpAffine(
            image,
            indices[:2],
            (x2 - x1, y2 - y1),
            dst=onto[y1:y2, x1:x2],
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_TRANSPARENT,
        )
    return onto


def _reached(size: Size, matrix: Matrix, canvas: Size) -> tuple[int, int, int, int]:
    """x1, y1, x2, y2 of the canvas pixels that a picture of (H, W) may come to."""
    bounds = []
    for (a, b, c), side in zip(matrix[:2].tolist(), canvas[::-1]):
        middle, half = (a * size[1] + b * size[0]) / 2 + c, (abs(a) * size[1] + abs(b) * size[0]) / 2
        # One pixel more, for what interpolation reaches.
        low, high = max(middle - half - 1, 0.0), min(middle + half + 1, float(side))
        bounds.append((math.floor(low), math.ceil(high)) if low < high else (0, 0))
    return bounds[0][0], bounds[1][0], bounds[0][1], bounds[1][1]


def map_points(points: Points, matrix: Matrix) -> Points:
    """Points (..., 2) after the map."""
    return points @ matrix[:2, :2].T + matrix[:2, 2]


def map_boxes(boxes: Boxes, matrix: Matrix) -> Boxes:
    """Bounds of the mapped corners of boxes (M, 4) xyxy: contain all of the object, loose under rotation."""
    return _around(boxes, matrix, np.abs(matrix[:2, :2]) @ ((boxes[:, 2:] - boxes[:, :2]) / 2).T)


def map_boxes_tightly(boxes: Boxes, matrix: Matrix, keypoints: Points, labelled: NDArray[np.bool_]) -> Boxes:
    """Bounds of the ellipse inscribed in each box, widened to the labelled points, within the bounds of the corners.

    Equal to ``map_boxes`` for maps that keep the axes. Under rotation nobody knows the tight box of an object of
    which only a box is known; the corners overestimate it by up to sqrt(2) per side, the ellipse is the middle way.

    Args:
        keypoints: (M, K, 2), already mapped. labelled: (M, K).
    """
    outer = map_boxes(boxes, matrix)
    if not matrix[0, 1] or not len(boxes):
        return outer
    inner = _around(boxes, matrix, np.sqrt(matrix[:2, :2] ** 2 @ ((boxes[:, 2:] - boxes[:, :2]) / 2).T ** 2))
    low = np.where(labelled[..., None], keypoints, np.inf).min(1, initial=np.inf)
    high = np.where(labelled[..., None], keypoints, -np.inf).max(1, initial=-np.inf)
    low = np.maximum(np.minimum(inner[:, :2], low), outer[:, :2])
    high = np.minimum(np.maximum(inner[:, 2:], high), outer[:, 2:])
    return np.concatenate([low, high], 1)


def _around(boxes: Boxes, matrix: Matrix, half: NDArray[np.float64]) -> Boxes:
    centres = map_points((boxes[:, :2] + boxes[:, 2:]) / 2, matrix)
    return np.concatenate([centres - half.T, centres + half.T], 1)


class People(NamedTuple):
    """The people of one sample, canvas px: boxes (M, 4) xyxy, keypoints (M, K, 2), visibility (M, K), areas (M,)."""

    boxes: Boxes
    keypoints: Float[NDArray[np.float64], "M K 2"]
    visibility: Int[NDArray[np.int64], "M K"]
    areas: Float[NDArray[np.float64], " M"]

    def among(self, mask: NDArray[np.bool_] | NDArray[np.int64]) -> People:
        """Those of them that the mask (M,) or the indices name."""
        return People(self.boxes[mask], self.keypoints[mask], self.visibility[mask], self.areas[mask])


def together(people: Sequence[People]) -> People:
    """All people of several, one after the other."""
    return people[0] if len(people) == 1 else People(*(np.concatenate(field) for field in zip(*people, strict=True)))


def map_record(record: Record, matrix: Matrix, canvas: Size, skeleton: Skeleton) -> People:
    """The people of a record on the canvas; crowds are left out (see ``ignored``).

    - A mirror (negative determinant) exchanges left and right points.
    - A point that leaves the canvas gets visibility 0.
    - Boxes follow ``map_boxes_tightly`` and are clipped to the canvas; a person whose box keeps less than a pixel
      either way is gone. People without labelled points stay: they have a box and a centre.
    - Areas scale by the determinant and are not reduced by clipping: they are the scale of the whole person.
    """
    return map_rows(record, matrix, canvas, skeleton)[0]


def map_rows(
    record: Record, matrix: Matrix, canvas: Size, skeleton: Skeleton
) -> tuple[People, Int[NDArray[np.int64], " M"]]:
    """``map_record``, and for each of its people the row of the record."""
    height, width = canvas
    whole = ~record.crowd
    keypoints = map_points(record.keypoints[whole], matrix)
    visibility = record.visibility[whole]
    determinant = matrix[0, 0] * matrix[1, 1] - matrix[0, 1] * matrix[1, 0]
    if determinant < 0:
        keypoints, visibility = keypoints[:, skeleton.flip], visibility[:, skeleton.flip]
    boxes = map_boxes_tightly(record.boxes[whole], matrix, keypoints, visibility > 0)
    boxes = np.clip(boxes, 0, [width, height, width, height])
    inside = ((keypoints >= 0) & (keypoints < [width, height])).all(-1)
    people = People(boxes, keypoints, visibility * inside, record.areas[whole] * abs(determinant))
    here = np.asarray(np.all(boxes[:, 2:] - boxes[:, :2] >= 1, axis=-1))
    return people.among(here), np.flatnonzero(whole)[here]


def ignored(record: Record, matrix: Matrix, canvas: Size) -> Bool[NDArray[np.bool_], "H W"] | None:
    """Canvas pixels of the record's crowds (their polygons, or their box where they have none); None without crowds."""
    if not record.crowd.any():
        return None
    mask = np.zeros(canvas, np.uint8)
    for i in np.flatnonzero(record.crowd):
        x1, y1, x2, y2 = record.boxes[i]
        regions = record.regions[i] if record.regions else ()
        fill_polygons(mask, regions or (np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]]),), matrix)
    return mask.astype(bool)


def fill_polygons(mask: NDArray[np.uint8], polygons: Sequence[Points], matrix: Matrix) -> None:
    """Sets the pixels of ``mask`` (H, W) in mapped polygons (P, 2) to 1, those that outlines run through too."""
    for polygon in polygons:
        # OpenCV's fill takes pixel indices in fixed point, here with 4 binary places.
        corners = np.round((map_points(polygon, matrix) - 0.5) * 16).clip(-(2**27), 2**27).astype(np.int32)
        cv2.fillPoly(mask, [corners], 1, shift=4)
