"""COCO's JSON files as columns of numbers, with errors that name the file, the entry and the field."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import struct
import sys
from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from armature.errors import DataError


class Category(NamedTuple):
    """One kind of object of an annotation file."""

    id: int
    name: str
    names: tuple[str, ...]


@contextlib.contextmanager
def collector_paused() -> Iterator[None]:
    """Nothing is searched for reference cycles meanwhile; also a decorator.

    What JSON becomes has none, and a search that each thousand new lists starts again takes a fifth of the reading.
    """
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()


def read(source: Any, kind: type) -> tuple[Any, str]:
    """The contents of a JSON file and the name to use in errors; contents given as such pass through.

    Raises:
        DataError: missing, not JSON, or its outermost value is not a ``kind``.
    """
    if not isinstance(source, str | os.PathLike):
        return source, "annotations given" if kind is dict else "results given"
    try:
        data = json.loads(Path(source).read_bytes())
    except OSError as error:
        raise DataError(f"{source}: cannot be read: {error.strerror}") from error
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"{source}: is not JSON: {error}") from error
    if not isinstance(data, kind):
        wanted = "a list of results" if kind is list else "an object with images, annotations and categories"
        raise DataError(f"{source}: expected {wanted}, found {_describe(data)}")
    return data, str(source)


def write(path: str | Path, data: Any) -> None:
    """Writes JSON beside the name, flushes it to disk and renames it: a full disk leaves the old file whole."""
    path = Path(path)
    text = json.dumps(data, allow_nan=False)  # json.dump would encode in Python, several times slower
    part = path.with_name(path.name + ".part")
    with open(part, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


def rows(data: Mapping[str, Any], field: str, where: str) -> list[dict[str, Any]]:
    """A list of objects under a name.

    Raises:
        DataError: the name is missing, or anything in it is not an object.
    """
    if not isinstance(data.get(field), list):
        found = _describe(data[field]) if field in data else f"only {sorted(data)}"
        raise DataError(f"{where}: '{field}' must be a list; found {found}")
    for index, row in enumerate(data[field]):
        if not isinstance(row, dict):
            raise DataError(f"{where}: {field}[{index}] must be an object; found {_describe(row)}")
    return data[field]


def choose_category(data: Mapping[str, Any], wanted: int | str | None, where: str) -> Category:
    """The category of that id or name; without one, the only category that names keypoints (or the only one).

    Raises:
        DataError: none or several fit; lists what there is.
    """
    kinds = [
        Category(row.get("id", 0), str(row.get("name", "")), tuple(row.get("keypoints") or ()))
        for row in rows(data, "categories", where)
    ]
    if wanted is None:
        fitting = [kind for kind in kinds if kind.names] or kinds
    else:
        fitting = [kind for kind in kinds if wanted in (kind.id, kind.name)]
    if len(fitting) != 1:
        asked = "with keypoints" if wanted is None else f"'{wanted}'"
        known = ", ".join(f"{kind.id} '{kind.name}' ({len(kind.names)} keypoints)" for kind in kinds[:20])
        raise DataError(f"{where}: {len(fitting)} categories {asked}, expected one; the file has: {known or 'none'}")
    return fitting[0]


def count_keypoints(people: Sequence[Mapping[str, Any]], where: str) -> int:
    """K of a file whose category does not name its keypoints: from its first annotation.

    Raises:
        DataError: there is none, or its keypoints are not triples.
    """
    first = people[0].get("keypoints") if people else None
    if not isinstance(first, list) or not first or len(first) % 3:
        raise DataError(f"{where}[0].keypoints must be x, y, v for each keypoint; found {_describe(first)}")
    return len(first) // 3


def integers(rows_: Sequence[Mapping[str, Any]], field: str, where: str) -> NDArray[np.int64]:
    """(N,) one whole number of each row.

    Raises:
        DataError: a row has none; names the row.
    """
    try:
        values = list(map(itemgetter(field), rows_))
    except (KeyError, TypeError):  # an entry without the field, or that is no object
        values = [row.get(field) if isinstance(row, Mapping) else None for row in rows_]
    if not set(map(type, values)) <= {int}:
        index = next(i for i, value in enumerate(values) if type(value) is not int)
        row = rows_[index]
        found = "nothing" if isinstance(row, Mapping) and field not in row else _describe(values[index])
        raise DataError(f"{_place(where, index, row, field)} must be a whole number; found {found}")
    try:
        return np.array(values, np.int64)
    except OverflowError:
        index = next(i for i, value in enumerate(values) if not -(2**63) <= value < 2**63)
        place = _place(where, index, rows_[index], field)
        raise DataError(f"{place} must be a whole number of 64 bits; found {_describe(values[index])}") from None


def table(rows_: Sequence[Mapping[str, Any]], field: str, where: str, width: int | None = None) -> NDArray[np.float64]:
    """(N, width) numbers of each row's list, or (N,) of each row's number where ``width`` is None.

    Raises:
        DataError: missing, not numbers, NaN or infinite, or another length; names the row.
    """
    try:
        column = list(map(itemgetter(field), rows_))
        # struct checks type and length of a whole entry in one call, and takes no text for a number as numpy does
        if width is None:
            packed = bytearray(struct.pack(f"{len(column)}d", *column))
        else:
            pack = struct.Struct(f"{width}d").pack
            packed = bytearray().join([pack(*value) for value in column])
    except (KeyError, TypeError, OverflowError, struct.error):
        raise _culprit(rows_, field, where, width) from None
    values = np.frombuffer(packed, np.float64)
    if not np.isfinite(values).all():
        raise _culprit(rows_, field, where, width)
    return values if width is None else values.reshape(-1, width)


def check_unique(ids: NDArray[np.int64], where: str, field: str) -> None:
    """Passes in silence if no id comes twice.

    Raises:
        DataError: names one that does.
    """
    values, counts = np.unique(ids, return_counts=True)
    if len(values) != len(ids):
        raise DataError(f"{where}: {field} {values[counts > 1][0]} comes {counts.max()} times; ids must be unique")


def find_images(known: NDArray[np.int64], ids: NDArray[np.int64], where: str) -> NDArray[np.int64]:
    """Index of each id among the known ones (ascending).

    Raises:
        DataError: an id is not known.
    """
    place = np.searchsorted(known, ids)
    lost = np.ones(len(ids), bool) if not len(known) else known[np.minimum(place, len(known) - 1)] != ids
    if lost.any():
        raise DataError(
            f"{where}[{int(lost.argmax())}].image_id is {ids[lost][0]}, which is no image of the annotations "
            f"({int(lost.sum())} such entries, {len(known)} images known)"
        )
    return place


def _culprit(rows_: Sequence[Mapping[str, Any]], field: str, where: str, width: int | None) -> DataError:
    """The error of the first row that is wrong (slow: only called when one is)."""
    for index, row in enumerate(rows_):
        place = _place(where, index, row, field)
        if field not in row:
            return DataError(f"{place} is missing; the entry has {sorted(row)}")
        value = row[field]
        if width is not None and not (isinstance(value, list | tuple) and len(value) == width):
            per_point = f" ({width // 3} keypoints of x, y and v or score)" if field == "keypoints" else ""
            return DataError(f"{place} must be {width} numbers{per_point}; found {_describe(value)}")
        for number in value if width is not None else [value]:
            if not isinstance(number, int | float):
                return DataError(f"{place} must hold numbers; found {_describe(number)}")
            if not abs(number) <= sys.float_info.max:
                return DataError(f"{place} is {number!r:.40}; only finite numbers can be judged")
    return DataError(f"{where}: {field} cannot be read as numbers")


def _place(where: str, index: int, row: Any, field: str) -> str:
    """Where in a file: by the entry's own id where it has one, as entries may have been sorted since."""
    entry = f"id {row['id']}" if field != "id" and isinstance(row, Mapping) and "id" in row else index
    return f"{where}[{entry}].{field}"


def _describe(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    if isinstance(value, dict):
        return f"an object with {sorted(value)[:8]}"
    return "null" if value is None else f"{type(value).__name__} {value!r:.40}"
