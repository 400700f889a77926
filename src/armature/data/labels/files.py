"""The files of a data set: finding them, reading them without surprises, and what their places say."""

from __future__ import annotations

import json
import mmap
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import yaml

from armature.data.pictures import picture_size
from armature.errors import DataError

PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")
#: Bytes at either end of a large file that are looked at to tell what it is.
GLANCE = 1 << 18
#: Entries of folders that are looked at to tell a format.
LOOKED_AT = 20_000


def read_text(path: Path) -> str:
    """The text of a UTF-8 file; raises a DataError that names it."""
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not UTF-8 text at byte {error.start}") from error


def read_json(path: Path) -> Any:
    """What a JSON file says; raises a DataError that names the place where it stops being JSON."""
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise DataError(f"{path}: is not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from error
    except (RecursionError, ValueError) as error:
        raise DataError(f"{path}: is not JSON that can be read: {error}") from error


def read_yaml(path: Path) -> Any:
    """What a YAML file says; raises a DataError that names the place where it stops being YAML."""
    try:
        return yaml.safe_load(read_text(path))
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise DataError(f"{path}: is not YAML: {error}") from error


def read_xml(path: Path) -> ElementTree.Element:
    """The root of an XML file; one that declares entities is refused, since they can blow up or read other files."""
    content = read_text(path)
    if "<!DOCTYPE" in content or "<!ENTITY" in content:
        raise DataError(f"{path}: declares a DOCTYPE or entities, which no labelling tool writes; not read")
    try:
        return ElementTree.fromstring(content)
    except (ElementTree.ParseError, ValueError) as error:
        raise DataError(f"{path}: is not XML: {error}") from error


def glance(path: Path) -> str:
    """Beginning and end of a file as text: enough to tell what it is, whatever its size; "" if it cannot be read."""
    try:
        with open(path, "rb") as file:
            head = file.read(GLANCE)
            end = file.seek(0, os.SEEK_END)
            file.seek(max(len(head), end - GLANCE))
            return (head + file.read()).decode("utf-8", "replace")
    except OSError:
        return ""


def has_fields(path: Path, *fields: str) -> bool:
    """Whether a JSON file mentions every one of these fields anywhere; False if it cannot be read."""
    try:
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return all(re.search(rb'"' + re.escape(field.encode()) + rb'"\s*:', content) for field in fields)
    except (OSError, ValueError):  # an empty file cannot be mapped
        return False


def torn(path: Path) -> bool:
    """Whether a JSON file does not end as one does: cut off, or empty. It must not be passed over for that."""
    return not glance(path).rstrip().endswith(("}", "]"))


def find(path: Path, *endings: str, depth: int = 6, most: int = 1000) -> list[Path]:
    """Files at or below a path whose names end so, nearest first, then by name; hidden ones are left out."""
    if path.is_file():
        return [path] if path.name.lower().endswith(endings) else []
    found, level, seen = [], [path], 0
    for _ in range(depth + 1):
        below = []
        for folder in level:
            for entry in _entries(folder):
                seen += 1
                if entry.is_dir(follow_symlinks=False):
                    below.append(Path(entry.path))
                elif entry.name.lower().endswith(endings):
                    found.append(Path(entry.path))
        if len(found) >= most or seen > LOOKED_AT:
            break
        level = below
    return found[:most]


def find_all(path: Path, *endings: str) -> list[Path]:
    """Every file at or below a path whose name ends so, in order of name."""
    if path.is_file():
        return [path] if path.name.lower().endswith(endings) else []
    walked = ((Path(folder), files) for folder, _, files in os.walk(path))
    return sorted(f / n for f, names in walked for n in names if n.lower().endswith(endings) and n[0] != ".")


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        return sorted((e for e in os.scandir(folder) if not e.name.startswith(".")), key=lambda e: e.name)
    except OSError:
        return []


def below(path: Path, root: Path) -> str:
    """The path relative to the root, with slashes."""
    return path.relative_to(root).as_posix()


def size_of(path: Path) -> tuple[int, int]:
    """(H, W) from a picture's header; (0, 0) where it cannot be read: the check before training says why."""
    try:
        return picture_size(path)
    except DataError:
        return 0, 0


def split_of(*names: str) -> str:
    """The split that names of files and folders speak of, the first that does: "train", "val", "test" or ""."""
    known = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val"}
    known |= {"test": "test", "testset": "test", "trainset": "train"}
    for name in names:
        for word in re.split(r"[^a-z]+", name.lower()):
            if word in known:
                return known[word]
    return ""


class PictureIndex:
    """The pictures below a folder, found by what a labelling tool remembers of their paths."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._by_name: dict[str, list[str]] = {}
        for path in find_all(root, *PICTURES):
            self._by_name.setdefault(path.name, []).append(below(path, root))

    def find(self, name: str, near: str = "") -> str:
        """The picture whose path agrees longest with ``name`` from its end, below folder ``near`` first.

        Only pictures below the root can be found, whatever the name says. A name that fits none comes back as its last
        part, so that the check before training names it.

        Raises:
            DataError: several fit equally well.
        """
        parts = [p for p in name.replace("\\", "/").split("/") if p not in ("", ".", "..")]
        if not parts:
            raise DataError(f"{name!r} names no picture")
        known = self._by_name.get(parts[-1], [])
        ranked = sorted(known, key=lambda k: (-_agreement(k, parts), not k.startswith(near)))
        if len(ranked) > 1 and all(
            _agreement(k, parts) == _agreement(ranked[0], parts) and k.startswith(near) == ranked[0].startswith(near)
            for k in ranked[:2]
        ):
            raise DataError(f"several pictures could be {name!r}: {', '.join(ranked[:3])}")
        return ranked[0] if ranked else "/".join(p for p in (near.rstrip("/"), parts[-1]) if p)


def _agreement(known: str, parts: Sequence[str]) -> int:
    ends = zip(reversed(known.split("/")), reversed(parts))
    return next((i for i, (a, b) in enumerate(ends) if a != b), min(known.count("/") + 1, len(parts)))


def folder_of_pictures(root: Path, start: Path, names: Iterable[str], split: str) -> Path:
    """The folder at or below ``root`` that these relative names are relative to.

    Looks beside ``start`` first, then in every folder whose name speaks of the split, then in all. Without any picture
    on the disk it is the folder of ``start``.
    """
    few = list(names)[:20]
    folders = [start, root, *(p for p in _folders(root, 3))]
    fitting = [f for f in folders if few and all((f / name).is_file() for name in few)]
    if split:
        fitting.sort(key=lambda f: split_of(*reversed(f.relative_to(root).parts)) not in (split,))
    partly = [f for f in folders if any((f / name).is_file() for name in few)]
    return (fitting or partly or [start])[0]


def _folders(root: Path, depth: int) -> list[Path]:
    found, level = [], [root]
    for _ in range(depth):
        level = [Path(e.path) for f in level for e in _entries(f) if e.is_dir(follow_symlinks=False)]
        found += level[:1000]
    return found
