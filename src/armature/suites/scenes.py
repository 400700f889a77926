"""Pictures on a canvas with their people, and the changed views of them that a suite shows to a detector."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from armature.data.geometry import FILL, Matrix, letterbox, map_boxes, map_points, translation, warp
from armature.data.source import Picture, Source
from armature.errors import DataError
from armature.structures import Record

#: A change of what is seen and not of where it is: (picture on the canvas, its people there, random numbers).
Change = Callable[[Picture, Record, np.random.Generator], Picture]


@dataclass(frozen=True, eq=False)
class Scene:
    """One picture of a data set and how it comes onto the canvas.

    Attributes:
        picture: as the source has it. place: source px -> canvas px.
        record: its people in canvas px; its size is the canvas.
    """

    picture: Picture
    place: Matrix
    record: Record


@dataclass(frozen=True, eq=False)
class View:
    """One change of a picture.

    Attributes:
        kind: what is changed (``rotation``). strength: how much, in the kind's unit.
        matrix: canvas px -> canvas px of the view, affine. change: of the picture afterwards; None for none.
    """

    kind: str
    strength: float
    matrix: Matrix
    change: Change | None = None

    @property
    def mirrored(self) -> bool:
        """Whether left and right change places."""
        return float(np.linalg.det(self.matrix[:2, :2])) < 0


def scenes(source: Source, canvas: tuple[int, int], count: int | None = None) -> list[Scene]:
    """The first ``count`` pictures of a source, letterboxed onto a canvas of (H, W); None takes all.

    Raises:
        DataError: the source is empty.
    """
    total = len(source) if count is None else min(count, len(source))
    if total < 1:
        raise DataError("a suite needs pictures: the data has none")
    found = []
    for index in range(total):
        picture, record = source.read(index)
        place = letterbox(record.size, canvas)
        found.append(Scene(picture, place, on_canvas(record, place, canvas)))
    return found


def on_canvas(record: Record, matrix: Matrix, canvas: tuple[int, int]) -> Record:
    """A record whose picture an axis-aligned map brought onto a canvas of (H, W)."""
    scale = abs(float(np.linalg.det(matrix[:2, :2])))
    regions = tuple(tuple(map_points(polygon, matrix) for polygon in person) for person in record.regions)
    return replace(
        record,
        size=canvas,
        keypoints=map_points(record.keypoints, matrix),
        boxes=map_boxes(record.boxes, matrix),
        areas=record.areas * scale,
        regions=regions,
    )


def show(scene: Scene, view: View, seed: int) -> Picture:
    """The picture of a view: warped once from the source's pixels, then changed; random numbers follow from the seed,
    the image and the view, so that a picture does not depend on what was shown before it."""
    canvas = scene.record.size
    picture = warp(scene.picture, view.matrix @ scene.place, canvas, FILL)
    if view.change is None:
        return picture
    kind = [ord(letter) for letter in view.kind]
    rng = np.random.default_rng((seed, scene.record.image_id, round(1000 * view.strength) % 2**31, *kind))
    return view.change(picture, scene.record, rng)


def seen(record: Record, view: View) -> Record:
    """The record without the points that a view does not show: a person of whom none is left is ignored."""
    inside = within(map_points(record.keypoints, view.matrix), record.size)
    return replace(record, visibility=record.visibility * inside)


def within(points: NDArray[np.float64], size: tuple[int, int], margin: float = 0.0) -> NDArray[np.bool_]:
    """Which points (..., 2) lie on a canvas of (H, W), at least ``margin`` px from its border."""
    limits = np.array([size[1], size[0]], np.float64)
    return np.asarray(((points >= margin) & (points < limits - margin)).all(-1))


def filling(scene: Scene) -> Picture:
    """The scene's picture cut so that it fills the canvas: no edge of the picture is in it for a detector to find."""
    (height, width), (canvas_height, canvas_width) = scene.picture.shape[:2], scene.record.size
    scale = max(canvas_height / height, canvas_width / width)
    x, y = (canvas_width - scale * width) / 2, (canvas_height - scale * height) / 2
    matrix = np.array([[scale, 0.0, x], [0.0, scale, y], [0.0, 0.0, 1.0]])
    return warp(scene.picture, matrix, scene.record.size, FILL)


def identity() -> Matrix:
    """The map that changes nothing."""
    return np.eye(3)


def about(linear: NDArray[np.float64], canvas: tuple[int, int]) -> Matrix:
    """A linear map (2, 2) about the middle of a canvas of (H, W)."""
    middle = canvas[1] / 2, canvas[0] / 2
    matrix = np.eye(3)
    matrix[:2, :2] = linear
    return translation(*middle) @ matrix @ translation(-middle[0], -middle[1])


def rotation(degrees: float, canvas: tuple[int, int]) -> Matrix:
    """A turn about the middle, clockwise as the picture is seen."""
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    if degrees % 90 == 0:
        cosine, sine = round(cosine), round(sine)
    return about(np.array([[cosine, -sine], [sine, cosine]], np.float64), canvas)


def scaling(factor: float, canvas: tuple[int, int]) -> Matrix:
    """An enlargement about the middle."""
    return about(np.eye(2) * factor, canvas)


def mirror(canvas: tuple[int, int]) -> Matrix:
    """Left and right exchanged."""
    return about(np.diag([-1.0, 1.0]), canvas)


def pictures(source: Iterable[Scene], view: View, seed: int) -> list[Picture]:
    """A view of each scene."""
    cv2.setNumThreads(0)  # the network's threads have the cores
    return [show(scene, view, seed) for scene in source]
