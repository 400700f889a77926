"""COCO keypoint files, official ones as they are.

COCO's keypoints are pixel indices: labelled points get 0.5 added here, once (``_points``). Its boxes are continuous.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from armature.data.coco_file import Entry, check_entries, check_people, is_int, load_json, refuse, wrong_segment
from armature.data.groups import shared_fields
from armature.data.pictures import PictureSource
from armature.data.segments import outline
from armature.errors import DataError
from armature.structures import Record, Skeleton

#: Share of its box that a person's segment covers, where a file gives no area (the mean over COCO's people).
AREA_OF_BOX = 0.53


class CocoKeypoints(PictureSource):
    """The pictures and people of one COCO keypoint file.

    Keypoints are matched to the skeleton by name where the category's names are the skeleton's (in any order, and
    with more points than the skeleton has), by position where the file has placeholders or no names and the numbers
    agree. ``num_keypoints`` is not read: it follows from the flags. A missing area is 0.53 x box, with a warning.
    Regions are those of crowds only, or of everybody with ``segments``, decoded when a picture is read.

    Args:
        annotations: the json file. images: folder that ``file_name`` is relative to.
        category: name or id; None takes the one category that fits the skeleton.
        ids: image ids to keep, in the file's order; None is all.
        empty: keep images without people; they matter in evaluation, and cost time in training.
        links: allow pictures to be links out of the folder.
        segments: keep everybody's segment, for augmentation that cuts people out; an unsound one is left out, with a
            warning. Some 150 MB for COCO's training set.

    Raises:
        DataError: names the file, the entry and the field; the first few problems of a kind and how many more.
    """

    def __init__(
        self,
        annotations: str | Path,
        images: str | Path,
        skeleton: Skeleton,
        category: str | int | None = None,
        ids: Collection[int] | None = None,
        empty: bool = True,
        links: bool = False,
        segments: bool = False,
    ) -> None:
        if not Path(images).is_dir():
            raise DataError(f"{images}: no such folder of pictures (images of {annotations})")
        content, digest = load_json(annotations)
        entries = check_entries(annotations, content)
        chosen, order = _choose_category(annotations, content["categories"], entries[1], skeleton, category)
        people = [a for a in entries[1] if a["category_id"] == chosen["id"]]
        check_people(annotations, entries[0], people, len(chosen.get("keypoints") or order))
        if segments:
            people = _without_unsound_segments(annotations, entries[0], people)
        table = _Table(annotations, people, order)
        records, kept = table.records(entries[0], None if ids is None else set(ids), empty, segments)
        self._segments, self._annotations, self._everybody = kept, annotations, segments
        super().__init__(images, records, skeleton, digest, links)

    def fields(self) -> dict[str, list[str | None]]:
        """What the file says of the images (see ``groups.Described``), read anew: hardly anybody asks."""
        content = load_json(self._annotations)[0]
        images = {image["id"]: image for image in content["images"]}
        people: dict[int, list[Entry]] = {}
        for one in content["annotations"]:
            own = {name: value for name, value in one.items() if name not in ("id", "image_id", "iscrowd")}
            people.setdefault(one["image_id"], []).append(own)
        ids = [record.image_id for record in self.records]
        return shared_fields([images[i] for i in ids], [people.get(i, []) for i in ids])

    def regions(self, index: int) -> tuple[tuple[NDArray[np.float64], ...], ...]:
        """Polygons of the crowds of a record, or of everybody; () where it has none."""
        record = self.records[index]
        segments = self._segments.get(record.image_id)
        if segments is None:
            return ()
        wanted = record.crowd | self._everybody
        return tuple(outline(s, record.size) if own else () for s, own in zip(segments, wanted))


def _choose_category(
    file: str | Path, categories: list[Entry], annotations: list[Entry], skeleton: Skeleton, wanted: str | int | None
) -> tuple[Entry, list[int]]:
    """The category, and for each skeleton point its place in the file's keypoints."""
    refuse(file, [f"categories[{i}]: field 'id' is missing" for i, c in enumerate(categories) if "id" not in c])
    listing = ", ".join(f"{c.get('name')!r} (id {c['id']}, {len(c.get('keypoints') or ())} points)" for c in categories)
    if wanted is not None:
        chosen = [c for c in categories if wanted in (c["id"], c.get("name"))]
        if len(chosen) != 1:
            raise DataError(f"{file}: category={wanted!r} is {len(chosen)} of its categories: {listing}")
        return chosen[0], keypoint_order(file, chosen[0], skeleton)
    named = [c for c in categories if _by_name(c, skeleton)]
    fitting = named or [c for c in categories if _by_place(c, annotations, skeleton)]
    if len(fitting) == 1:
        return fitting[0], keypoint_order(file, fitting[0], skeleton)
    if len(categories) == 1:
        return categories[0], keypoint_order(file, categories[0], skeleton)
    what = f"{len(fitting)} categories fit" if fitting else "no category fits"
    raise DataError(
        f"{file}: {what} skeleton '{skeleton.name}' ({skeleton.count} points); "
        f"its categories: {listing}; choose one with category=NAME or another skeleton"
    )


