"""Plain tables: one row a person with ``nose_x, nose_y`` columns, or one row a point with ``keypoint, x, y``.

Nobody says how such numbers count; they are taken as continuous, as this project writes them. A table of pixel
indices (Matplotlib's clicks, NumPy's argmax) needs ``offset=0.5``.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from armature.data.labels import files, writing
from armature.data.labels.checking import flag, inside, number, record, whole
from armature.data.labels.form import Category, LabelledImage, Labels, Person, nobody
from armature.data.labels.grouping import OBJECT
from armature.errors import DataError

TITLE = "CSV table"
LOOKS_FOR = "a csv with a column file (image, filename) and columns NAME_x, NAME_y, or keypoint, x, y"
HOLDS = {"hidden", "unlabelled", "boxes", "areas", "crowds", "scores", "tracks", "annotation ids", "bare", "several"}
HOLDS |= {"empty", "splits", "image ids", "frames", "categories", "names"}

_FILE = ("file", "image", "filename", "file_name", "image_name", "img", "image_path", "path", "picture")
_ENDS = {"x": "x", "y": "y", "v": "v", "vis": "v", "visibility": "v", "visible": "v"}
_ENDS |= {"score": "score", "likelihood": "score", "confidence": "score", "conf": "score"}
_BOX = ("x1", "y1", "x2", "y2")
_Row = Mapping[str, str]


def detect(path: Path) -> str | None:
    """The first such csv."""
    found = _file(path)
    return f"{found.name} with a column of pictures and columns of x and y: {TITLE}" if found else None


def _file(path: Path) -> Path | None:
    for file in files.find(path, ".csv", depth=1, most=50):
        header = next(csv.reader(files.glance(file).lstrip("\ufeff").splitlines()[:1]), [])
        if _layout([h.strip() for h in header]):
            return file
    return None


def _layout(header: Sequence[str]) -> str:
    low = [h.lower() for h in header]
    if not any(f in low for f in _FILE):
        return ""
    if {"keypoint", "x", "y"} <= set(low):
        return "long"
    ends = {(name, end) for h in header for name, end in [_split(h)] if name}
    return "wide" if any((name, "y") in ends for name, end in ends if end == "x") else ""


def _split(column: str) -> tuple[str, str]:
    """The point and what is told of it: nose_x -> nose, x."""
    found = re.fullmatch(r"(.+)[_. ]([a-zA-Z]+)", column)
    if found and found[2].lower() in _ENDS and column.lower() not in _FILE:
        return found[1], _ENDS[found[2].lower()]
    return "", ""


def read(path: Path, offset: float = 0.0) -> Labels:
    """The labels of one table; pictures are relative to its folder.

    Args:
        offset: what is added to every place; 0.5 for pixel indices.
    """
    file = _file(path)
    if file is None:
        raise DataError(f"{path}: expected {LOOKS_FOR}; there is none")
    with record(file, "table"):
        try:
            rows = list(csv.reader(files.read_text(file).splitlines()))
        except csv.Error as error:
            raise DataError(f"cannot be read as csv: {error}") from error
    header = [h.strip() for h in rows[0]]
    if len(set(header)) != len(header):
        raise DataError(f"{file}: a column comes twice: {next(h for h in header if header.count(h) > 1)!r}")
    table = [(n, dict(zip(header, map(_cell, row)))) for n, row in enumerate(rows[1:], 2) if any(row)]
    wide = _layout(header) == "wide"
    points = [n for h in header for n, end in [_split(h)] if end == "x"] if wide else []
    people = _wide(file, table, points, offset) if wide else _long(file, table, offset)
    return _labels(file, table, people, header)


def _cell(content: str) -> str:
    """The cell; "" for what tables write where there is nothing."""
    content = content.strip()
    return "" if content.lower() in ("nan", "na", "none", "null") else content


#: Of one person: picture, category, points by name (x, y, v, score), and its first row.
_Found = tuple[str, str, dict[str, tuple[float, float, int, float]], _Row]


def _wide(file: Path, table: Sequence[tuple[int, _Row]], points: Sequence[str], offset: float) -> list[_Found]:
    people = []
    for n, row in table:
        with record(file, f"row {n}"):
            own = {p: _point(row, p, offset) for p in points}
            known = {p: found for p, found in own.items() if found is not None}
            if known or _get(row, "x1"):
                people.append((_picture(row), _get(row, "category") or OBJECT, known, row))
            else:
                people.append((_picture(row), "", {}, row))
    return people


def _point(row: _Row, name: str, offset: float) -> tuple[float, float, int, float] | None:
    cells = {end: row[c] for c in row for p, end in [_split(c)] if p == name}
    if not cells.get("x") and not cells.get("y"):
        # "0" in the visibility: the person has such a point, unlabelled.
        return (0.0, 0.0, 0, np.nan) if cells.get("v") else None
    return _values(name, cells, offset)


def _values(name: str, cells: Mapping[str, str], offset: float) -> tuple[float, float, int, float]:
    x, y = number(cells.get("x"), f"{name}_x"), number(cells.get("y"), f"{name}_y")
    given = cells.get("v") or ""
    v = {"true": 2, "false": 1}.get(given.lower(), flag(number(given, f"{name}_v"), f"{name}_v") if given else 2)
    score = number(cells["score"], f"{name}_score") if cells.get("score") else np.nan
    return x + offset, y + offset, v, score


def _long(file: Path, table: Sequence[tuple[int, _Row]], offset: float) -> list[_Found]:
    people: dict[tuple[str, str], _Found] = {}
    for n, row in table:
        with record(file, f"row {n}"):
            picture, name = _picture(row), _get(row, "keypoint")
            found = people.setdefault(
                (picture, _get(row, "person")), (picture, _get(row, "category") or OBJECT, {}, row)
            )
            if name in found[2]:
                raise DataError(f"point '{name}' of a person comes twice; a column 'person' tells people apart")
            ends = {"x": "x", "y": "y", "v": "v", "visibility": "v", "score": "score", "likelihood": "score"}
            found[2][name] = _values(name, {ends[c.lower()]: v for c, v in row.items() if c.lower() in ends}, offset)
    return list(people.values())


def _get(row: _Row, column: str) -> str:
    return next((v for c, v in row.items() if c.lower() == column), "")


def _picture(row: _Row) -> str:
    column = next(f for f in _FILE if f in [c.lower() for c in row])
    return inside(_get(row, column), column)


def _labels(file: Path, table: Sequence[tuple[int, _Row]], found: Sequence[_Found], header: Sequence[str]) -> Labels:
    names: dict[str, dict[str, None]] = {}
    for _, category, points, _ in found:
        if category:
            names.setdefault(category, {}).update(dict.fromkeys(points))
    order = {n: i for i, n in enumerate(dict.fromkeys(n for h in header for n in [_split(h)[0]] if n))}
    categories = [Category(c, tuple(sorted(own, key=lambda n: order.get(n, len(order))))) for c, own in names.items()]
    start = files.folder_of_pictures(file.parent, file.parent, {picture: None for picture, *_ in found}, "")
    lead = "" if start == file.parent else files.below(start, file.parent) + "/"
    images: dict[str, tuple[_Row, list[Person]]] = {}
    for n, (picture, category, points, row) in enumerate(found, 1):
        with record(file, f"person {n} ({picture})"):
            own = images.setdefault(picture, (row, []))[1]
            if category:
                which = next(i for i, c in enumerate(categories) if c.name == category)
                own.append(_person(which, categories[which], points, row))
    whole_ = []
    for picture, (row, people) in images.items():
        with record(file, f"picture {picture}"):
            whole_.append(_image(lead + picture, row, people, file.parent))
    return Labels(file.parent, tuple(categories), tuple(whole_))


def _image(picture: str, row: _Row, people: Sequence[Person], root: Path) -> LabelledImage:
    height, width, ident, frame = (_get(row, c) for c in ("height", "width", "image_id", "frame"))
    shape = (whole(height, "height"), whole(width, "width")) if height and width else files.size_of(root / picture)
    split = files.split_of(_get(row, "split"), *reversed(picture.split("/")[:-1]))
    return LabelledImage(
        picture,
        shape,
        tuple(people),
        split,
        whole(ident, "image_id") if ident else None,
        _get(row, "video"),
        whole(frame, "frame") if frame else None,
    )


def _person(which: int, category: Category, points: Mapping[str, tuple[float, float, int, float]], row: _Row) -> Person:
    keypoints, visibility = nobody(len(category.keypoints))
    scores = np.full(len(visibility), np.nan)
    for i, name in enumerate(category.keypoints):
        if name in points:
            x, y, v, scores[i] = points[name]
            keypoints[i], visibility[i] = (x, y) if v else (0, 0), v
    box = np.array([number(_get(row, c), c) for c in _BOX]) if _get(row, "x1") else None
    area, ident = _get(row, "area"), _get(row, "id")
    return Person(
        which,
        keypoints,
        visibility,
        box,
        number(area, "area") if area else None,
        _get(row, "crowd") == "1",
        scores=np.nan_to_num(scores) if np.isfinite(scores).any() else None,
        track=_get(row, "track") or None,
        ident=whole(ident, "id") if ident else None,
    )


def write(labels: Labels, folder: Path, pictures: str) -> list[str]:
    """``labels.csv`` and ``images/``: a row a person, and one a picture without people."""
    where = writing.places(labels, lambda image: "images/" + image.file.removeprefix("images/"))
    gone = writing.bring_pictures(labels, folder, where, pictures)
    points = list(dict.fromkeys(p for c in labels.categories for p in c.keypoints))
    scored = any(p.scores is not None for i in labels.images for p in i.people)
    with open(folder / "labels.csv", "w", newline="", encoding="utf-8") as stream:
        head = ["file", "split", "image_id", "width", "height", "video", "frame", "id", "category", "track", "crowd"]
        ends = ("x", "y", "v", "score") if scored else ("x", "y", "v")
        table = csv.DictWriter(stream, [*head, *_BOX, "area", *(f"{p}_{e}" for p in points for e in ends)], restval="")
        table.writeheader()
        for image, place in zip(labels.images, where):
            own = {"file": place, "split": image.split, "image_id": image.ident, "video": image.video}
            own |= {"frame": image.frame, "width": image.size[1] or None, "height": image.size[0] or None}
            table.writerows([own | _cells(p, labels.categories[p.category]) for p in image.people] or [own])
    bare = sum(p.box is None and not len(p.visibility) for i in labels.images for p in i.people)
    return gone + ([f"{bare} people with neither box nor points"] if bare else [])


def _cells(one: Person, category: Category) -> dict[str, Any]:
    cells: dict[str, Any] = {"category": category.name, "track": one.track, "crowd": int(one.crowd) or None}
    cells |= {"id": one.ident, "area": None if one.area is None else writing.plain(one.area)}
    if one.box is not None:
        cells |= dict(zip(_BOX, map(writing.plain, one.box)))
    for i, name in enumerate(category.keypoints):
        cells[f"{name}_v"] = int(one.visibility[i])
        if one.visibility[i]:
            x, y = map(writing.plain, one.keypoints[i])
            cells |= {f"{name}_x": x, f"{name}_y": y}
        if one.scores is not None:
            cells[f"{name}_score"] = float(one.scores[i])
    return cells
