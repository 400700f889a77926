"""YOLO-pose folders: ``data.yaml`` with ``kpt_shape``, and one text file a picture.

A line is ``class cx cy w h (x y [v]) * K`` in shares of the picture's width and height. A share of the width counts
from the left edge to the right edge, as its boxes do, so points are continuous and nothing is added. (Ultralytics' own
conversion of COCO divides pixel indices by the width: its points lie half a pixel too far left and up.)
Without ``v`` a point is visible, unless it is negative or exactly 0 0, which is how tools write "not there".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from armature.data.labels import files, writing
from armature.data.labels.checking import flag, listed, mapped, number, record, skippable, text, whole
from armature.data.labels.form import Category, LabelledImage, Labels, Person, placeholders
from armature.data.labels.records import box_around
from armature.data.pictures import picture_size
from armature.errors import DataError

TITLE = "YOLO-pose"
LOOKS_FOR = "a data.yaml (or another yaml) with kpt_shape"
HOLDS = {"hidden", "unlabelled", "boxes", "bare", "several", "empty", "splits", "categories", "names", "flips"}

#: Further than this many picture sizes from the picture, numbers are no shares of its size.
FARTHEST = 10.0
_SPLITS = ("train", "val", "test")
#: Other text that tools put among label files.
_OTHERS = {"classes.txt", "obj.names.txt", "notes.txt", "readme.txt"}


def detect(path: Path) -> str | None:
    """The yaml."""
    found = _yaml(path)
    return f"{found.name} with kpt_shape: {TITLE}" if found else None


def _yaml(path: Path) -> Path | None:
    found = [f for f in files.find(path, ".yaml", ".yml", depth=1) if "kpt_shape:" in files.glance(f)]
    return min(found, key=lambda f: f.name != "data.yaml") if found else None


def read(path: Path) -> Labels:
    """The labels of every picture that the yaml leads to, unlabelled ones included."""
    file = _yaml(path)
    if file is None:
        raise DataError(f"{path}: expected {LOOKS_FOR}; there is none")
    content = files.read_yaml(file)
    with record(file, "settings"):
        shape = listed(mapped(content, "settings")["kpt_shape"], "kpt_shape")
        count, dims = whole(shape[0], "kpt_shape", 1), whole(shape[1], "kpt_shape", 2)
        if dims > 3:
            raise DataError(f"field 'kpt_shape' must be [points, 2 or 3]; found {list(shape)}")
        categories = _categories(content, count)
    images = []
    for split in _SPLITS:
        with record(file, split):
            pictures = [p for entry in _entries(content.get(split)) for p in _pictures(file, content, entry)]
        images += [_image(file.parent, p, split, categories, count, dims) for p in dict.fromkeys(pictures)]
    if images and not any((file.parent / _label_file(i.file)).is_file() for i in images):
        folders = ", ".join(dict.fromkeys(f"{Path(_label_file(i.file)).parent.as_posix()}/" for i in images))
        raise DataError(f"{file.parent}: no label file found for {len(images):,} pictures; looked in {folders}")
    return Labels(file.parent, categories, tuple(images))


def without_picture(path: Path) -> list[str]:
    """Label files, relative to the yaml's folder, whose picture is not there."""
    file = _yaml(path)
    content = files.read_yaml(file) if file is not None else None
    if file is None or not isinstance(content, dict):
        return []
    folders: dict[Path, None] = {}
    for split in _SPLITS:
        with record(file, split):
            for entry in _entries(content.get(split)):
                place = _place(file, content, entry)
                pictures = _pictures(file, content, entry)
                inner = [p for p in place.rglob("*") if p.is_dir()] if place.is_dir() else []
                folders |= dict.fromkeys([*([place] if place.is_dir() else []), *inner, *(p.parent for p in pictures)])
    found: list[str] = []
    for folder in folders:
        own = file.parent / Path(_label_file(f"{_inside(file.parent, folder)}/x")).parent
        if own.is_dir():
            known = {p.stem for p in folder.iterdir() if p.suffix.lower() in files.PICTURES}
            lost = [p for p in own.glob("*.txt") if p.stem not in known and _is_label(p)]
            found += [files.below(p, file.parent) for p in sorted(lost)]
    return list(dict.fromkeys(found))


