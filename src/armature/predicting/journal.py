"""The line a picture that a prediction leaves, and how far it has come: what was interrupted goes on there."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from armature.predicting.frames import Frame, Unread
from armature.predicting.prediction import Prediction
from armature.run_folder import read_json, write_json

#: Names within the folder of answers.
LINES, STATE = "predictions.jsonl", "unfinished.json"


@dataclass
class Place:
    """How far a prediction has come.

    Attributes:
        index: of the next frame. after: seconds of the last one, None where it has none. bytes: lines that count.
        read, people, unread: counted so far. parts: of the drawn film. tracks: what the tracker remembers.
    """

    index: int = 0
    after: float | None = None
    bytes: int = 0
    read: int = 0
    people: int = 0
    unread: int = 0
    parts: int = 0
    tracks: dict[str, Any] | None = None


def record(frame: Frame, found: Prediction, image_id: int, category: int = 1) -> dict[str, Any]:
    """What is written of one picture: ids, size, and its people as COCO results (pixel indices)."""
    where: dict[str, Any] = {"image_id": image_id, "file_name": frame.name}
    if frame.seconds is not None:
        where |= {"frame": frame.index, "seconds": round(frame.seconds, 6)}
    height, width = frame.picture.shape[:2]
    return where | {"height": height, "width": width, "people": found.to_coco(image_id, category)}


def complaint(unread: Unread) -> dict[str, Any]:
    """What is written of a picture that could not be read."""
    return {"file_name": unread.name, "error": unread.reason}


class Journal:
    """Lines in ``folder``, and the place up to which they count.

    Args:
        asked: what the answers depend on. Where the folder holds an unfinished prediction of the very same, it goes on;
            anything else there is written over.
        resume: False begins again in any case.
    """

    def __init__(self, folder: Path, asked: Mapping[str, Any], resume: bool = True) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.lines, self.state, self.asked = folder / LINES, folder / STATE, json.loads(json.dumps(asked))
        self.place = (self._left() if resume else None) or Place()
        self.resumed = self.place.index > 0
        self._file: TextIO = open(self.lines, "r+" if self.resumed else "w", encoding="utf-8")  # noqa: SIM115
        self._file.truncate(self.place.bytes)
        self._file.seek(self.place.bytes)

    def _left(self) -> Place | None:
        """The place of an interrupted prediction of the same, None where there is none."""
        if not self.state.is_file() or not self.lines.is_file():
            return None
        left = read_json(self.state)
        place = Place(**left["place"]) if left.get("asked") == self.asked else None
        return place if place and self.lines.stat().st_size >= place.bytes else None

    def write(self, line: Mapping[str, Any]) -> None:
        """Appends one line; it counts from the next ``commit`` on."""
        self._file.write(json.dumps(line) + "\n")

    def commit(self) -> None:
        """Everything so far counts: a prediction that is interrupted goes on from here."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self.place.bytes = self._file.tell()
        write_json(self.state, {"asked": self.asked, "place": vars(self.place)})

    def close(self) -> None:
        """Closes the file, finished or not."""
        self._file.close()

    def finish(self) -> None:
        """Nothing is left to go on with."""
        self.close()
        self.state.unlink(missing_ok=True)


@dataclass
class Printed:
    """Lines to standard output, for pipes: nothing is kept and nothing goes on."""

    place: Place = field(default_factory=Place)
    resumed: bool = False

    def write(self, line: Mapping[str, Any]) -> None:
        """One line, at once."""
        sys.stdout.write(json.dumps(line) + "\n")

    def commit(self) -> None:
        sys.stdout.flush()

    def close(self) -> None:
        sys.stdout.flush()

    finish = close


def read(file: Path) -> Iterator[dict[str, Any]]:
    """The lines of pictures that could be read, one at a time."""
    with open(file, encoding="utf-8") as lines:
        for text in lines:
            line = json.loads(text)
            if "error" not in line:
                yield line
