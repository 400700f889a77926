"""Writing a data set whole or not at all, and its pictures beside the labels."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2

from armature.data import tars
from armature.data.labels.form import LabelledImage, Labels
from armature.errors import ConfigError, DataError, UserError

#: Ways of having the pictures in the new folder.
MODES = ("copy", "link", "none")


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A folder beside ``path`` that takes its name when everything inside went well, and is gone otherwise.

    Raises:
        UserError: there is something at ``path`` already, or the disk says no.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise UserError(f"{path} is there already; name a new folder, or remove it")
    path = path.absolute()
    scratch = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(2)}.partial")
    try:
        scratch.mkdir(parents=True)
        yield scratch
        if path.is_dir():
            path.rmdir()
        os.replace(scratch, path)
    except OSError as error:
        raise UserError(f"{path} could not be written: {error.strerror or error}; nothing is there") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def places(labels: Labels, rule: Callable[[LabelledImage], str]) -> list[str]:
    """Where each picture goes in the new folder; a number tells apart what the rule would put in one place."""
    taken: set[str] = set()
    found = []
    for image in labels.images:
        place = rule(image)
        stem, dot, ending = place.rpartition(".")
        number = 1
        while place.lower() in taken:
            number += 1
            place = f"{stem}_{number}{dot}{ending}"
        taken.add(place.lower())
        found.append(place)
    return found


def bring_pictures(labels: Labels, folder: Path, where: list[str], mode: str) -> list[str]:
    """Copies or links every picture to its place; answers what could not be brought, in words.

    Raises:
        ConfigError: an unknown mode.
        DataError: a picture lies outside the root.
    """
    if mode not in MODES:
        raise ConfigError(f"pictures={mode}: known are {', '.join(MODES)}")
    if mode == "none":
        return []
    missing = sum(not _bring(labels, image, folder / place, mode) for image, place in zip(labels.images, where))
    return [f"{missing} pictures that are not there (only their labels were written)"] if missing else []


def _bring(labels: Labels, image: LabelledImage, target: Path, mode: str) -> bool:
    target.parent.mkdir(parents=True, exist_ok=True)
    if image.load is not None:
        return bool(cv2.imwrite(str(target), cv2.cvtColor(image.load(), cv2.COLOR_RGB2BGR)))
    source = labels.root / image.file
    if not os.path.realpath(source).startswith(os.path.realpath(labels.root) + os.sep):
        raise DataError(f"{source}: leads to a place outside {labels.root}")
    inside = tars.split_path(source)
    if inside is not None:
        target.write_bytes(tars.read_member(*inside).tobytes())
        return True
    if not source.is_file():
        return False
    if mode == "link":
        target.symlink_to(source.resolve())
    else:
        shutil.copyfile(source, target)
    return True


def write_json(path: Path, content: Any) -> None:
    """JSON with its folder; numbers that are none are a mistake of ours and raise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, allow_nan=False, ensure_ascii=False), encoding="utf-8")


def plain(value: float) -> float | int:
    """The number, whole ones without a point, to a millionth of a pixel: halves survive +0.5 and -0.5 unharmed."""
    rounded = round(float(value), 6)
    return int(rounded) if rounded == int(rounded) else rounded