def _is_label(file: Path) -> bool:
    first = files.glance(file).split()[:1]
    return file.name.lower() not in _OTHERS and (not first or first[0].replace(".", "", 1).isdigit())


def _inside(root: Path, path: Path) -> str:
    return path.resolve().relative_to(root.resolve()).as_posix()


def _categories(content: Any, count: int) -> tuple[Category, ...]:
    names = content.get("names") or ["object"]
    listing = [names[i] for i in sorted(names)] if isinstance(names, dict) else list(listed(names, "names"))
    flip = content.get("flip_idx")
    flip = None if flip is None else tuple(whole(i, "flip_idx") for i in listed(flip, "flip_idx"))
    if flip and (sorted(flip) != list(range(count)) or any(flip[f] != i for i, f in enumerate(flip))):
        raise DataError(f"field 'flip_idx' is no pairing of {count} points: {list(flip)}")
    points = content.get("kpt_names") or {}
    own: dict[Any, tuple[str, ...]] = {
        i: tuple(str(n) for n in listed(v, "kpt_names")) for i, v in mapped(points, "kpt_names").items()
    }
    for place, given in own.items():
        if len(given) > count or len(set(given)) != len(given):
            raise DataError(f"field 'kpt_names' of class {place} must be up to {count} different names")
    kinds = [own.get(i, own.get(str(i), placeholders(count))) for i in range(len(listing))]
    return tuple(
        Category(str(name), keypoints, flip=flip if flip and len(flip) == len(keypoints) else None)
        for name, keypoints in zip(listing, kinds)
    )


