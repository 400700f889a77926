"""People drawn on pictures, and pictures set side by side with their captions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw, ImageFont

from armature.reports.ink import Colour, Ink

if TYPE_CHECKING:
    from armature.structures import Poses, Record, Skeleton

#: Scores at or above this are drawn as certain (filled), below it as doubtful (hollow).
SURE = 0.3
#: Small pictures are enlarged by a whole factor until their longer side has this many pixels.
READABLE = 512

_PAPER, _TEXT, _QUIET = (255, 255, 255), (28, 30, 34), (112, 117, 125)
_BOX: Colour = (245, 245, 245)


class People(NamedTuple):
    """The people of one picture as they are drawn.

    Attributes:
        keypoints: (N, K, 2) xy, continuous px of the picture; points that are not finite are left out.
        visibility: (N, K) whole numbers 0 not drawn, 1 hidden, 2 visible; or floats: scores in [0, 1].
        boxes: (N, 4) xyxy or None.
        labels: N short texts at the boxes, or None.
    """

    keypoints: NDArray[np.floating]
    visibility: NDArray
    boxes: NDArray[np.floating] | None = None
    labels: tuple[str, ...] | None = None


def people_of_record(record: Record) -> People:
    """The labelled people of a record; crowds are left out."""
    keep = ~record.crowd
    return People(record.keypoints[keep], record.visibility[keep], record.boxes[keep])


def people_of_poses(poses: Poses, threshold: float = 0.0) -> People:
    """The people found in one image whose score is at least the threshold, the least certain first (so drawn below)."""
    scores = poses.scores.detach().float().cpu().numpy()
    order = [i for i in np.argsort(scores, kind="stable") if scores[i] >= threshold]
    keypoints = poses.keypoints.detach().float().cpu().numpy()[order]
    points = poses.keypoint_scores.detach().float().cpu().numpy()[order]
    boxes = poses.boxes.detach().float().cpu().numpy()[order]
    return People(keypoints, points, boxes, tuple(f"{scores[i]:.2f}" for i in order))


def enlargement(size: tuple[int, int], readable: int = READABLE) -> int:
    """The whole factor by which ``draw`` enlarges a picture of (H, W): 1 where the longer side is long enough."""
    return max(math.ceil(readable / max(*size, 1)), 1) if readable else 1


def draw(
    image: NDArray[np.uint8],
    keypoints: ArrayLike,
    visibility: ArrayLike,
    skeleton: Skeleton,
    boxes: ArrayLike | None = None,
    labels: Sequence[str] | None = None,
    readable: int = READABLE,
) -> NDArray[np.uint8]:
    """The picture with every person's limbs and points in the skeleton's colours.

    Visible points are filled; hidden ones (visibility 1, or a score below ``SURE``) are hollow and their limbs dashed;
    points with visibility or score 0, and points that are not finite, are left out.

    Args:
        image: (H, W, 3) uint8 RGB; it is not changed.
        keypoints: (N, K, 2) xy in continuous pixels of ``image``.
        visibility: (N, K): whole numbers are COCO flags 0|1|2, floats are scores.
        skeleton: names the limbs and the colours.
        boxes: (N, 4) xyxy, drawn thin; None draws none.
        labels: N texts written at the boxes.
        readable: small pictures are enlarged by ``enlargement(size, readable)``; 0 keeps the size.

    Returns:
        uint8 RGB, (H f, W f, 3) where f is that factor.
    """
    factor = enlargement(image.shape[:2], readable)
    canvas = _enlarge(image, factor)
    points = np.asarray(keypoints, float).reshape(-1, skeleton.count, 2) * factor
    flags = _flags(visibility).reshape(-1, skeleton.count)
    flags = np.where(np.isfinite(points).all(-1), flags, 0)
    ink = Ink(canvas.shape[:2])
    frames = None if boxes is None else np.asarray(boxes, float).reshape(-1, 4) * factor
    if frames is not None:
        for frame in frames[np.isfinite(frames).all(-1)]:
            ink.box(frame, _BOX, max(max(canvas.shape[:2]) / 900.0, 0.5))
    for person, flag in zip(points, flags, strict=True):
        _person(ink, person, flag, skeleton)
    drawn = ink.over(canvas)
    return _labelled(drawn, frames, labels) if labels and frames is not None else drawn


def draw_people(
    image: NDArray[np.uint8], people: People, skeleton: Skeleton, readable: int = READABLE
) -> NDArray[np.uint8]:
    """``draw`` for people that are already packed."""
    return draw(image, people.keypoints, people.visibility, skeleton, people.boxes, people.labels, readable)


def side_by_side(
    image: NDArray[np.uint8],
    truth: People | None,
    prediction: People | None,
    skeleton: Skeleton,
    caption: str = "",
    readable: int = READABLE,
) -> NDArray[np.uint8]:
    """Truth and prediction on the same picture, a heading above each and the caption at the right.

    ``truth`` or ``prediction`` None leaves its panel out. uint8 RGB on white.
    """
    panels = [(name, p) for name, p in (("truth", truth), ("prediction", prediction)) if p is not None]
    drawn = [headed(draw_people(image, people, skeleton, readable), name) for name, people in panels]
    drawn = drawn or [headed(_enlarge(image, enlargement(image.shape[:2], readable)), "")]
    row = contact_sheet(drawn, columns=len(drawn))
    return _write(row, caption, right=True) if caption else row


def headed(image: NDArray[np.uint8], heading: str) -> NDArray[np.uint8]:
    """The picture under a white strip with a heading."""
    strip = np.full((_strip(image.shape[1]), image.shape[1], 3), _PAPER, np.uint8)
    return _write(np.concatenate([strip, image]), heading)


def contact_sheet(
    panels: Sequence[NDArray[np.uint8]], columns: int = 2, width: int | None = None, gap: int | None = None
) -> NDArray[np.uint8]:
    """All pictures on one white sheet, row by row, each scaled to the same width.

    Args:
        panels: uint8 RGB pictures of any size; at least one.
        columns: pictures in a row.
        width: of one picture in px; None takes the median of the panels.
        gap: white px between pictures; None takes a sixtieth of the width.
    """
    columns = max(min(columns, len(panels)), 1)
    cell = width or int(np.median([p.shape[1] for p in panels]))
    gap = max(cell // 60, 4) if gap is None else gap
    scaled = [_to_width(p, cell) for p in panels]
    rows = [scaled[i : i + columns] for i in range(0, len(scaled), columns)]
    heights = [max(p.shape[0] for p in row) for row in rows]
    sheet = np.full((sum(heights) + gap * (len(rows) - 1), cell * columns + gap * (columns - 1), 3), _PAPER, np.uint8)
    top = 0
    for row, height in zip(rows, heights, strict=True):
        for i, panel in enumerate(row):
            sheet[top : top + panel.shape[0], i * (cell + gap) : i * (cell + gap) + cell] = panel
        top += height + gap
    return sheet


def _flags(visibility: ArrayLike) -> NDArray[np.int64]:
    values = np.asarray(visibility)
    if not np.issubdtype(values.dtype, np.floating):
        return values.astype(np.int64)
    return np.where(values >= SURE, 2, np.where(values > 0, 1, 0))


def _person(ink: Ink, points: NDArray[np.float64], flags: NDArray[np.int64], skeleton: Skeleton) -> None:
    if not (flags > 0).any():
        return
    width = _line_width(points[flags > 0], ink.size)
    radius, rim = width * 1.25, max(width * 0.35, 0.4)
    limbs = [(a, b) for a, b in skeleton.edges if flags[a] > 0 and flags[b] > 0]
    solid = [(a, b) for a, b in limbs if flags[a] > 1 and flags[b] > 1]
    for a, b in solid:
        ink.shade(tuple(points[a]), tuple(points[b]), width + 2 * rim)
    for a, b in limbs:
        paint = ink.line if (a, b) in solid else ink.dashes
        thickness = width if (a, b) in solid else width * 0.7
        paint(tuple(points[a]), tuple(points[b]), (skeleton.colours[a], skeleton.colours[b]), thickness)
    for k in np.flatnonzero(flags > 0):
        if flags[k] > 1:
            ink.dot(tuple(points[k]), radius, skeleton.colours[k], rim)
        else:
            ink.ring(tuple(points[k]), radius * 1.25, skeleton.colours[k], width * 0.6, rim)


def _line_width(points: NDArray[np.float64], size: tuple[int, int]) -> float:
    """Line width in px: a hundredth of the person, kept between what can be seen and what covers the picture."""
    picture = max(size)
    person = float(np.ptp(points, axis=0).max()) if len(points) > 1 else picture / 8
    return float(np.clip(person * 0.012, picture * 0.003, picture * 0.007))


def _enlarge(image: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    if factor == 1:
        return image
    size = (image.shape[1] * factor, image.shape[0] * factor)
    return np.asarray(cv2.resize(np.ascontiguousarray(image), size, interpolation=cv2.INTER_CUBIC), np.uint8)


def _to_width(image: NDArray[np.uint8], width: int) -> NDArray[np.uint8]:
    if image.shape[1] == width:
        return image
    height = max(round(image.shape[0] * width / image.shape[1]), 1)
    how = cv2.INTER_AREA if width < image.shape[1] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, (width, height), interpolation=how), np.uint8)


def _strip(width: int) -> int:
    return round(_font_size(width) * 1.7)


def _font_size(width: int) -> int:
    return int(np.clip(width / 26, 14, 34))


@lru_cache(maxsize=32)
def _font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)


def _write(image: NDArray[np.uint8], text: str, right: bool = False) -> NDArray[np.uint8]:
    """The picture with the text in its top strip; the caption at the right is quieter than the heading at the left."""
    sheet = Image.fromarray(image)
    size = _font_size(image.shape[1] // 2 if right else image.shape[1])
    inset = round(size * 0.35)
    x, anchor = (image.shape[1] - inset, "rm") if right else (inset, "lm")
    ImageDraw.Draw(sheet).text((x, size * 0.85), text, fill=_QUIET if right else _TEXT, font=_font(size), anchor=anchor)
    return np.asarray(sheet)


def _labelled(image: NDArray[np.uint8], boxes: NDArray[np.float64], labels: Sequence[str]) -> NDArray[np.uint8]:
    """The picture with a text on a dark plate in each box's upper left corner."""
    sheet = Image.fromarray(image)
    pen, font = ImageDraw.Draw(sheet, "RGBA"), _font(max(round(max(image.shape[:2]) / 45), 11))
    for box, text in zip(boxes, labels, strict=True):
        if np.isfinite(box).all():
            at = (float(np.clip(box[0], 0, image.shape[1])) + 4, float(np.clip(box[1], 0, image.shape[0])) + 3)
            left, top, right, bottom = pen.textbbox(at, text, font=font)
            pen.rounded_rectangle((left - 3, top - 3, right + 3, bottom + 3), 3, fill=(20, 22, 26, 170))
            pen.text(at, text, fill=_BOX, font=font)
    return np.asarray(sheet)
