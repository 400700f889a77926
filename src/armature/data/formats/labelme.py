"""LabelMe: one json a picture with shapes: points, rectangles and polygons.

LabelMe draws on a canvas that counts from the corner of the first pixel: continuous, nothing is added. What belongs
together has the same ``group_id``; without any, points belong to the smallest rectangle around them, or are one object.
A point with the flag ``occluded`` (or ``hidden``) has visibility 1. LabelMe has no list of points: ``labels.txt``, the
file its program takes by ``--labels``, gives their order where it is there.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from armature.data.labels import files, writing
from armature.data.labels.checking import listed, mapped, point, record, size, text
from armature.data.labels.form import LabelledImage, Labels, Person
from armature.data.labels.grouping import Mark, Outline, Somebody, gather, named_categories, nameless, person
from armature.errors import DataError

TITLE = "LabelMe"
LOOKS_FOR = "json files with shapes and imagePath"
HOLDS = {"hidden", "unlabelled", "boxes", "polygons", "bare", "several", "empty", "splits", "categories", "names"}

_SHAPES = ("point", "rectangle", "polygon")


def detect(path: Path) -> str | None:
    """The first such json."""
    found = next((f for f in files.find(path, ".json", most=20) if _fits(f)), None)
    return f"{found.name} with shapes and imagePath: {TITLE}" if found else None


def _fits(file: Path) -> bool:
    return files.has_fields(file, "shapes", "imagePath")


def read(path: Path) -> Labels:
    """The labels of one json, or of all below a folder."""
    found = [f for f in files.find_all(path, ".json") if _fits(f) or files.torn(f)]
    if not found:
        raise DataError(f"{path}: expected {LOOKS_FOR}; there are none")
    index = files.PictureIndex(path if path.is_dir() else path.parent)
    images, gathered, ignored = [], [], 0
    for file in found:
        content = files.read_json(file)
        with record(file, "file"):
            shapes = [mapped(s, "shapes") for s in listed(mapped(content, "file")["shapes"], "shapes")]
            images.append(_image(file, content, index))
            ignored += sum(s.get("shape_type", "polygon") not in _SHAPES for s in shapes)
        gathered.append(_people(file, shapes))
    if ignored:
        warnings.warn(f"{path}: {ignored} shapes that are no points, rectangles or polygons are left out", stacklevel=4)
    categories = named_categories(gathered, _order(index.root / "labels.txt"))
    whole = tuple(
        LabelledImage(i.file, i.size, tuple(person(one, categories) for one in people), i.split)
        for i, people in zip(images, gathered)
    )
    return Labels(index.root, categories, whole)


def _image(file: Path, content: Mapping[str, Any], index: files.PictureIndex) -> LabelledImage:
    # Where labels are kept apart, imagePath is relative to their folder: only its end says which picture it is.
    folder = file.parent.relative_to(index.root).as_posix()
    found = index.find(text(content["imagePath"], "imagePath"), "" if folder == "." else folder + "/")
    height, width = content.get("imageHeight"), content.get("imageWidth")
    shape = size(height, width) if height and width else files.size_of(index.root / found)
    return LabelledImage(found, shape, split=files.split_of(*reversed(found.split("/")[:-1])))


def _people(file: Path, shapes: list[Mapping[str, Any]]) -> list[Somebody]:
    marks, outlines = [], []
    for place, shape in enumerate(shapes):
        with record(file, f"shape {place} ({shape.get('label')!r:.40})"):
            kind, label = shape.get("shape_type", "polygon"), text(shape.get("label"), "label")
            group = shape.get("group_id")
            if isinstance(group, (list, dict)):
                raise DataError(f"field 'group_id' must be a number; found {group!r:.40}")
            points = [point(p, "points") for p in listed(shape.get("points"), "points")]
            if kind not in _SHAPES:
                continue
            if len(points) < {"point": 1, "rectangle": 2, "polygon": 3}[kind]:
                raise DataError(f"field 'points' of a {kind} has only {len(points)}")
            if kind == "point":
                marks.append(Mark(label, (points[0][0], points[0][1]), 1 if _hidden(shape) else 2, group))
            elif kind == "rectangle":
                corners = np.array(points)
                outlines.append(Outline(label, np.concatenate([corners.min(0), corners.max(0)]), group=group))
            else:
                outlines.append(Outline(label, polygon=np.array(points), group=group))
    with record(file, "shapes"):
        return gather(marks, outlines)


def _hidden(shape: Mapping[str, Any]) -> bool:
    flags = mapped(shape.get("flags") or {}, "flags")
    return any(flags.get(name) for name in ("occluded", "hidden", "invisible"))


def _order(file: Path) -> list[str]:
    lines = files.read_text(file).splitlines() if file.is_file() else []
    return [line.strip() for line in lines if line.strip() and not line.startswith("__")]


def write(labels: Labels, folder: Path, pictures: str) -> list[str]:
    """A picture and its json beside each other, below ``SPLIT/`` where there are splits; ``labels.txt``."""
    where = writing.places(labels, lambda image: f"{image.split}/{_within(image)}".removeprefix("/"))
    gone = writing.bring_pictures(labels, folder, where, pictures) + nameless(labels)
    for image, place in zip(labels.images, where):
        shapes = [s for n, one in enumerate(image.people, 1) for s in _shapes(n, one, labels)]
        content: dict[str, Any] = {
            "version": "5.5.0",
            "flags": {},
            "shapes": shapes,
            "imagePath": place.rpartition("/")[2],
        }
        content |= {"imageData": None, "imageHeight": image.size[0] or None, "imageWidth": image.size[1] or None}
        writing.write_json((folder / place).with_suffix(".json"), content)
    points = dict.fromkeys(p for c in labels.categories for p in c.keypoints)
    (folder / "labels.txt").write_text("".join(f"{p}\n" for p in points), encoding="utf-8")
    return gone


def _within(image: LabelledImage) -> str:
    """The path without folders that say the split or nothing."""
    parts = image.file.split("/")
    return "/".join([p for p in parts[:-1] if p != "images" and not files.split_of(p)] + parts[-1:])


def _shapes(group: int, one: Person, labels: Labels) -> list[dict[str, Any]]:
    category = labels.categories[one.category]

    def shape(label: str, kind: str, points: Any, hidden: bool = False) -> dict[str, Any]:
        flags = {"occluded": True} if hidden else {}
        found = {"label": label, "points": points, "group_id": group, "shape_type": kind, "flags": flags}
        return found | {"description": ""}

    found = [shape(category.name, "polygon", p.tolist()) for p in one.polygons]
    if one.box is not None:
        found.insert(0, shape(category.name, "rectangle", [one.box[:2].tolist(), one.box[2:].tolist()]))
    for name, place, v in zip(category.keypoints, one.keypoints, one.visibility):
        found += [shape(name, "point", [place.tolist()], v == 1)] if v else []
    return found