def _entries(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [text(v, "path") for v in values if v is not None]


def _pictures(file: Path, content: Any, entry: str) -> Iterable[Path]:
    """The pictures of a folder, or of a list in a text file; nothing outside the yaml's folder is taken."""
    root, place = file.parent, _place(file, content, entry)
    if place.is_dir():
        return files.find_all(place, *files.PICTURES)
    found = []
    for number_, line in enumerate(files.read_text(place).splitlines(), 1):
        if line.strip():
            picture = next((s / line.strip() for s in (root, place.parent) if (s / line.strip()).is_file()), None)
            if picture is None or not picture.resolve().is_relative_to(root.resolve()):
                raise DataError(f"{place}: line {number_}: {line.strip()!r} is no picture below {root}")
            found.append(picture)
    return found


def _place(file: Path, content: Any, entry: str) -> Path:
    """The folder or text file that an entry of the yaml means."""
    root = file.parent
    tails = [entry.replace("\\", "/")]
    # Roboflow writes ../train/images for the folder beside the yaml.
    tails.append(tails[0].lstrip("./") if tails[0].startswith("..") else tails[0])
    base = str(content.get("path") or "")
    starts = [root / base, root, root / Path(base).name]
    places = [s / t for s in starts for t in tails]
    inside = [p for p in places if p.exists() and p.resolve().is_relative_to(root.resolve())]
    if not inside:
        raise DataError(f"{entry!r} is no folder or list of pictures below {root}")
    return inside[0]


def _label_file(picture: str) -> str:
    """Where the labels of a picture lie: both relative to the yaml's folder, with slashes."""
    parts = picture.split("/")
    last = max((i for i, part in enumerate(parts[:-1]) if part == "images"), default=None)
    if last is not None:
        parts[last] = "labels"
    return Path(*parts).with_suffix(".txt").as_posix()


def _image(
    root: Path, picture: Path, split: str, categories: Sequence[Category], count: int, dims: int
) -> LabelledImage:
    place = _inside(root, picture)
    file = root / _label_file(place)
    size = (0, 0)
    with skippable(picture, "picture"):
        size = picture_size(picture)
    lines: list[str] = []
    if file.is_file() and max(size):
        with skippable(file, "text"):
            lines = files.read_text(file).splitlines()
    people = []
    for n, line in enumerate(lines, 1):
        if line.strip():
            with skippable(file, f"line {n}"):
                people.append(_person(line.split(), size, categories, count, dims))
    return LabelledImage(place, size, tuple(people), split)


def _person(cells: list[str], size: tuple[int, int], categories: Sequence[Category], count: int, dims: int) -> Person:
    if len(cells) not in (5, 5 + count * dims):
        raise DataError(
            f"expected class, box and {count} points of {dims} numbers, {5 + count * dims}; found {len(cells)}"
        )
    which = whole(cells[0], "class")
    if which >= len(categories):
        raise DataError(f"class {which}, but data.yaml has {len(categories)} names")
    shares = np.array([number(c, f"number {i}") for i, c in enumerate(cells[1:], 2)])
    scale = np.array([size[1], size[0]], float)
    centre, half = shares[:2] * scale, shares[2:4] * scale / 2
    rows = shares[4:].reshape(-1, dims) if len(cells) > 5 else np.zeros((count, dims))
    if (np.abs(rows[:, :2]) > FARTHEST).any() or (np.abs(shares[:4]) > FARTHEST).any() or (shares[2:4] < 0).any():
        raise DataError("box and points must be shares of the picture's size, about 0 to 1; are these pixels?")
    if dims == 3:
        visibility = np.array([flag(v, "visibility") for v in rows[:, 2]], np.int64)
    else:
        visibility = np.where((rows < 0).any(1) | (rows == 0).all(1), 0, 2)
    own = len(categories[which].keypoints)
    points = np.where(visibility[:, None] > 0, rows[:, :2] * scale, 0.0)
    return Person(which, points[:own], visibility[:own], np.concatenate([centre - half, centre + half]))


def write(labels: Labels, folder: Path, pictures: str) -> list[str]:
    """``data.yaml``, ``images/SPLIT/`` and ``labels/SPLIT/``; pictures without a split are for training."""

    def place_of(image: LabelledImage) -> str:
        return f"images/{image.split or 'train'}/{image.file.removeprefix('images/').replace('/images/', '/')}"

    where = writing.places(labels, place_of)
    gone = writing.bring_pictures(labels, folder, where, pictures)
    count = max((len(c.keypoints) for c in labels.categories), default=0)
    if not count:
        raise DataError(f"{labels.root}: has no keypoints, and {TITLE} needs some")
    unknown = 0
    for image, place in zip(labels.images, where):
        if not max(image.size):
            unknown += 1
            continue
        target = folder / "labels" / Path(place.removeprefix("images/")).with_suffix(".txt")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("".join(_line(p, image.size, count) for p in image.people))
    (folder / "data.yaml").write_text(_settings(labels, count), encoding="utf-8")
    gone += _flips_lost(labels, count)
    return gone + ([f"{unknown} pictures of unknown size with all their labels"] if unknown else [])


def _flips_lost(labels: Labels, count: int) -> list[str]:
    flips = {c.flip for c in labels.categories if c.flip is not None}
    if len(flips) < 2 and all(len(f) == count for f in flips):
        return []
    return ["mirror pairs of skeletons: all classes share one flip_idx, and theirs differ"]


def _settings(labels: Labels, count: int) -> str:
    used = [s for s in _SPLITS if any((i.split or "train") == s for i in labels.images)]
    content: dict[str, Any] = {"path": "."} | {s: f"images/{s}" for s in used}
    content |= {} if "val" in used else {"val": f"images/{used[0]}"} if used else {}
    content["names"] = {i: c.name for i, c in enumerate(labels.categories)}
    content["kpt_shape"] = [count, 3]
    flips = {c.flip for c in labels.categories if c.flip is not None}
    if len(flips) == 1 and len(flip := next(iter(flips))) == count:
        content["flip_idx"] = list(flip)
    content["kpt_names"] = {i: list(c.keypoints) for i, c in enumerate(labels.categories) if c.keypoints}
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)


def _line(person: Person, size: tuple[int, int], count: int) -> str:
    scale = np.array([size[1], size[0]] * 2, float)
    box = (person.box if person.box is not None else box_around(person, size)) / scale
    cells = [person.category, *((box[:2] + box[2:]) / 2), *(box[2:] - box[:2])]
    points = person.keypoints / scale[:2]
    for (x, y), v in zip(points, person.visibility):
        cells += [x, y, int(v)] if v else [0, 0, 0]
    cells += [0, 0, 0] * (count - len(points))
    return " ".join(f"{c:.10g}" for c in cells) + "\n"
