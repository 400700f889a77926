"""Composes a picture: how many figures, how large, where, in which order; and reads the truth off the label map."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from armature.data.synthetic import backdrop, paint
from armature.data.synthetic.kinematics import Figures, pose
from armature.data.synthetic.palette import Image
from armature.data.synthetic.rig import Floats, Ints, Rig
from armature.structures import Record

#: Label of every member of the crowd, and of no other figure.
CROWD = 255
#: Figures of which fewer px^2 than this can be seen are not labelled, and fewer than this share of what is expected.
LEAST_AREA, LEAST_SHARE = 20, 0.03
#: Share of figures that may reach far across the picture's border, sideways and up or down.
_CUT_OFF = (0.4, 0.3)


class Settings(NamedTuple):
    """What kind of pictures: see ``Synthetic``."""

    size: tuple[int, int]
    people: tuple[int, int]
    scale: tuple[float, float]
    crowd: float
    occluders: float


class Truth(NamedTuple):
    """The labelled figures of a picture: as in Record, without its numbers."""

    keypoints: Floats
    visibility: Ints
    boxes: Floats
    areas: Floats
    crowd: NDArray[np.bool_]
    labels: Ints
    regions: tuple[tuple[Floats, ...], ...]


def compose(rig: Rig, settings: Settings, rng: np.random.Generator) -> tuple[Image, NDArray[np.uint16], Truth]:
    """A picture (H, W, 3), its label map (H, W) and the truth about its figures."""
    height, width = settings.size
    canvas = paint.blank(backdrop.backdrop(height, width, rng))
    angle = float(rng.uniform(-2.6, -0.5))
    light = np.array([np.cos(angle), np.sin(angle)])
    crowded = float(rng.random()) < settings.crowd
    if crowded:
        _draw_crowd(canvas, rig, settings, light, rng)
    count = int(rng.integers(settings.people[0], settings.people[1] + 1))
    figures = pose(rig, count, rng)
    scale, centre = _places(rig, figures, settings, rng)
    points = _draw(canvas, rig, figures, scale, centre, light, rng)
    if float(rng.random()) < settings.occluders:
        backdrop.place_things(canvas.image, int(rng.integers(1, 3)), rng, canvas.labels, canvas.light)
    image = paint.develop(canvas, 2 * round(max(height, width) / 110) + 1, rng)
    return image, canvas.labels, _truth(canvas, rig, figures, points, scale, crowded)


def _draw(
    canvas: paint.Canvas,
    rig: Rig,
    figures: Figures,
    scale: Floats,
    centre: Floats,
    light: Floats,
    rng: np.random.Generator,
    label: int | None = None,
) -> Floats:
    """Draws figures in their order, each with its own number or all with one label; their points (P, K, 2) px."""
    drawing = paint.sketch(rig, figures, scale, centre, light, rng)
    if rig.shadow:
        paint.shade_floor(canvas, drawing)
    for figure in range(len(scale)):
        paint.paint(canvas, drawing, figure, figure + 1 if label is None else label)
        if label is None:
            paint.dress(canvas, rig, drawing, figure, figure + 1, rng)
    return drawing.points


def _places(rig: Rig, figures: Figures, settings: Settings, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """px per metre (P,) and root positions (P, 2), far figures first; each takes the emptiest of four random places."""
    height, width = settings.size
    count = len(figures.radii)
    low, high = np.log(settings.scale)
    if count > 2:
        high = high - 0.12 * (count - 2)
    scale = np.sort(np.exp(rng.uniform(low, max(high, low), count))) * min(height, width) / rig.reach
    if count > 1 and rng.random() < 0.25:
        rng.shuffle(scale)
    balls, radii = figures.balls[..., :2], figures.radii[..., None]
    first, last = (balls - radii).min(1) * scale[:, None], (balls + radii).max(1) * scale[:, None]
    size = last - first
    frame = np.array([width, height], float)
    # Some stand half outside; the others at most just touch the border.
    margin = size * np.where(rng.random((count, 2)) < _CUT_OFF, 0.42, 0.06)
    bounds = np.sort(np.stack([size / 2 - margin, frame - size / 2 + margin], 1), 1)
    tries = bounds[:, :1] + rng.random((count, 4, 2)) * (bounds[:, 1:] - bounds[:, :1])
    middle = np.empty((count, 2))
    for i in range(count):
        gap = np.abs(tries[i][:, None] - middle[None, :i]) / (size[i] + size[:i])
        middle[i] = tries[i][int(gap.max(-1).min(1).argmax())] if i else tries[i, 0]
    offset = (first + last) / 2 * np.array([1.0, -1.0])
    return scale, middle - offset


def _draw_crowd(canvas: paint.Canvas, rig: Rig, settings: Settings, light: Floats, rng: np.random.Generator) -> None:
    """Many small figures side by side in one region, with one label for all."""
    height, width = settings.size
    count = int(rng.integers(10, 22))
    figures = pose(rig, count, rng)
    tall = float(rng.uniform(0.10, 0.16)) * min(height, width)
    left, top = float(rng.uniform(0.0, 0.55)) * width, float(rng.uniform(0.1, 0.6)) * height
    spread = rng.random((count, 2)) * (0.45 * width, 0.18 * height)
    centre = spread[np.argsort(spread[:, 1])] + (left, top)
    _draw(canvas, rig, figures, np.full(count, tall / rig.reach), centre, light, rng, CROWD)


def _truth(canvas: paint.Canvas, rig: Rig, figures: Figures, points: Floats, scale: Floats, crowded: bool) -> Truth:
    """Who can be seen, where, and which points: all of it counted on the label map."""
    numbers = [*range(1, len(scale) + 1), *([CROWD] if crowded else [])]
    visibility = np.zeros((len(numbers), len(rig.point_joint)), np.int64)
    keypoints = np.full((*visibility.shape, 2), 0.5)
    count = len(scale)
    visibility[:count] = _visibility(canvas.labels, rig, figures, points)
    keypoints[:count][visibility[:count] > 0] = points[visibility[:count] > 0]
    masks = [cv2.inRange(canvas.labels, n << 8, (n << 8) + 255) for n in numbers]
    areas = np.array([cv2.countNonZero(m) for m in masks], float)
    rects = np.array([cv2.boundingRect(m) for m in masks], float).reshape(-1, 4)
    expected = np.append(0.2 * (rig.reach * scale) ** 2, [0.0] * crowded)
    keep = np.flatnonzero(areas >= np.maximum(LEAST_AREA, LEAST_SHARE * expected))
    regions = tuple(_region(masks[i]) if numbers[i] == CROWD else () for i in keep)
    boxes = np.concatenate([rects[keep, :2], rects[keep, :2] + rects[keep, 2:]], 1)
    labels = np.array(numbers, np.int64)[keep]
    return Truth(keypoints[keep], visibility[keep], boxes, areas[keep], labels == CROWD, labels, regions)


def _visibility(labels: NDArray[np.uint16], rig: Rig, figures: Figures, points: Floats) -> Ints:
    """(P, K): 0 outside the picture, 2 where a part that carries the point is on top at its pixel, else 1.

    A point on the side of a head that looks away (the nose of a head seen from behind) is 0 as well: people do not
    label it. Of 823 people in COCO val2017 whose shoulders show that they face away, 83 % have no nose and 87-90 %
    no eyes.
    """
    height, width = labels.shape
    inside = ((points >= 0) & (points < (width, height))).all(-1)
    x = np.clip(points[..., 0], 0, width - 1).astype(np.int64)
    y = np.clip(points[..., 1], 0, height - 1).astype(np.int64)
    top = labels[y, x]
    own = (top >> 8) == np.arange(1, len(points) + 1)[:, None]
    rows, part = np.arange(points.shape[1]), top & 255
    carried = rig.carriers[rows, part] | (rig.surface[rows, part] & figures.shown)
    turned_away = rig.facial & ~figures.shown
    return (inside & ~turned_away) * (1 + (own & carried).astype(np.int64))


def _region(mask: Image) -> tuple[Floats, ...]:
    """Polygons around a mask, in strips so that whoever stands in a hole of it is left out."""
    polygons = []
    step = max(mask.shape[1] // 16, 4)
    for left in range(0, mask.shape[1], step):
        found, _ = cv2.findContours(mask[:, left : left + step], cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        polygons += [c[:, 0] + np.array([left + 0.5, 0.5]) for c in found if len(c) > 2]
    return tuple(polygons)


def record(truth: Truth, image_id: int, size: tuple[int, int], most: int) -> Record:
    """The truth of picture ``image_id``; annotation ids count figures, ``most`` to a picture, the crowd last."""
    ids = (image_id - 1) * most + np.minimum(truth.labels, most - 1)
    keypoints, visibility, boxes, areas, crowd, _, regions = truth
    return Record(image_id, "", size, keypoints, visibility, boxes, areas, crowd, ids, regions)
