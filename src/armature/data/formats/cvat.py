"""CVAT's own XML, "CVAT for images 1.1": skeletons, points, boxes and polygons. (Its COCO export is read as COCO.)

CVAT's canvas counts from the corner of the first pixel, and so do its numbers: continuous, nothing is added.
``occluded`` is visibility 1, ``outside`` is 0. A skeleton is one object; so are several points in one ``points``
element; points of one each belong together by ``group_id``, or as ``labels.grouping`` says.
"""

from __future__ import annotations

import itertools
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from armature.data.labels import files, writing
from armature.data.labels.checking import number, record, size
from armature.data.labels.form import Category, LabelledImage, Labels, Person, placeholders
from armature.data.labels.grouping import Mark, Outline, Somebody, gather, person
from armature.errors import DataError

TITLE = "CVAT for images 1.1"
LOOKS_FOR = "an xml with <annotations> and <image> elements"
HOLDS = {"hidden", "unlabelled", "boxes", "polygons", "bare", "several", "empty", "splits", "image ids", "categories"}
HOLDS |= {"names", "edges"}

_Element = ElementTree.Element


def detect(path: Path) -> str | None:
    """The first such xml."""
    found = _file(path)
    return f"{found.name} with <annotations> and <image>: {TITLE}" if found else None


def _file(path: Path) -> Path | None:
    return next((f for f in files.find(path, ".xml", most=50) if _fits(files.glance(f))), None)


def _fits(content: str) -> bool:
    return "<annotations>" in content and ("<image " in content or "<track " in content)


def read(path: Path) -> Labels:
    """The labels of one export."""
    file = _file(path)
    if file is None:
        raise DataError(f"{path}: expected {LOOKS_FOR}; there is none")
    root = files.read_xml(file)
    if root.find("track") is not None:
        raise DataError(f"{file}: is an export for video; export it as 'CVAT for images 1.1', which has the pictures")
    index = files.PictureIndex(path if path.is_dir() else file.parent)
    known = _labels_of(file, root)
    images, gathered, ignored = [], [], 0
    for place, element in enumerate(root.iter("image")):
        with record(file, f"image {element.get('id', place)} ({element.get('name')})"):
            images.append(_image(element, index))
            gathered.append(_people(element, known))
            ignored += sum(1 for e in element if e.tag not in ("skeleton", "points", "box", "polygon"))
    if ignored:
        warnings.warn(f"{file}: {ignored} elements that are no points, boxes or polygons are left out", stacklevel=4)
    categories = _categories(known, gathered)
    whole = tuple(
        LabelledImage(i.file, i.size, tuple(person(one, categories) for one in people), i.split, i.ident)
        for i, people in zip(images, gathered)
    )
    return Labels(index.root, categories, whole)


def _labels_of(file: Path, root: _Element) -> dict[str, Category]:
    """The skeletons that the project defines, by name; plain labels without points."""
    found: dict[str, Category] = {}
    children: dict[str, list[str]] = {}
    edges: dict[str, list[tuple[str, str]]] = {}
    order: dict[str, list[str]] = {}
    for label in root.iter("label"):
        name, parent = label.findtext("name") or "", label.findtext("parent")
        if parent:
            children.setdefault(parent, []).append(name)
            continue
        found[name] = Category(name)
        svg = label.findtext("svg") or ""
        nodes = re.findall(r'data-node-id="(\d+)"', svg)
        order[name] = list(dict.fromkeys(nodes))
        edges[name] = re.findall(r'data-node-from="(\d+)"[^>]*data-node-to="(\d+)"', svg)
    with record(file, "labels"):
        for name, points in children.items():
            if len(set(points)) != len(points):
                raise DataError(f"skeleton '{name}' has a point twice")
            place = {node: i for i, node in enumerate(sorted(order.get(name, []), key=int))}
            pairs = [(place.get(a, -1), place.get(b, -1)) for a, b in edges.get(name, [])]
            sound = len(place) == len(points) and all(min(pair) >= 0 for pair in pairs)
            found[name] = Category(name, tuple(points), tuple(pairs) if sound else ())
    return found


def _image(element: _Element, index: files.PictureIndex) -> LabelledImage:
    subset = element.get("subset") or ""
    name = element.get("name") or ""
    near = "images/" if (index.root / "images").is_dir() else ""
    ident = element.get("id", "")
    split = files.split_of(subset, *reversed(name.split("/")[:-1]))
    return LabelledImage(
        index.find(name, near),
        size(element.get("height"), element.get("width")),
        split=split,
        ident=int(ident) if ident.isdigit() and len(ident) < 18 else None,
    )


def _people(element: _Element, known: dict[str, Category]) -> list[Somebody]:
    marks: list[Mark] = []
    outlines: list[Outline] = []
    alone = itertools.count()
    for child in element:
        group = child.get("group_id") or None
        group = None if group == "0" else group
        label = child.get("label") or ""
        if child.tag == "skeleton":
            group = group or f"skeleton {next(alone)}"
            marks += [m for p in child.iter("points") for m in _marks(p, p.get("label") or "", group)]
            outlines.append(Outline(label, group=group))
        elif child.tag == "points":
            many = (child.get("points") or "").count(";") > 0
            group = group or (f"points {next(alone)}" if many else None)
            marks += _marks(child, label, group)
            outlines += [Outline(label, group=group)] if many else []
        elif child.tag == "box":
            box = np.array([number(child.get(f), f) for f in ("xtl", "ytl", "xbr", "ybr")])
            outlines.append(Outline(label, box, group=group))
        elif child.tag == "polygon":
            outlines.append(Outline(label, polygon=np.array(_points(child)), group=group))
    return gather(marks, outlines)