def keypoint_order(
    file: str | Path, category: Mapping[str, Any], skeleton: Skeleton, count: int | None = None
) -> list[int]:
    """For each skeleton point its place among the keypoints of a category (its ``name`` and ``keypoints``).

    By name where the category has all of the skeleton's, by position where it has other names (with a warning),
    placeholders or none.

    Args:
        count: how many points its people have, where that is known.

    Raises:
        DataError: numbers that differ, or only some of the names are known.
    """
    names = _plain(category.get("keypoints") or ())
    if _by_name(category, skeleton):
        return [names.index(n) for n in _plain(skeleton.keypoints)]
    where = f"{file}: category {category.get('name')!r}"
    if names and len(names) != skeleton.count:
        raise DataError(
            f"{where}: field 'keypoints' names {len(names)} points, skeleton '{skeleton.name}' has {skeleton.count}; "
            f"found {list(category['keypoints'])[:8]}..., expected {list(skeleton.keypoints)[:8]}..."
        )
    if count is not None and count != skeleton.count and not names:
        raise DataError(f"{where}: has {count} points without names, skeleton '{skeleton.name}' has {skeleton.count}")
    if set(names) & set(_plain(skeleton.keypoints)):
        unknown = [n for n, plain in zip(skeleton.keypoints, _plain(skeleton.keypoints)) if plain not in names]
        raise DataError(f"{where}: field 'keypoints' lacks {unknown}, which skeleton '{skeleton.name}' has")
    if names and not all(re.fullmatch(r"\D*\d+", n) for n in names):
        warnings.warn(
            f"{where}: none of its keypoint names is known to skeleton '{skeleton.name}'; matched by position: "
            f"{category['keypoints'][0]!r} is {skeleton.keypoints[0]!r} and so on",
            stacklevel=4,
        )
    return list(range(skeleton.count))


def _by_name(category: Mapping[str, Any], skeleton: Skeleton) -> bool:
    return set(_plain(skeleton.keypoints)) <= set(_plain(category.get("keypoints") or ()))


def _by_place(category: Entry, annotations: list[Entry], skeleton: Skeleton) -> bool:
    if category.get("keypoints"):
        return len(category["keypoints"]) == skeleton.count
    first = next((a for a in annotations if a["category_id"] == category["id"] and a.get("keypoints")), None)
    return first is not None and len(first["keypoints"]) == 3 * skeleton.count


def _plain(names: Sequence[str]) -> list[str]:
    return [re.sub(r"[\s_-]", "", str(n)).lower() for n in names]


