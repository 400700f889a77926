"""Tar shards: pictures in ``shard-*.tar`` files and their labels as COCO's in ``annotations/``.

For data that a file system cannot hold as single files. Beside each picture a tar has its labels as a json of its name
(``a.jpg``, ``a.jpg.json``), so that WebDataset reads the same tars. The pictures are mixed on writing, since a pass
over the data goes through few tars at a time (``data.tars``).
"""

from __future__ import annotations

import io
import json
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from armature.data import tars
from armature.data.formats import coco
from armature.data.labels import files
from armature.data.labels.form import LabelledImage, Labels
from armature.errors import ConfigError, DataError

TITLE = "tar shards"
LOOKS_FOR = "shard-*.tar files beside annotations/ of COCO's form"
HOLDS = coco.HOLDS
REFINES = ("coco",)

#: Pictures of one tar: some 150 MB of photographs.
EACH = 1000
_NAME = "shard-"


def detect(path: Path) -> str | None:
    """The first tar."""
    found = sorted(path.glob(f"{_NAME}*.tar")) if path.is_dir() else []
    return f"{found[0].name} beside COCO files: {TITLE}" if found and _annotations(path) else None


def _annotations(path: Path) -> list[Path]:
    return files.find(path / "annotations", ".json", depth=0) if (path / "annotations").is_dir() else []


def read(path: Path, offset: float = 0.5) -> Labels:
    """The labels of a folder of shards; ``offset`` see ``coco.read``."""
    found = _annotations(path)
    if not path.is_dir() or not found:
        raise DataError(f"{path}: expected {LOOKS_FOR}; there are none")
    labels = coco.read_files(path, found, offset)
    return replace(labels, images=tuple(replace(i, file=_through(path, i.file)) for i in labels.images))


def _through(path: Path, file: str) -> str:
    """The picture's path through its tar, which lies in the folder itself, wherever it was looked for."""
    place = file.find(_NAME)
    if place < 0 or ".tar/" not in file:
        raise DataError(f"{path}: picture {file!r} is in no {_NAME}*.tar")
    return file[place:]


def write(labels: Labels, folder: Path, pictures: str) -> list[str]:
    """``shard-*.tar`` with an index each, and ``annotations/SPLIT.json``; the order of the pictures is mixed."""
    if pictures != "copy":
        raise ConfigError(f"pictures={pictures}: {TITLE} hold their pictures; only pictures=copy makes sense")
    order = np.random.default_rng(0).permutation(len(labels.images)).tolist()
    chosen = [labels.images[i] for i in order]
    names = [_place(n, image) for n, image in enumerate(chosen)]
    placed = tuple(replace(image, file=name, load=None) for image, name in zip(chosen, names))
    coco.write_files(replace(labels, images=placed), folder, "none")
    said = _said(folder)
    missing = 0
    for start in range(0, len(chosen), EACH):
        tar = folder / names[start].partition("/")[0]
        with tarfile.open(tar, "w") as content:
            for image, name in zip(chosen[start : start + EACH], names[start : start + EACH]):
                missing += not _add(content, labels, image, name.partition("/")[2], said[name])
        tars.write_index(tar)
    return [f"{missing} pictures that are not there (only their labels were written)"] if missing else []


def _place(number: int, image: LabelledImage) -> str:
    """In its tar a picture keeps its path, which is its own."""
    return f"{_NAME}{number // EACH:06d}.tar/{image.file.rpartition('.tar/')[2]}"


def _said(folder: Path) -> dict[str, dict[str, Any]]:
    """By name of the picture, what COCO's files say of it."""
    said: dict[str, dict[str, Any]] = {}
    for file in _annotations(folder):
        content = json.loads(file.read_text(encoding="utf-8"))
        images = {i["id"]: {"image": i, "annotations": []} for i in content["images"]}
        for one in content["annotations"]:
            images[one["image_id"]]["annotations"].append(one)
        said |= {each["image"]["file_name"]: each for each in images.values()}
    return said


def _add(content: tarfile.TarFile, labels: Labels, image: LabelledImage, name: str, said: dict[str, Any]) -> bool:
    """Adds a picture and its labels; False where the picture is not there."""
    pixels = _picture(labels, image)
    for member, data in ((name, pixels), (f"{name}.json", json.dumps(said).encode())):
        if data is not None:
            info = tarfile.TarInfo(member)
            info.size = len(data)
            content.addfile(info, io.BytesIO(data))
    return pixels is not None


def _picture(labels: Labels, image: LabelledImage) -> bytes | None:
    if image.load is not None:
        return bytes(cv2.imencode(".png", cv2.cvtColor(image.load(), cv2.COLOR_RGB2BGR))[1])
    source = labels.root / image.file
    inside = tars.split_path(source)
    if inside is not None:
        return tars.read_member(*inside).tobytes()
    return source.read_bytes() if source.is_file() else None
