"""The parts of a W&B run on the disk: one file for each time that the run was started, and what is written in it."""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: The client's log is LevelDB's: this header, then blocks of 32 KiB with records in one or more pieces.
_MAGIC, _HEADER, _BLOCK = b":W&B", 7, 32768
_WHOLE, _LAST = 1, 4
#: A file without an end that nobody has written to for so many seconds is that of a run that was killed.
SILENCE = 90.0


@dataclass(frozen=True)
class Part:
    """One start of a run.

    Attributes:
        file: ``<folder>/wandb/[offline-]run-<time>-<id>/run-<id>.wandb``.
    """

    file: Path

    @property
    def id(self) -> str:
        """Of the W&B run."""
        return self.file.stem.removeprefix("run-")

    @property
    def begun(self) -> str:
        """When it was started, in a form that sorts."""
        return self.file.parent.name.removeprefix("offline-")

    @property
    def offline(self) -> bool:
        """Whether nothing of it has been sent while it was written."""
        return self.file.parent.name.startswith("offline-")

    @property
    def marker(self) -> Path:
        """The client's own sign that all of it has been sent."""
        return self.file.with_name(self.file.name + ".synced")

    @property
    def sent(self) -> bool:
        return self.marker.exists()

    def mark(self) -> None:
        """Notes that all of it has been sent; the client heeds that, too."""
        self.marker.touch()

    def rows(self) -> Iterator[dict[str, Any]]:
        """Its history: values by name, and ``_step``; as far as the file is whole."""
        for record in records(self.file):
            if record.WhichOneof("record_type") == "history":
                yield _values(record.history.item) | {"_step": record.history.step.num}

    def running(self) -> bool:
        """Whether it is probably still being written."""
        if time.time() - self.file.stat().st_mtime > SILENCE:
            return False
        return all(record.WhichOneof("record_type") != "exit" for record in records(self.file))


def parts(folders: Iterable[Path]) -> list[Part]:
    """Every part under the folders, at any depth but not through links, in the order in which they were begun."""
    found = {}
    for file in (file for folder in folders for file in folder.rglob("run-*.wandb")):
        if "run-" in file.parent.name and not file.parent.is_symlink():  # latest-run
            found[file.resolve()] = Part(file)
    return sorted(found.values(), key=lambda part: (part.begun, str(part.file)))


def last_steps(earlier: Iterable[Part]) -> tuple[dict[str, int], int]:
    """The last step at which each metric was recorded, and the last of all (-1 for none)."""
    found: dict[str, int] = {}
    last = -1
    for part in earlier:
        for row in part.rows():
            last = max(last, row["_step"])
            found |= dict.fromkeys(row, last)
    return found, last


def records(file: Path) -> Iterator[Any]:
    """The protocol messages (``wandb_internal.Record``) of a file, up to where a killed process left off."""
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    from wandb.proto.wandb_internal_pb2 import Record

    data = file.read_bytes()
    at, message = _HEADER if data[:4] == _MAGIC else len(data), b""
    while at + _HEADER <= len(data):
        room = _BLOCK - at % _BLOCK
        if room < _HEADER:  # padding
            at += room
            continue
        _, length, kind = struct.unpack_from("<IHB", data, at)
        at += _HEADER + length
        if not kind or at > len(data):
            return
        message += data[at - length : at]
        if kind in (_WHOLE, _LAST):
            record = Record()
            try:
                record.ParseFromString(message)
            except DecodeError:
                return
            yield record
            message = b""


def _values(items: Iterable[Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for item in items:
        keys = list(item.nested_key) or [item.key]
        inner = found
        for key in keys[:-1]:
            inner = inner.setdefault(key, {})
        inner[keys[-1]] = json.loads(item.value_json)
    return found
