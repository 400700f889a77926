"""COCO keypoints: official files and what CVAT, Roboflow, Label Studio and others export under that name.

Keypoints are pixel indices in COCO's own files (the middle of the first pixel is 0): 0.5 is added on reading and taken
off on writing. Boxes and polygons are continuous and stay. CVAT and Roboflow export where a mouse was clicked on a
canvas that counts from the corner, so that their points come out half a pixel too far; nobody states it, the difference
is below what a hand can label, and one rule for one format keeps files comparable: ``offset=0`` takes them as they are.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from armature.data.coco_file import Entry, check_entries, check_people, load_json, wrong_segment
from armature.data.labels import files, writing
from armature.data.labels.checking import numbers, record, whole
from armature.data.labels.form import Category, LabelledImage, Labels, Person, placeholders
from armature.data.labels.held import KINDS
from armature.data.labels.records import box_around
from armature.errors import DataError

TITLE = "COCO keypoints"
LOOKS_FOR = "a json with images, annotations and categories, and with keypoints"
HOLDS = {*KINDS, "extra"}

_IMAGE = {"id", "file_name", "width", "height", "video", "frame"}
_PERSON = {"id", "image_id", "category_id", "bbox", "area", "iscrowd", "keypoints", "num_keypoints", "segmentation"}
_PERSON |= {"keypoint_scores", "track_id"}
_FILE = {"images", "annotations", "categories"}


def detect(path: Path) -> str | None:
    """The first such json."""
    found = candidates(path)
    if not found:
        return None
    tool = ", as Roboflow exports it" if found[0].name == "_annotations.coco.json" else ""
    return f"{found[0].name} with images, annotations, categories and keypoints: {TITLE}{tool}"


def candidates(path: Path, *further: str) -> list[Path]:
    """The COCO files with keypoints at or below a path, and with these further fields; torn ones besides sound ones."""
    needed = ("images", "annotations", "categories", "keypoints", *further)
    known = files.find(path, ".json", most=200)
    sound = [f for f in known if files.has_fields(f, *needed)]
    return [f for f in known if f in sound or (sound and files.torn(f) and files.has_fields(f, "images"))]


def read(path: Path, offset: float = 0.5) -> Labels:
    """The labels of one json, or of all below a folder.

    Args:
        offset: what is added to keypoints; 0 for tools that count from the corner of the first pixel.
    """
    return read_files(path, candidates(path), offset)


def read_files(
    path: Path, found: Sequence[Path], offset: float, mend: Callable[[Path, Entry], Entry] | None = None
) -> Labels:
    """The labels of these files; ``mend`` brings what a relative of COCO writes into COCO's form."""
    root = path if path.is_dir() else path.parent
    if not found:
        raise DataError(f"{path}: expected {LOOKS_FOR}; there is none")
    categories: dict[Category, int] = {}
    images: list[LabelledImage] = []
    extra: dict[str, Any] = {}
    for file in found:
        content = load_json(file)[0]
        content = mend(file, content) if mend else content
        images += _File(file, content, offset, categories).images(root, len(found) == 1)
        extra |= {k: v for k, v in content.items() if k not in _FILE}
    return Labels(root, tuple(categories), tuple(images), extra)


