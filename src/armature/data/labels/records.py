"""Records of one skeleton from labels: matching points, and the boxes and areas that a file does not have."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from armature.data.coco import AREA_OF_BOX, keypoint_order
from armature.data.dlc import LEAST_MARGIN
from armature.data.labels.form import Category, LabelledImage, Labels, Person
from armature.data.segments import area_of, outline
from armature.structures import Record, Skeleton

#: A box that no file gives is the bounds of the labelled points, wider on every side by this share of its longer side.
MARGIN = 0.1


def make_records(
    labels: Labels,
    images: Sequence[LabelledImage],
    skeleton: Skeleton,
    categories: Sequence[int],
    margin: float = MARGIN,
) -> list[Record]:
    """One record an image, with the people of these categories, in the order of the skeleton.

    Points are matched as ``coco.keypoint_order`` does: by name, or by position where the data has no names. A person
    without a box gets the widened bounds of its points; a missing area is that of the segment, or else 0.53 x box,
    with a warning. Somebody with neither box nor labelled points is in no record. Ids are the data's where
    they are whole numbers above 0 that come once, and count from 1 otherwise.

    Raises:
        DataError: the points of a category cannot be matched.
    """
    orders = {i: _order(labels, labels.categories[i], skeleton) for i in categories}
    chosen = [[p for p in i.people if p.category in orders and (p.labelled or p.box is not None)] for i in images]
    ids = _ids([i.ident for i in images])
    numbers = iter(_ids([p.ident for people in chosen for p in people]))
    guessed = sum(p.area is None and not p.polygons and p.mask is None for people in chosen for p in people)
    if guessed and any(p.area is not None for people in chosen for p in people):
        warnings.warn(
            f"{labels.root}: {guessed} people have neither area nor segment; {AREA_OF_BOX} x box is used", stacklevel=2
        )
    return [
        _record(image, people, ident, [next(numbers) for _ in people], orders, skeleton.count, margin)
        for image, people, ident in zip(images, chosen, ids, strict=True)
    ]


def digest(records: Sequence[Record]) -> str:
    """sha256 over everything that records say."""
    found = hashlib.sha256()
    for r in records:
        found.update(repr((r.image_id, r.file, r.size)).encode())
        for array in (r.keypoints, r.visibility, r.boxes, r.areas, r.crowd, r.annotation_ids):
            found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


def box_around(person: Person, size: tuple[int, int], margin: float = MARGIN) -> NDArray[np.float64]:
    """(4,) xyxy around the labelled points, wider by ``margin`` of the longer side, in the picture; 0 without any."""
    points = person.keypoints[person.visibility > 0]
    if not len(points):
        return np.zeros(4)
    low, high = points.min(0), points.max(0)
    wider = max(margin * (high - low).max(), LEAST_MARGIN * max(size))
    box = np.concatenate([low - wider, high + wider])
    return np.clip(box, 0, [size[1], size[0]] * 2) if max(size) else box


def _order(labels: Labels, category: Category, skeleton: Skeleton) -> list[int]:
    names = category.keypoints if category.named else ()
    return keypoint_order(labels.root, {"name": category.name, "keypoints": names}, skeleton, len(category.keypoints))


def _ids(given: Sequence[int | None]) -> list[int]:
    known = [i for i in given if i is not None and 0 < i < 2**63]
    return known if len(set(known)) == len(given) else list(range(1, len(given) + 1))


def _record(
    image: LabelledImage,
    people: Sequence[Person],
    ident: int,
    numbers: Sequence[int],
    orders: dict[int, list[int]],
    count: int,
    margin: float,
) -> Record:
    keypoints = np.array([p.keypoints[orders[p.category]] for p in people], float).reshape(-1, count, 2)
    visibility = np.array([p.visibility[orders[p.category]] for p in people], np.int64).reshape(-1, count)
    boxes = [p.box if p.box is not None else box_around(p, image.size, margin) for p in people]
    whole = np.array(boxes, float).reshape(-1, 4)
    areas = [_area(p, b, image.size) for p, b in zip(people, whole, strict=True)]
    return Record(
        image_id=ident,
        file=image.file,
        size=image.size,
        keypoints=keypoints,
        visibility=visibility,
        boxes=whole,
        areas=np.array(areas, float),
        crowd=np.array([p.crowd for p in people], bool),
        annotation_ids=np.array(numbers, np.int64),
    )


def regions(
    people: Sequence[Person], size: tuple[int, int], everybody: bool = False
) -> tuple[tuple[NDArray[np.float64], ...], ...]:
    """Per person the polygons of a crowd's segment, or of everybody's; () where there are none."""
    return tuple((p.polygons or outline(p.mask, size)) if p.crowd or everybody else () for p in people)


def _area(person: Person, box: NDArray[np.float64], size: tuple[int, int]) -> float:
    if person.area is not None:
        return person.area
    segment = area_of(person.polygons, person.mask, size)
    return segment if segment is not None else float(AREA_OF_BOX * (box[2:] - box[:2]).prod())
