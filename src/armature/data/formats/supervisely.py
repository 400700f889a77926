"""Supervisely: ``meta.json`` with classes, and ``ann/`` beside ``img/`` in each data set's folder.

Supervisely's places are (row, column) of pixels as NumPy's, its boxes contain their last pixel: points are pixel
indices (0.5 is added on reading), and a box ends where its last pixel does (1 is added there). A node that is switched
off (``disabled``) is there and hidden: visibility 1. A box belongs to the graph with the same ``instance`` key, else to
the only one whose points it contains.
"""

from __future__ import annotations

import uuid
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from armature.data.labels import files, writing
from armature.data.labels.checking import listed, mapped, point, record, size, text
from armature.data.labels.form import Category, LabelledImage, Labels, Person, nobody
from armature.errors import DataError

TITLE = "Supervisely"
LOOKS_FOR = "a meta.json with classes, and ann/*.json with objects"
HOLDS = {
    "hidden",
    "unlabelled",
    "boxes",
    "polygons",
    "several",
    "empty",
    "splits",
    "categories",
    "names",
    "edges",
    "bare",
}

_BOX, _POLYGON = "_box", "_segment"


def detect(path: Path) -> str | None:
    """The meta.json."""
    found = _meta(path)
    return f"{found.name} with classes: a project of {TITLE}" if found else None


def _meta(path: Path) -> Path | None:
    found = [f for f in files.find(path, "meta.json", depth=1) if f.name == "meta.json"]
    return next((f for f in found if files.has_fields(f, "classes", "tags")), None)


def read(path: Path) -> Labels:
    """The labels of all data sets of a project."""
    meta = _meta(path)
    if meta is None:
        raise DataError(f"{path}: expected {LOOKS_FOR}; there is none")
    root = meta.parent
    classes = _classes(meta)
    categories = [c for c, _ in classes.values()]
    images, ignored = [], 0
    for file in files.find_all(root, ".json"):
        if file.parent.name != "ann":
            continue
        content = files.read_json(file)
        with record(file, "file"):
            shape = mapped(mapped(content, "file")["size"], "size")
            picture = files.below(file.parent.parent / "img" / file.name.removesuffix(".json"), root)
            people, left = _people(content, classes, categories)
            ignored += left
            dataset = files.below(file.parent.parent, root).split("/")
            sized = size(shape["height"], shape["width"])
        images.append(LabelledImage(picture, sized, people, files.split_of(*reversed(dataset))))
    if ignored:
        warnings.warn(f"{meta}: {ignored} objects that are no graphs, boxes or polygons are left out", stacklevel=4)
    return Labels(root, tuple(categories), tuple(images))


#: A class by its title: its category, and the ids of its nodes in the order of its points.
_Classes = dict[str, tuple[Category, list[str]]]


def _classes(meta: Path) -> _Classes:
    found: _Classes = {}
    for entry in listed(mapped(files.read_json(meta), "meta")["classes"], "classes"):
        with record(meta, f"class {entry.get('title') if isinstance(entry, dict) else entry!r}"):
            if entry.get("shape") != "graph":
                continue
            title = text(entry["title"], "title")
            config = mapped(entry["geometry_config"], "geometry_config")
            nodes = mapped(config["nodes"], "nodes")
            ids = list(nodes)
            names = tuple(str(mapped(n, "nodes").get("label") or key) for key, n in nodes.items())
            if len(set(names)) != len(names):
                raise DataError("two nodes have the same label")
            ends = [(e["src"], e["dst"]) for e in listed(config.get("edges") or [], "edges")]
            found[title] = Category(title, names, tuple((ids.index(a), ids.index(b)) for a, b in ends)), ids
    return found


def _people(content: Mapping[str, Any], classes: _Classes, known: list[Category]) -> tuple[tuple[Person, ...], int]:
    objects = [mapped(o, "objects") for o in listed(content["objects"], "objects")]
    people: list[tuple[Any, int, Any, Any]] = []
    outlines = []
    ignored = 0
    for place, one in enumerate(objects):
        try:
            kind, title = one.get("geometryType"), text(one.get("classTitle"), "classTitle")
            if kind == "graph":
                people.append((one.get("instance"), known.index(classes[title][0]), *_graph(one, classes[title])))
            elif kind in ("rectangle", "polygon"):
                outlines.append((one.get("instance"), kind, title, _exterior(one, kind)))
            else:
                ignored += 1
        except DataError as error:
            raise DataError(f"object {place}: {error}") from error
    return _joined(people, outlines, known), ignored


def _graph(one: Mapping[str, Any], kind: tuple[Category, list[str]]) -> tuple[np.ndarray, np.ndarray]:
    keypoints, visibility = nobody(len(kind[1]))
    for ident, node in mapped(one["nodes"], "nodes").items():
        if ident not in kind[1]:
            raise DataError(f"node '{ident}' is none of class '{kind[0].name}'")
        i = kind[1].index(ident)
        keypoints[i] = np.array(point(mapped(node, "nodes")["loc"], "loc")) + 0.5
        visibility[i] = 1 if node.get("disabled") else 2
    return keypoints, visibility


def _exterior(one: Mapping[str, Any], kind: str) -> np.ndarray:
    places = [point(p, "exterior") for p in listed(mapped(one["points"], "points")["exterior"], "exterior")]
    if len(places) < (2 if kind == "rectangle" else 3):
        raise DataError(f"field 'exterior' of a {kind} has only {len(places)} points")
    corners = np.array(places)
    return np.concatenate([corners.min(0), corners.max(0) + 1]) if kind == "rectangle" else corners + 0.5