class _File:
    """One file, checked, as labels."""

    def __init__(self, file: Path, content: Entry, offset: float, categories: dict[Category, int]) -> None:
        self.file, self.offset = file, offset
        entries, annotations = check_entries(file, content)
        self.entries, self.annotations = entries, annotations
        self.sizes = {e["id"]: [e["height"], e["width"]] for e in entries}
        self.kinds = {c.ident: c for i, e in enumerate(content["categories"]) for c in [self._category(i, e)]}
        for ident, kind in self.kinds.items():
            people = [a for a in annotations if a["category_id"] == ident]
            check_people(file, entries, people, len(kind.keypoints))
        if lost := [a for a in annotations if a["category_id"] not in self.kinds]:
            raise DataError(f"{file}: annotation {lost[0].get('id')}: field 'category_id' is no category's")
        used = {a["category_id"] for a in annotations}
        # Roboflow's files begin with a category that groups the others and has nobody.
        kept = [k for k in self.kinds.values() if k.keypoints or k.ident in used]
        self.places = {kind.ident: categories.setdefault(kind, len(categories)) for kind in kept}
        self.unsound = 0

    def images(self, root: Path, alone: bool) -> list[LabelledImage]:
        """One a picture, in the order of the file."""
        split = files.split_of(self.file.stem, *reversed(self.file.parent.relative_to(root).parts))
        names = [e["file_name"] for e in self.entries]
        folder = files.folder_of_pictures(root, self.file.parent, names, split)
        people: dict[int, list[Person]] = {}
        for a in self.annotations:
            people.setdefault(a["image_id"], []).append(self._person(a))
        if self.unsound:
            warnings.warn(f"{self.file}: {self.unsound} segments are unsound and left out", stacklevel=5)
        start = "" if folder == root else files.below(folder, root) + "/"
        return [self._image(e, start, tuple(people.get(e["id"], ())), split) for e in self.entries]

    def _image(self, e: Entry, start: str, people: tuple[Person, ...], split: str) -> LabelledImage:
        given = e.get("split") if e.get("split") in ("train", "val", "test") else split
        return LabelledImage(
            start + e["file_name"].replace("\\", "/"),
            (e["height"], e["width"]),
            people,
            str(given),
            e["id"],
            str(e.get("video") or ""),
            e.get("frame") if isinstance(e.get("frame"), int) else None,
            {k: v for k, v in e.items() if k not in _IMAGE | {"split"}},
        )

    def _category(self, place: int, e: Any) -> Category:
        with record(self.file, f"categories[{place}]"):
            ident = whole(e["id"], "id")
            names = tuple(str(n) for n in e.get("keypoints") or ()) or placeholders(self._count(ident))
            if len(set(names)) != len(names):
                raise DataError("field 'keypoints' has a name twice")
            flip = tuple(int(i) for i in e["flip_idx"]) if e.get("flip_idx") else None
            if flip and (sorted(flip) != list(range(len(names))) or any(flip[f] != i for i, f in enumerate(flip))):
                raise DataError("field 'flip_idx' is no pairing of its keypoints")
            edges = self._edges(e.get("skeleton") or (), len(names))
            return Category(str(e.get("name", ident)), names, edges, flip, ident, str(e.get("supercategory") or ""))

    def _edges(self, pairs: Any, count: int) -> tuple[tuple[int, int], ...]:
        found = [(int(a), int(b)) for a, b in pairs]
        # COCO counts from 1; some tools count from 0.
        start = 0 if any(0 in pair for pair in found) else 1
        edges = tuple((a - start, b - start) for a, b in found)
        if any(not 0 <= end < count for pair in edges for end in pair):
            warnings.warn(f"{self.file}: a category's 'skeleton' names points it does not have; left out", stacklevel=6)
            return ()
        return edges

    def _count(self, category: Any) -> int:
        """K of a category without names, by its first person."""
        lists = (a.get("keypoints") for a in self.annotations if a["category_id"] == category)
        return next((len(points) // 3 for points in lists if isinstance(points, list) and points), 0)

    def _person(self, a: Entry) -> Person:
        with record(self.file, f"annotation {a.get('id')}"):
            count = len(self.kinds[a["category_id"]].keypoints)
            raw = np.array(a.get("keypoints") or [0] * 3 * count, float).reshape(count, 3)
            visibility = raw[:, 2].astype(np.int64)
            box = np.array(a["bbox"], float)
            polygons, mask = self._segment(a)
            scores, track, ident = a.get("keypoint_scores"), a.get("track_id"), a.get("id")
            return Person(
                self.places[a["category_id"]],
                np.where(visibility[:, None] > 0, raw[:, :2] + self.offset, 0.0),
                visibility,
                np.concatenate([box[:2], box[:2] + box[2:]]),
                None if a.get("area") is None else float(a["area"]),
                bool(a.get("iscrowd", 0)),
                polygons,
                mask,
                None if scores is None else np.array(numbers(scores, "keypoint_scores", count)),
                None if track is None else str(track),
                ident if isinstance(ident, int) else None,
                {k: v for k, v in a.items() if k not in _PERSON},
            )

    def _segment(self, a: Entry) -> tuple[tuple[np.ndarray, ...], Mapping[str, Any] | None]:
        segment = a.get("segmentation")
        if not segment:
            return (), None
        if wrong_segment(segment, self.sizes[a["image_id"]]):
            self.unsound += 1
            return (), None
        if isinstance(segment, dict):
            return (), segment
        return tuple(np.array(p, float).reshape(-1, 2) for p in segment), None


def write(labels: Labels, folder: Path, pictures: str) -> list[str]:
    """``annotations/SPLIT.json`` and ``images/``."""
    return write_files(labels, folder, pictures)


def write_files(
    labels: Labels, folder: Path, pictures: str, shape: Callable[[Entry], Entry] | None = None
) -> list[str]:
    """As ``write``; ``shape`` brings an annotation into the form of a relative of COCO."""
    where = writing.places(labels, lambda image: "images/" + image.file.removeprefix("images/"))
    gone = writing.bring_pictures(labels, folder, where, pictures)
    idents = _unique([c.ident for c in labels.categories])
    categories = [_category_entry(c, i) for c, i in zip(labels.categories, idents)]
    numbers = iter(_unique([p.ident for image in labels.images for p in image.people]))
    by_split: dict[str, list[tuple[LabelledImage, str, list[int]]]] = {}
    for image, place in zip(labels.images, where):
        by_split.setdefault(image.split, []).append((image, place, [next(numbers) for _ in image.people]))
    for split, group in by_split.items():
        keys = _unique([image.ident for image, _, _ in group])
        entries = [_image_entry(image, place, key) for (image, place, _), key in zip(group, keys)]
        people = [
            _person_entry(person, image.size, key, idents[person.category], number)
            for (image, _, own), key in zip(group, keys)
            for person, number in zip(image.people, own)
        ]
        content = {**labels.extra, "images": entries, "annotations": people, "categories": categories}
        if shape:
            content["annotations"] = [shape(a) for a in people]
        writing.write_json(folder / "annotations" / f"{split or 'annotations'}.json", content)
    return gone


def _unique(given: Sequence[int | None]) -> list[int]:
    known = [i for i in given if i is not None]
    return known if len(set(known)) == len(given) else list(range(1, len(given) + 1))


def _category_entry(category: Category, ident: int) -> Entry:
    entry: Entry = {"id": ident, "name": category.name, "supercategory": category.supercategory}
    entry["keypoints"] = list(category.keypoints)
    entry["skeleton"] = [[a + 1, b + 1] for a, b in category.edges]
    return entry | ({"flip_idx": list(category.flip)} if category.flip else {})


def _image_entry(image: LabelledImage, place: str, ident: int) -> Entry:
    entry: Entry = {**image.extra, "id": ident, "file_name": place.removeprefix("images/")}
    entry |= {"height": image.size[0], "width": image.size[1]}
    return entry | {k: v for k, v in (("video", image.video), ("frame", image.frame)) if v not in ("", None)}


def _person_entry(person: Person, size: tuple[int, int], image: int, category: int, ident: int) -> Entry:
    points = np.where(person.visibility[:, None] > 0, person.keypoints - 0.5, 0)
    triples = np.concatenate([points, person.visibility[:, None]], 1)
    box = person.box if person.box is not None else box_around(person, size)
    entry: Entry = {**person.extra, "id": ident, "image_id": image, "category_id": category}
    entry["bbox"] = [writing.plain(v) for v in (*box[:2], *(box[2:] - box[:2]))]
    if len(person.visibility):
        entry["keypoints"] = [writing.plain(v) for v in triples.ravel()]
        entry["num_keypoints"] = int((person.visibility > 0).sum())
    entry["iscrowd"] = int(person.crowd)
    if person.area is not None:
        entry["area"] = writing.plain(person.area)
    segment = person.mask or [[writing.plain(v) for v in p.ravel()] for p in person.polygons]
    entry |= {"segmentation": segment} if segment else {}
    entry |= {"keypoint_scores": person.scores.tolist()} if person.scores is not None else {}
    return entry | ({"track_id": person.track} if person.track is not None else {})
