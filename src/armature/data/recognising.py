"""Formats of labelled data: which there are, which a folder is in, and reading and writing in any of them.

A format is a module of ``armature.data.formats``, found by being there. It has

    TITLE           how people call it
    LOOKS_FOR       what ``detect`` looks for, in words
    HOLDS           the kinds of ``labels.held.KINDS`` that it can hold, "extra" for further fields of any name
    REFINES         (optional) formats that it is a special case of
    detect(path)    what of it was found, in words, or None; reads no more than the beginnings and ends of files
    read(path, **options) -> Labels
    write(labels, folder, pictures) -> list[str]    into an empty folder; answers what it could not hold beside HOLDS
"""

from __future__ import annotations

import difflib
import functools
import importlib
import inspect
import json
import os
import pkgutil
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from armature.data import formats, nearby
from armature.data.labels.form import Labels
from armature.data.labels.held import lost
from armature.data.labels.writing import whole_folder
from armature.errors import ConfigError, DataError

ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".7z", ".rar", ".bz2", ".xz")

#: Endings of files of labels beside a folder of pictures, and how many of them are looked at.
_LABELS, _MOST = (".yaml", ".yml", ".json", ".csv", ".xml", ".h5", ".slp", ".mat"), 20


@functools.cache
def names() -> list[str]:
    """The formats there are, by the names of their modules."""
    return sorted(found.name for found in pkgutil.iter_modules(formats.__path__) if not found.name.startswith("_"))


def get(name: str) -> ModuleType:
    """The module of a format.

    Raises:
        ConfigError: there is none of that name; the nearest and all others are named.
    """
    if name not in names():
        near = difflib.get_close_matches(name, names(), 1, 0.5)
        meant = f", did you mean '{near[0]}'?" if near else ""
        raise ConfigError(f"no format '{name}'{meant}; known: {', '.join(names())}")
    return importlib.import_module(f"{formats.__name__}.{name}")


def recognise(path: str | Path) -> tuple[str, str]:
    """The format of a file or folder, and by what it was recognised.

    Raises:
        DataError: nothing there, no known format (says what was looked for), or several (says what of each was found).
    """
    path = _existing(path)
    found = {name: reason for name in names() if (reason := get(name).detect(path))}
    for name in list(found):
        for general in getattr(get(name), "REFINES", ()):
            found.pop(general, None)
    if len(found) == 1:
        return next(iter(found.items()))
    if found:
        listing = "\n".join(f"  {name}: {reason}" for name, reason in found.items())
        raise DataError(f"{path}: could be in {len(found)} formats; choose one with its name (format=NAME):\n{listing}")
    if beside := _labels_above(path):
        raise DataError(f"{path}: {beside}")
    listing = "\n".join(f"  {name}: {get(name).LOOKS_FOR}" for name in names())
    raise DataError(f"{path}: its format was not recognised; looked for\n{listing}")


def _labels_above(path: Path) -> str:
    """Where the labels of a folder of pictures lie, one or two folders up; "" where no file there is known."""
    path = path.absolute()
    for up, folder in enumerate(list(path.parents)[:2] if path.is_dir() else [], start=1):
        if not os.access(folder, os.R_OK | os.X_OK):
            return ""
        files = sorted(file for file in folder.iterdir() if file.suffix.lower() in _LABELS and file.is_file())
        for file in files[:_MOST]:
            if kind := next((get(name).TITLE for name in names() if get(name).detect(file)), None):
                return f"no labels in this folder, but {'../' * up}{file.name} looks like {kind}: data.path={file}"
    return ""


def read(path: str | Path, name: str | None = None, options: Mapping[str, Any] | None = None) -> Labels:
    """The labels of a file or folder.

    Args:
        name: a format; None recognises it. options: further arguments of the format's ``read``.

    Raises:
        DataError: names the file and the record. ConfigError: an unknown format or option.
    """
    path = _existing(path)
    module = get(name or recognise(path)[0])
    known = [p for p in inspect.signature(module.read).parameters if p != "path"]
    if unknown := sorted(set(options or {}) - set(known)):
        raise ConfigError(f"format {module.__name__.rpartition('.')[2]} has no option {unknown}; its options: {known}")
    try:
        labels = module.read(path, **dict(options or {}))
    except (DataError, ConfigError):
        raise
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError, RecursionError) as error:
        raise DataError(f"{path}: cannot be read as {module.TITLE}: {type(error).__name__}: {error}") from error
    if not labels.images:
        raise DataError(f"{path}: read as {module.TITLE}, it has no labelled pictures")
    return labels


@functools.lru_cache(maxsize=2)
def _remembered(path: str, name: str | None, options: str) -> Labels:
    return read(path, name, json.loads(options))


def read_once(path: str | Path, name: str | None = None, options: Mapping[str, Any] | None = None) -> Labels:
    """As ``read``; the same labels again where nothing but the caller has changed: a config and its data ask twice."""
    return _remembered(str(path), name, json.dumps(dict(options or {}), sort_keys=True))


def forget() -> None:
    """Makes ``read_once`` read anew."""
    _remembered.cache_clear()


def write(labels: Labels, name: str, path: str | Path, pictures: str = "copy", lossless: bool = False) -> list[str]:
    """Writes the labels in a format, as a new folder, whole or not at all; answers what it could not hold.

    Args:
        pictures: ``copy``, ``link`` (symbolic links) or ``none``. lossless: refuse to write what would lose something.

    Raises:
        DataError: the format cannot hold these labels at all, or not all of them where that was asked.
        UserError: there is something at ``path`` already.
    """
    module = get(name)
    with whole_folder(Path(path)) as scratch:
        gone = lost(labels, module.HOLDS) + module.write(labels, scratch, pictures)
        if gone and lossless:
            listing = "\n".join(f"  {line}" for line in gone)
            raise DataError(f"{path}: not written, since {module.TITLE} cannot hold\n{listing}")
    return gone


def _existing(path: str | Path) -> Path:
    path = Path(path).expanduser()
    if not path.exists():
        raise DataError(nearby.absent(path))
    if path.is_file() and path.suffix.lower() in ARCHIVES:
        raise DataError(f"{path}: is an archive; unpack it and name the folder")
    return path
