"""A page to leaf through a data set: a folder with index.html, small pictures, and the labels as data beside them.

It needs no server: what a browser may not fetch from a file (``file://``), it may load as a script. Pictures are loaded
when they come into sight, labels are drawn over them as SVG.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rich.console import Console
from rich.progress import Progress

from armature.data.source import Picture, Source
from armature.showing import naming
from armature.showing.output import Output
from armature.showing.problems import Problem, by_picture
from armature.structures import Record, Skeleton

#: Sides, in source px, of the squares whose areas part small people from medium ones, and these from large (COCO).
SMALL, LARGE = 32, 96
_FILES = ("index.html", "page.css", "page.js")
#: Pictures in one folder, and how many are made at a time.
_SHELF, _AHEAD = 1000, 16


def write(
    output: Output, parts: Mapping[str, Source], problems: Sequence[Problem], title: str, thumbnail: int
) -> tuple[Path, list[Problem]]:
    """Writes the page and returns its path, and the problems of pictures that it does not have.

    Args:
        parts: the splits by name. thumbnail: px of a picture's longer side; smaller ones stay as they are.
    """
    skeleton = next(iter(parts.values())).skeleton
    entries: list[dict[str, Any]] = []
    names: dict[tuple[str, str], int] = {}
    for split, source in parts.items():
        for record, picture in _read(source, split):
            place = len(entries)
            file = f"pictures/{place // _SHELF:03d}/{place:06d}.jpg"
            output.picture(file, _small(picture, thumbnail), quality=85)
            entries.append(entry(record, split, file))
            for name in naming.names(record):
                names.setdefault((split, name), place)
    found, strange = by_picture(problems, names)
    for place, listed in found.items():
        entries[place]["problems"] = [problem._asdict() for problem in listed]
    document = {"title": title, "skeleton": of_skeleton(skeleton), "sizes": [SMALL, LARGE], "pictures": entries}
    output.text("data.js", f"window.DATA = {_script(document)};\n")
    for name in _FILES:
        output.bytes(name, files("armature.showing").joinpath(name).read_bytes())
    return output.path / "index.html", strange


def entry(record: Record, split: str, file: str) -> dict[str, Any]:
    """One picture as the page knows it, source px to a tenth: who is on it, and where.

    ``points`` of a person are x, y and visibility of all keypoints in a row; x and y are 0 where it is 0.
    """
    height, width = record.size
    rows = zip(
        record.keypoints,
        record.visibility,
        record.boxes,
        record.areas,
        record.crowd,
        record.annotation_ids,
        strict=True,
    )
    people = [
        {
            "id": int(ident),
            "box": [round(float(v), 1) for v in box],
            "area": round(float(area), 1),
            "crowd": bool(crowd),
            "points": _row(points, flags),
        }
        for points, flags, box, area, crowd, ident in rows
    ]
    shown = {"name": record.file or f"picture {record.image_id}", "id": int(record.image_id), "split": split}
    return shown | {"size": [int(height), int(width)], "file": file, "people": people}


def of_skeleton(skeleton: Skeleton) -> dict[str, Any]:
    """What the page must know of a skeleton."""
    return {
        "name": skeleton.name,
        "keypoints": list(skeleton.keypoints),
        "edges": [list(edge) for edge in skeleton.edges],
        "flip": list(skeleton.flip),
        "colours": ["#{:02x}{:02x}{:02x}".format(*colour) for colour in skeleton.colours],
    }


def _row(points: np.ndarray, flags: np.ndarray) -> list[float]:
    on = flags > 0
    places = np.where(on[:, None], points, 0.0).round(1)
    return [v for (x, y), flag in zip(places.tolist(), flags.tolist(), strict=True) for v in (x, y, flag)]


def _read(source: Source, split: str) -> Iterator[tuple[Record, Picture]]:
    """Records and pictures in order, a few read at a time, with a bar in a terminal."""
    bar = Progress(*Progress.get_default_columns(), transient=True, disable=not Console().is_terminal)
    with ThreadPoolExecutor(_AHEAD // 4) as pool, bar:
        task = bar.add_task(split, total=len(source))
        for start in range(0, len(source), _AHEAD):
            for picture, record in pool.map(source.read, range(start, min(start + _AHEAD, len(source)))):
                yield record, picture
                bar.advance(task)


def _small(picture: Picture, longest: int) -> Picture:
    scale = longest / max(picture.shape[:2])
    if scale >= 1:
        return picture
    size = (max(round(picture.shape[1] * scale), 1), max(round(picture.shape[0] * scale), 1))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def _script(document: Any) -> str:
    """JSON that is a script too, whatever names are in it."""
    text = json.dumps(document, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")
