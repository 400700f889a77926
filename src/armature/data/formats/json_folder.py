"""One json a picture in a form of one's own, described by a small mapping.

The mapping stands in ``mapping.yaml`` beside the files, or is given as the option ``mapping``; paths are dotted:

    image: image.name            # where a json names its picture; left out: a picture of the json's own name
    width: image.width           # sizes, left out: the picture's
    height: image.height
    split: subset                # left out: by names of folders
    people: objects              # the list of people; left out: the json is one person
    category: class              # of a person; left out: all are "object"
    box: bbox                    # four numbers, left out: none
    box_form: xyxy               # or xywh, cxcywh
    keypoints: points            # by name {nose: [x, y, v]} or {nose: {x:, y:, v:}}, a list of objects, or numbers
    names: [nose, tail]          # names of points that are a plain list: pairs, triples, or all in one row
    name: label                  # in a list of objects: the fields of name, x, y and visibility
    x: x
    y: y
    visibility: v
    unit: pixels                 # or fraction, percent: of width and height
    offset: 0                    # 0.5 where points are pixel indices

Places are taken as continuous unless ``offset`` says otherwise: nobody but the mapping knows how they count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from armature.data.labels import files, writing
from armature.data.labels.checking import flag, inside, listed, mapped, number, numbers, record, size, text
from armature.data.labels.form import Category, LabelledImage, Labels, Person
from armature.data.labels.grouping import OBJECT, Mark, Somebody, named_categories, person
from armature.errors import ConfigError, DataError

TITLE = "a json a picture"
LOOKS_FOR = "a mapping.yaml that says where its json files keep keypoints"
HOLDS = {"hidden", "unlabelled", "boxes", "bare", "several", "empty", "splits", "categories", "names"}

_DEFAULTS: dict[str, Any] = {
    **dict.fromkeys(("image", "width", "height", "split", "people", "category", "box", "names")),
    "keypoints": "keypoints",
    "box_form": "xyxy",
    "name": "name",
    "x": "x",
    "y": "y",
    "visibility": "visibility",
    "unit": "pixels",
    "offset": 0,
}
_FORMS = ("xyxy", "xywh", "cxcywh")
_UNITS = ("pixels", "fraction", "percent")
_Settings = Mapping[str, Any]


def detect(path: Path) -> str | None:
    """The mapping."""
    file = path / "mapping.yaml"
    return "mapping.yaml beside json files: " + TITLE if file.is_file() and files.find(path, ".json", most=1) else None


def read(path: Path, mapping: Mapping[str, Any] | None = None) -> Labels:
    """The labels of every json below a folder.

    Args:
        mapping: see above; None takes ``mapping.yaml``.
    """
    root = path if path.is_dir() else path.parent
    settings = _settings(root, mapping)
    index = files.PictureIndex(root)
    images, gathered = [], []
    for file in files.find_all(path, ".json"):
        content = files.read_json(file)
        with record(file, "file"):
            image = _image(content, file, index, settings)
            entries = [content] if settings["people"] is None else listed(_at(content, settings["people"]), "people")
        own = []
        for n, entry in enumerate(entries):
            with record(file, f"person {n}"):
                own.append(_somebody(mapped(entry, "person"), image.size, settings))
        images.append(image)
        gathered.append(own)
    categories = named_categories(gathered, settings["names"] or ())
    whole = tuple(
        LabelledImage(i.file, i.size, tuple(person(one, categories) for one in people), i.split)
        for i, people in zip(images, gathered)
    )
    return Labels(root, categories, whole)


def _settings(root: Path, mapping: Mapping[str, Any] | None) -> _Settings:
    file = root / "mapping.yaml"
    if mapping is None and not file.is_file():
        raise DataError(f"{root}: has no mapping.yaml, and no option mapping was given")
    where = str(file) if mapping is None else "mapping"
    given = files.read_yaml(file) if mapping is None else mapping
    if not isinstance(given, Mapping):
        raise DataError(f"{file}: expected fields; found {given!r:.60}")
    if unknown := sorted(set(map(str, given)) - set(_DEFAULTS)):
        raise ConfigError(f"{where}: no field {unknown}; its fields: {', '.join(_DEFAULTS)}")
    settings = _DEFAULTS | dict(given)
    for field, known in (("box_form", _FORMS), ("unit", _UNITS)):
        if settings[field] not in known:
            raise ConfigError(f"{where}: {field}={settings[field]!r}; known are {', '.join(known)}")
    return settings


def _at(content: Any, path: str) -> Any:
    for part in str(path).split("."):
        content = mapped(content, path)[part]
    return content


def _image(content: Any, file: Path, index: files.PictureIndex, settings: _Settings) -> LabelledImage:
    folder = file.parent.relative_to(index.root).as_posix()
    near = "" if folder == "." else folder + "/"
    if settings["image"] is not None:
        found = index.find(inside(_at(content, settings["image"]), settings["image"]), near)
    else:
        named = [index.find(file.stem + e, near) for ending in files.PICTURES for e in (ending, ending.upper())]
        found = next((n for n in named if (index.root / n).is_file()), named[0])
    known = settings["width"] and settings["height"]
    shape = size(_at(content, settings["height"]), _at(content, settings["width"])) if known else None
    split = str(_at(content, settings["split"])) if settings["split"] else ""
    sized = shape or files.size_of(index.root / found)
    if settings["unit"] != "pixels" and not max(sized):
        raise DataError(f"places are shares of a size that nobody knows: {found} cannot be read")
    return LabelledImage(found, sized, split=files.split_of(split, *reversed(found.split("/")[:-1])))


def _somebody(entry: Mapping[str, Any], shape: tuple[int, int], settings: _Settings) -> Somebody:
    share = {"pixels": 0.0, "fraction": 1.0, "percent": 100.0}[settings["unit"]]
    scale = np.array([shape[1], shape[0]]) / share if share else np.ones(2)
    category = text(_at(entry, settings["category"]), settings["category"]) if settings["category"] else OBJECT
    marks = {}
    for name, cells in _points(_at(entry, settings["keypoints"]), settings):
        if cells is None:
            continue
        x, y = number(cells[0], name), number(cells[1], name)
        v = flag(number(cells[2], name), name) if len(cells) > 2 and cells[2] is not None else 2
        place = np.array([x, y]) * scale + number(settings["offset"], "offset")
        if name in marks:
            raise DataError(f"point '{name}' comes twice")
        marks[name] = Mark(name, (place[0], place[1]), v)
    box = _box(entry, scale, settings) if settings["box"] else None
    return Somebody(category, box, marks=marks)


def _points(found: Any, settings: _Settings) -> list[tuple[str, Sequence[Any] | None]]:
    """Name and x, y(, v) of every point of a person."""
    if isinstance(found, Mapping):
        return [(str(n), _cells(v, settings)) for n, v in found.items()]
    if all(isinstance(p, Mapping) for p in listed(found, settings["keypoints"])):
        return [(text(p.get(settings["name"]), settings["name"]), _cells(p, settings)) for p in found]
    names = listed(settings["names"], "names of the mapping")
    rows = list(found)
    if all(isinstance(v, (int, float)) for v in rows):
        each, rest = divmod(len(rows), len(names))
        if rest or each not in (2, 3):
            raise DataError(f"{len(rows)} numbers are no 2 or 3 for each of {len(names)} names")
        rows = [rows[i : i + each] for i in range(0, len(rows), each)]
    if len(rows) != len(names):
        raise DataError(f"{len(rows)} points for {len(names)} names")
    return [(str(n), _cells(r, settings)) for n, r in zip(names, rows)]


def _cells(value: Any, settings: _Settings) -> Sequence[Any] | None:
    if value is None:
        return None
    if isinstance(value, Mapping):
        x, y = value[settings["x"]], value[settings["y"]]
        return None if x is None or y is None else (x, y, value.get(settings["visibility"]))
    cells = listed(value, "point")
    if len(cells) not in (2, 3):
        raise DataError(f"a point must be x, y(, v); found {value!r:.60}")
    return None if cells[0] is None or cells[1] is None else cells


def _box(entry: Mapping[str, Any], scale: np.ndarray, settings: _Settings) -> np.ndarray | None:
    given = _at(entry, settings["box"])
    if given is None:
        return None
    a, b, c, d = numbers(given, settings["box"], 4)
    corners = {"xyxy": (a, b, c, d), "xywh": (a, b, a + c, b + d)}
    corners["cxcywh"] = (a - c / 2, b - d / 2, a + c / 2, b + d / 2)
    return np.array(corners[settings["box_form"]]) * np.tile(scale, 2)


def write(labels: Labels, folder: Path, pictures: str) -> list[str]:
    """A picture and its json beside each other, below ``images/``, and ``mapping.yaml``."""
    where = writing.places(labels, lambda image: "images/" + image.file.removeprefix("images/"))
    gone = writing.bring_pictures(labels, folder, where, pictures)
    for image, place in zip(labels.images, where):
        content = {"image": place, "width": image.size[1], "height": image.size[0], "split": image.split}
        people = [_entry(p, labels.categories[p.category]) for p in image.people]
        target = folder / place
        writing.write_json(target.with_name(target.name + ".json"), content | {"people": people})
    fields = {n: n for n in ("image", "width", "height", "split", "people", "category", "box", "keypoints")}
    (folder / "mapping.yaml").write_text(yaml.safe_dump(fields | {"box_form": "xyxy"}, sort_keys=False))
    lacking = sum(not max(i.size) for i in labels.images)
    return gone + ([f"{lacking} pictures' sizes, which nobody knows"] if lacking else [])


def _entry(one: Person, category: Category) -> dict[str, Any]:
    points = {
        name: [*map(writing.plain, place), int(v)]
        for name, place, v in zip(category.keypoints, one.keypoints, one.visibility)
    }
    box = None if one.box is None else [writing.plain(v) for v in one.box]
    return {"category": category.name, "box": box, "keypoints": points}
