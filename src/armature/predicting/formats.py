"""Answers in the formats of other programs, written from the journal line by line: a film may be long."""

from __future__ import annotations

import csv
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from armature.evaluation.results import HALF_PIXEL
from armature.predicting import journal, naming
from armature.structures import Skeleton

Line = dict[str, Any]


def coco(lines: Path, folder: Path, skeleton: Skeleton) -> list[Path]:
    """``predictions.json``, COCO keypoint results, and ``images.json``, which says what the image ids are."""
    results, images = folder / "predictions.json", folder / "images.json"
    with _writing(results) as file:
        _listed(file, (person for line in journal.read(lines) for person in line["people"]))
    with _writing(images) as file:
        pictures = ({("id" if k == "image_id" else k): v for k, v in line.items()} for line in journal.read(lines))
        _listed(file, ({k: v for k, v in line.items() if k != "people"} for line in pictures))
    return [results, images]


def yolo(lines: Path, folder: Path, skeleton: Skeleton) -> list[Path]:
    """``labels/NAME.txt`` a picture (``NAME_000012.txt`` a frame): a line a person, all in shares of the picture.

    ``class cx cy w h  x y score ...  confidence``, as YOLO-pose programs save predictions: the keypoints' third numbers
    are scores, and the last number is the person's. Pictures with nobody get an empty file.
    """
    target = folder / "labels"
    stems = naming.stems(dict.fromkeys(line["file_name"] for line in journal.read(lines)))
    for line in journal.read(lines):
        stem = naming.of_frame(line["file_name"], line["frame"]) if "frame" in line else stems[line["file_name"]]
        file = target / f"{stem}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(_yolo_row(person, line["width"], line["height"]) for person in line["people"]))
    return [target]


def deeplabcut(lines: Path, folder: Path, skeleton: Skeleton) -> list[Path]:
    """``deeplabcut.csv``: a row a frame or picture, x, y and likelihood a body part, as DeepLabCut's analysis writes.

    One animal a picture has three header rows. More of them have four, an individual a track where they were tracked,
    else an individual a rank of score. Coordinates are pixel indices. Absent animals are empty cells.
    """
    file = folder / "deeplabcut.csv"
    columns, tracked = _individuals(lines)
    with _writing(file) as sheet:
        rows = csv.writer(sheet, lineterminator="\n")
        for row in _dlc_header(skeleton, columns, tracked):
            rows.writerow(row)
        for line in journal.read(lines):
            rows.writerow(_dlc_row(line, columns, tracked, 3 * skeleton.count))
    return [file]


def jsonl(lines: Path, folder: Path, skeleton: Skeleton) -> list[Path]:
    """``predictions.jsonl``: the journal itself."""
    return [lines]


#: Name in the config -> writer.
FORMATS: dict[str, Callable[[Path, Path, Skeleton], list[Path]]] = {
    "coco": coco,
    "yolo": yolo,
    "deeplabcut": deeplabcut,
    "jsonl": jsonl,
}


@contextmanager
def _writing(file: Path) -> Iterator[TextIO]:
    """A file that takes its name when it is whole."""
    scratch = file.with_name(f".{file.name}.partial")
    with open(scratch, "w", encoding="utf-8", newline="") as handle:
        yield handle
    os.replace(scratch, file)


def _listed(file: TextIO, rows: Iterable[Line]) -> None:
    """A JSON list, a row a line."""
    separator = "[\n"
    for row in rows:
        file.write(separator + json.dumps(row))
        separator = ",\n"
    file.write("[]\n" if separator == "[\n" else "\n]\n")


def _yolo_row(person: Line, width: int, height: int) -> str:
    x1, y1, x2, y2 = person["box"]
    row = [(x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height]
    points = person["keypoints"]
    for x, y, score in zip(points[::3], points[1::3], points[2::3], strict=True):
        row += [(x + HALF_PIXEL) / width, (y + HALF_PIXEL) / height, score]
    return " ".join(["0", *(f"{value:.6f}" for value in [*row, person["score"]])]) + "\n"


def _individuals(lines: Path) -> tuple[list[int], bool]:
    """The columns of animals: track ids in the order of their appearance, or ranks; and which of the two."""
    tracks: Counter[int] = Counter()
    most, tracked = 1, False
    for line in journal.read(lines):
        most = max(most, len(line["people"]))
        ids = [person["track_id"] for person in line["people"] if "track_id" in person]
        tracks.update(ids)
        tracked = tracked or bool(ids)
    return (list(tracks), True) if tracked else (list(range(most)), False)


def _dlc_header(skeleton: Skeleton, columns: Sequence[int], tracked: bool) -> list[list[str]]:
    parts = [name for name in skeleton.keypoints for _ in range(3)]
    names = [f"track{number}" if tracked else f"individual{number + 1}" for number in columns]
    wide = len(parts) * len(columns)
    header = [["scorer", *["armature"] * wide]]
    if len(columns) > 1:
        header.append(["individuals", *(name for name in names for _ in parts)])
    header.append(["bodyparts", *parts * len(columns)])
    return [*header, ["coords", *["x", "y", "likelihood"] * (wide // 3)]]


def _dlc_row(line: Line, columns: Sequence[int], tracked: bool, width: int) -> list[Any]:
    people = sorted(line["people"], key=lambda person: -person["score"])
    found = {person.get("track_id", -1) if tracked else rank: person for rank, person in enumerate(people)}
    row: list[Any] = [line.get("frame", line["file_name"])]
    for column in columns:
        row += found[column]["keypoints"] if column in found else [""] * width
    return row