class _Table:
    """The people of a file as flat arrays, in file order."""

    def __init__(self, file: str | Path, people: list[Entry], order: list[int]) -> None:
        self.file, self.people = file, people
        self.keypoints, self.visibility = _points(people, order)
        boxes = np.array([a["bbox"] for a in people], float).reshape(-1, 4)
        self.boxes = np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], 1)
        self.areas = self._areas(boxes)
        self.crowd = np.array([bool(a.get("iscrowd", 0)) for a in people], bool)
        self.ids = self._ids()
        self._warn_counts()

    def records(
        self, images: list[Entry], ids: set[int] | None, empty: bool, everybody: bool
    ) -> tuple[list[Record], dict[int, list[Any]]]:
        """Records in the order of the images, and the segments of images with crowds, or of all."""
        if ids is not None and (lost := sorted(ids - {i["id"] for i in images})):
            raise DataError(f"{self.file}: ids asks for images it does not have: {lost[:5]} ({len(lost)} in all)")
        rows: dict[int, list[int]] = {}
        for row, a in enumerate(self.people):
            rows.setdefault(a["image_id"], []).append(row)
        records, segments = [], {}
        for image in images:
            own = rows.get(image["id"], [])
            if (ids is not None and image["id"] not in ids) or not (own or empty):
                continue
            records.append(self._record(image, own))
            if self.crowd[own].any() or (everybody and own):
                segments[image["id"]] = [_packed(self.people[row].get("segmentation")) for row in own]
        return records, segments

    def _record(self, image: Entry, rows: list[int]) -> Record:
        return Record(
            image_id=image["id"],
            file=image["file_name"],
            size=(image["height"], image["width"]),
            keypoints=self.keypoints[rows],
            visibility=self.visibility[rows],
            boxes=self.boxes[rows],
            areas=self.areas[rows],
            crowd=self.crowd[rows],
            annotation_ids=self.ids[rows],
        )

    def _areas(self, boxes: NDArray[np.float64]) -> NDArray[np.float64]:
        areas = np.array([np.nan if a.get("area") is None else a["area"] for a in self.people], float)
        missing = np.isnan(areas)
        if missing.any():
            warnings.warn(
                f"{self.file}: field 'area' is missing in {missing.sum()} of {len(areas)} annotations; "
                f"{AREA_OF_BOX} x box is used, which moves OKS",
                stacklevel=4,
            )
        return np.where(missing, AREA_OF_BOX * boxes[:, 2] * boxes[:, 3], areas)

    def _ids(self) -> NDArray[np.int64]:
        given: list[Any] = [a.get("id") for a in self.people]
        unsound = [i for i in given if not (is_int(i) and i > 0)]
        if not unsound:
            return np.array(given, np.int64)
        warnings.warn(
            f"{self.file}: field 'id' of an annotation is {unsound[0]!r}, and evaluators take 0 for 'unmatched'; "
            f"all {len(given)} annotations are numbered anew from 1",
            stacklevel=4,
        )
        return np.arange(1, len(given) + 1)

    def _warn_counts(self) -> None:
        counted = (self.visibility > 0).sum(1)
        given = [a.get("num_keypoints") for a in self.people]
        wrong = sum(g is not None and g != c for g, c in zip(given, counted.tolist()))
        if wrong:
            warnings.warn(
                f"{self.file}: field 'num_keypoints' is wrong in {wrong} of {len(given)} annotations; "
                "the visibility flags are used",
                stacklevel=4,
            )


def _without_unsound_segments(file: str | Path, images: list[Entry], people: list[Entry]) -> list[Entry]:
    sizes = {image["id"]: [image["height"], image["width"]] for image in images}
    unsound = {
        n: why
        for n, a in enumerate(people)
        if a.get("segmentation") and (why := wrong_segment(a["segmentation"], sizes[a["image_id"]]))
    }
    if unsound:
        first = next(iter(unsound))
        warnings.warn(
            f"{file}: field 'segmentation' of {len(unsound)} of {len(people)} annotations is left out; the first, of "
            f"annotation {people[first].get('id')}, {unsound[first]}",
            stacklevel=3,
        )
    return [{**a, "segmentation": None} if n in unsound else a for n, a in enumerate(people)]


def _packed(segment: Any) -> Any:
    # A list of floats takes four times as much.
    return [np.asarray(polygon, float) for polygon in segment] if isinstance(segment, list) else segment


def _points(people: list[Entry], order: list[int]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    count = max((len(a["keypoints"]) for a in people if "keypoints" in a), default=3 * len(order))
    blank = [0] * count
    raw = np.array([a.get("keypoints", blank) for a in people], float).reshape(len(people), -1, 3)[:, order]
    visibility = raw[..., 2].astype(np.int64)
    return np.where(visibility[..., None] > 0, raw[..., :2] + 0.5, 0.0), visibility