def _marks(element: _Element, label: str, group: str | None) -> list[Mark]:
    places = _points(element)
    visibility = 0 if element.get("outside") == "1" else 1 if element.get("occluded") == "1" else 2
    names = [label] if len(places) == 1 else placeholders(len(places))
    return [Mark(n, (x, y), visibility, group) for n, (x, y) in zip(names, places)]


def _points(element: _Element) -> list[list[float]]:
    pairs = [p.split(",") for p in (element.get("points") or "").split(";")]
    if any(len(pair) != 2 for pair in pairs):
        raise DataError(f"attribute 'points' must be x,y;x,y;...; found {element.get('points')!r:.60}")
    return [[number(x, "points"), number(y, "points")] for x, y in pairs]


def _categories(known: dict[str, Category], gathered: Sequence[Sequence[Somebody]]) -> tuple[Category, ...]:
    """The project's skeletons as they are; the points of other labels as they come."""
    points: dict[str, dict[str, None]] = {}
    for one in (one for people in gathered for one in people):
        points.setdefault(one.category, {}).update(dict.fromkeys(one.marks))
    found = []
    for name, names in points.items():
        category = known.get(name, Category(name))
        if lost := [n for n in names if n not in category.keypoints]:
            category = Category(name, (*category.keypoints, *lost), category.edges)
        found.append(category)
    return tuple(found)


def write(labels: Labels, folder: Path, pictures: str) -> list[str]:
    """``annotations.xml`` and ``images/``: one skeleton a person, grouped with its box and polygons."""
    where = writing.places(labels, lambda image: "images/" + image.file.removeprefix("images/"))
    gone = writing.bring_pictures(labels, folder, where, pictures)
    root = ElementTree.Element("annotations")
    _add(root, "version", "1.1")
    definitions = ElementTree.SubElement(ElementTree.SubElement(_sub(root, "meta"), "task"), "labels")
    for category in labels.categories:
        _define(definitions, category)
    groups = itertools.count(1)
    for ordinal, (image, place) in enumerate(zip(labels.images, where)):
        ident = ordinal if image.ident is None else image.ident
        attributes = {"id": str(ident), "name": place.removeprefix("images/")}
        attributes |= {"subset": image.split} if image.split else {}
        attributes |= {"width": str(image.size[1]), "height": str(image.size[0])}
        element = ElementTree.SubElement(root, "image", attributes)
        for one in image.people:
            _write_person(element, one, labels.categories[one.category], str(next(groups)))
    ElementTree.indent(root)
    ElementTree.ElementTree(root).write(folder / "annotations.xml", encoding="utf-8", xml_declaration=True)
    lacking = sum(not max(i.size) for i in labels.images)
    return gone + ([f"{lacking} pictures' sizes, which nobody knows"] if lacking else [])


def _sub(parent: _Element, tag: str) -> _Element:
    return ElementTree.SubElement(parent, tag)


def _add(parent: _Element, tag: str, content: str) -> None:
    _sub(parent, tag).text = content


def _define(definitions: _Element, category: Category) -> None:
    label = _sub(definitions, "label")
    _add(label, "name", category.name)
    _add(label, "type", "skeleton" if category.keypoints else "any")
    if not category.keypoints:
        return
    lines = [
        f'<line data-type="edge" data-node-from="{a + 1}" data-node-to="{b + 1}"></line>' for a, b in category.edges
    ]
    nodes = [
        f'<circle data-type="element node" data-node-id="{i + 1}"></circle>' for i in range(len(category.keypoints))
    ]
    _add(label, "svg", "".join(lines + nodes))
    for name in category.keypoints:
        point = _sub(definitions, "label")
        _add(point, "name", name)
        _add(point, "type", "points")
        _add(point, "parent", category.name)


def _write_person(element: _Element, one: Person, category: Category, group: str) -> None:
    shared = {"label": category.name, "source": "manual", "occluded": "0", "group_id": group}
    if one.box is not None:
        corners = dict(zip(("xtl", "ytl", "xbr", "ybr"), (f"{v:.9g}" for v in one.box)))
        ElementTree.SubElement(element, "box", shared | corners)
    for polygon in one.polygons:
        ElementTree.SubElement(element, "polygon", shared | {"points": ";".join(_pair(p) for p in polygon)})
    if one.labelled or (one.box is None and not one.polygons):
        skeleton = ElementTree.SubElement(element, "skeleton", shared)
        for name, place, v in zip(category.keypoints, one.keypoints, one.visibility):
            state = {"label": name, "occluded": str(int(v == 1)), "outside": str(int(v == 0))}
            ElementTree.SubElement(skeleton, "points", state | {"points": _pair(place)})


def _pair(place: np.ndarray) -> str:
    return f"{place[0]:.9g},{place[1]:.9g}"