def _joined(people: Sequence[Any], outlines: Sequence[Any], known: list[Category]) -> tuple[Person, ...]:
    boxes: dict[int, np.ndarray] = {}
    polygons: dict[int, list[np.ndarray]] = {}
    bare = []
    for instance, kind, title, outline in outlines:
        low, high = (outline[:2], outline[2:]) if kind == "rectangle" else (outline.min(0), outline.max(0))
        owners = [n for n, p in enumerate(people) if instance is not None and p[0] == instance]
        inside = [n for n, (*_, k, v) in enumerate(people) if ((k[v > 0] >= low) & (k[v > 0] <= high)).all()]
        owners = owners or ([] if instance is not None else [n for n in inside if n not in boxes])
        if kind == "rectangle" and len(owners) == 1:
            boxes[owners[0]] = outline
        elif kind == "polygon" and len(owners) == 1:
            polygons.setdefault(owners[0], []).append(outline)
        else:
            bare.append((title, kind, outline))
    found = [
        Person(which, k, v, boxes.get(n), polygons=tuple(polygons.get(n, ())))
        for n, (_, which, k, v) in enumerate(people)
    ]
    return (*found, *(_bare(title, kind, outline, known) for title, kind, outline in bare))


def _bare(title: str, kind: str, outline: np.ndarray, known: list[Category]) -> Person:
    """Somebody of whom there is an outline only; its class is that of the people, or one of its own."""
    name = title.removesuffix(_BOX).removesuffix(_POLYGON)
    which = next((n for n, c in enumerate(known) if c.name == name), len(known))
    if which == len(known):
        known.append(Category(name))
    points, visibility = nobody(len(known[which].keypoints))
    if kind == "rectangle":
        return Person(which, points, visibility, outline)
    return Person(which, points, visibility, polygons=(outline,))


def write(labels: Labels, folder: Path, pictures: str) -> list[str]:
    """``meta.json``, and ``SPLIT/img`` beside ``SPLIT/ann`` (``ds`` for pictures without a split)."""
    where = writing.places(labels, lambda image: f"{image.split or 'ds'}/img/{image.file.rpartition('/')[2]}")
    gone = writing.bring_pictures(labels, folder, where, pictures)
    titles = [c.name for c in labels.categories]
    entries = [e for c in labels.categories for e in _class_entries(c)]
    tags: list[Any] = []
    writing.write_json(folder / "meta.json", {"classes": entries, "tags": tags, "projectType": "images"})
    for image, place in zip(labels.images, where):
        objects = [o for n, one in enumerate(image.people) for o in _objects(f"{place}#{n}", one, titles, labels)]
        dataset, _, name = place.partition("/img/")
        content = {"description": "", "tags": [], "size": {"height": image.size[0], "width": image.size[1]}}
        writing.write_json(folder / dataset / "ann" / f"{name}.json", content | {"objects": objects})
    lacking = sum(not max(i.size) for i in labels.images)
    empty = sum(not p.labelled and p.box is None and not p.polygons for i in labels.images for p in i.people)
    gone += [f"{lacking} pictures' sizes, which nobody knows"] if lacking else []
    return gone + ([f"{empty} people with neither box nor points"] if empty else [])


def _node(category: Category, i: int) -> str:
    return uuid.uuid5(uuid.NAMESPACE_OID, f"{category.name}/{category.keypoints[i]}").hex


def _class_entries(category: Category) -> list[dict[str, Any]]:
    nodes = {
        _node(category, i): {"label": name, "loc": [10 * i, 10 * i], "color": "#0000FF"}
        for i, name in enumerate(category.keypoints)
    }
    edges = [{"src": _node(category, a), "dst": _node(category, b), "color": "#00FF00"} for a, b in category.edges]
    plain = {"color": "#FF0000", "geometry_config": {}, "hotkey": ""}
    found = [{**plain, "title": category.name + _BOX, "shape": "rectangle"}]
    found.append({**plain, "title": category.name + _POLYGON, "shape": "polygon"})
    if category.keypoints:
        found.append(
            {**plain, "title": category.name, "shape": "graph", "geometry_config": {"nodes": nodes, "edges": edges}}
        )
    return found


def _objects(name: str, one: Person, titles: Sequence[str], labels: Labels) -> list[dict[str, Any]]:
    category = labels.categories[one.category]
    shared = {"description": "", "tags": [], "instance": uuid.uuid5(uuid.NAMESPACE_OID, name).hex}
    found: list[dict[str, Any]] = []
    if one.labelled:
        nodes: dict[str, Any] = {}
        for i in np.flatnonzero(one.visibility):
            node: dict[str, Any] = {"loc": [writing.plain(v) for v in one.keypoints[i] - 0.5]}
            nodes[_node(category, int(i))] = node | ({"disabled": True} if one.visibility[i] == 1 else {})
        found.append({**shared, "geometryType": "graph", "classTitle": category.name, "nodes": nodes})
    corners = [] if one.box is None else [one.box[:2], one.box[2:] - 1]
    for kind, ending, places in (
        *((("rectangle", _BOX, corners),) if corners else ()),
        *(("polygon", _POLYGON, p - 0.5) for p in one.polygons),
    ):
        exterior = [[writing.plain(v) for v in p] for p in places]
        shape = {"geometryType": kind, "classTitle": category.name + ending}
        found.append({**shared, **shape, "points": {"exterior": exterior, "interior": []}})
    return found
