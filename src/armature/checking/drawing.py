"""The picture of a finding: the person with its skeleton, and the problem marked."""

from __future__ import annotations

import base64

import cv2
import numpy as np
from numpy.typing import NDArray

from armature.checking.findings import Finding, Place
from armature.checking.subject import Group, Subject
from armature.data.pictures import read_picture
from armature.errors import DataError
from armature.reports.overlays import draw

#: Longer side of a thumbnail, px, and its JPEG quality.
SIDE, QUALITY = 360, 82
#: A person is shown with so much around it, as a share of its longer side.
AROUND = 0.25
#: px of the thumbnail within which a person's points cannot be told apart: a ring says where they are.
STACKED = 12.0
_MARK = (255, 60, 40)
#: Kinds whose problem is where the whole picture ends.
_WHOLE = 0.35


def thumbnail(subject: Subject, finding: Finding) -> str | None:
    """The picture as ``data:image/jpeg;base64,...``; None where there is nothing to show."""
    place = finding.place
    if place is None:
        return None
    views = [_view(subject, place)]
    if place.other >= 0:
        views.append(_view(subject, Place(place.other)))
    shown = [view for view in views if view is not None]
    return _encoded(_beside(shown)) if shown else None


def _view(subject: Subject, place: Place) -> NDArray[np.uint8] | None:
    try:
        image = read_picture(subject.pictures[place.picture].path)
    except DataError:
        return None
    if place.group < 0:
        return _everybody(subject, place.picture, image)
    return _person(subject.groups[place.group], place, image)


def _everybody(subject: Subject, picture: int, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The whole picture with all of its people."""
    small, factor = _shrunk(image)
    for group in subject.groups:
        rows = np.flatnonzero(group.picture == picture)
        if len(rows):
            boxes = group.boxes[rows] * factor
            small = draw(
                small, group.keypoints[rows] * factor, group.visibility[rows], group.skeleton, boxes, readable=0
            )
    return small


def _person(group: Group, place: Place, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The part of the picture around one person, widened to what lies beyond its edges."""
    region = _region(group, place.row, image.shape[:2])
    part, corner = _cut(image, region)
    small, factor = _shrunk(part)
    points = (group.keypoints[place.row] - corner) * factor
    box = (group.boxes[place.row] - np.tile(corner, 2)) * factor
    drawn = draw(small, points[None], group.visibility[place.row][None], group.skeleton, box[None], readable=0)
    drawn = np.ascontiguousarray(drawn)
    on = points[group.on[place.row]]
    if place.keypoint >= 0:
        _ring(drawn, points[place.keypoint])
    elif len(on) > 1 and np.ptp(on, axis=0).max() < STACKED:
        _ring(drawn, on[0])
    elif np.isfinite(box).all():
        corners = np.clip(np.round(box), -5, 3 * SIDE).astype(int)
        cv2.rectangle(drawn, corners[:2].tolist(), corners[2:].tolist(), _MARK, 2, cv2.LINE_AA)
    return drawn


def _region(group: Group, row: int, size: tuple[int, int]) -> NDArray[np.float64]:
    """xyxy around box and points, never so far from the picture that it would be lost in the grey."""
    bounds = group.bounds[row] if group.on[row].any() else np.full(4, np.nan)
    both = np.stack([bounds, np.concatenate([np.sort(group.boxes[row].reshape(2, 2), 0)]).ravel()])
    if not np.isfinite(both).any():
        return np.array([0, 0, size[1], size[0]], float)
    low, high = np.nanmin(both[:, :2], 0), np.nanmax(both[:, 2:], 0)
    wider = max(AROUND * float((high - low).max()), 20.0)
    limit = _WHOLE * np.array(size[::-1], float)
    edge = np.array(size[::-1], float)
    low, high = np.clip(low - wider, -limit, edge), np.clip(high + wider, 0, edge + limit)
    low = np.minimum(low, edge - 20)
    return np.concatenate([low, np.maximum(high, low + 20)])


def _cut(image: NDArray[np.uint8], region: NDArray[np.float64]) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """The part of the picture, grey where there is none, and where its corner is."""
    x1, y1, x2, y2 = np.floor(region).astype(int)
    height, width = image.shape[:2]
    part = np.full((y2 - y1, x2 - x1, 3), 90, np.uint8)
    inner = image[max(y1, 0) : max(y2, 0), max(x1, 0) : max(x2, 0)]
    top, left = max(-y1, 0), max(-x1, 0)
    part[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
    if x1 < 0 or y1 < 0 or x2 > width or y2 > height:
        cv2.rectangle(part, (-x1 - 1, -y1 - 1), (width - x1, height - y1), (150, 150, 150), 1)
    return part, np.array([x1, y1], float)


def _shrunk(image: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], float]:
    """The picture with its longer side ``SIDE``, and the factor."""
    factor = SIDE / max(image.shape[:2])
    size = (max(round(image.shape[1] * factor), 1), max(round(image.shape[0] * factor), 1))
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(np.ascontiguousarray(image), size, interpolation=how), np.uint8), factor


def _ring(image: NDArray[np.uint8], at: NDArray[np.float64]) -> None:
    x, y = (int(v) for v in np.clip(np.round(at), 3, [image.shape[1] - 4, image.shape[0] - 4]))
    cv2.circle(image, (x, y), 13, (255, 255, 255), 4, cv2.LINE_AA)
    cv2.circle(image, (x, y), 13, _MARK, 2, cv2.LINE_AA)


def _beside(views: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    if len(views) == 1:
        return views[0]
    height = min(min(view.shape[0] for view in views), round(0.7 * SIDE))
    scaled = [cv2.resize(v, (max(round(v.shape[1] * height / v.shape[0]), 1), height)) for v in views]
    gap = np.full((height, 6, 3), 255, np.uint8)
    return np.asarray(np.concatenate([scaled[0], gap, scaled[1]], 1), np.uint8)


def _encoded(image: NDArray[np.uint8]) -> str:
    data = cv2.imencode(".jpg", np.ascontiguousarray(image[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1]
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()
