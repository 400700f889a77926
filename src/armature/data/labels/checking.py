"""Values of a file, checked one by one: every mistake becomes a DataError that names file, record and field."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from armature.data.pictures import climbs_out
from armature.errors import DataError

#: No picture is larger, and no sum of squares of such numbers overflows.
LARGEST = 1e9
#: Where mistakes of single records are gathered instead of raised; None outside ``tolerant``.
_GATHERED: ContextVar[list[str] | None] = ContextVar("gathered", default=None)


@contextmanager
def tolerant() -> Iterator[list[str]]:
    """Gives the list of what is wrong with the records that readers skip meanwhile (those read in ``skippable``)."""
    found: list[str] = []
    token = _GATHERED.set(found)
    try:
        yield found
    finally:
        _GATHERED.reset(token)


@contextmanager
def skippable(file: str | Path, name: str) -> Iterator[None]:
    """As ``record``, for what can be left out: inside ``tolerant`` the mistake is noted and the record skipped."""
    found = _GATHERED.get()
    try:
        with record(file, name):
            yield
    except DataError as error:
        if found is None:
            raise
        found.append(str(error))


@contextmanager
def record(file: str | Path, name: str) -> Iterator[None]:
    """Whatever is wrong with the values read inside becomes a DataError that begins with file and record."""
    try:
        yield
    except DataError as error:
        # Inner records have said where already.
        raise error if str(error).startswith(str(file)) else DataError(f"{file}: {name}: {error}") from error
    except KeyError as error:
        raise DataError(f"{file}: {name}: field {error} is missing") from error
    except (TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        raise DataError(f"{file}: {name}: {error}") from error


def number(value: Any, field: str) -> float:
    """A finite number of moderate size; text that spells one counts."""
    try:
        found = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if not abs(found) < LARGEST:
        raise DataError(f"field '{field}' must be a finite number below 1e9; found {value!r:.60}")
    return found


def numbers(value: Any, field: str, count: int | None = None) -> list[float]:
    """A list of numbers, of ``count`` where given."""
    values = [number(v, field) for v in listed(value, field)]
    if count is not None and len(values) != count:
        raise DataError(f"field '{field}' must have {count} numbers; found {len(values)}")
    return values


def point(value: Any, field: str) -> list[float]:
    """x and y of a list that begins with them."""
    if len(listed(value, field)) < 2:
        raise DataError(f"field '{field}' must be x, y; found {value!r:.60}")
    return [number(value[0], field), number(value[1], field)]


def whole(value: Any, field: str, least: int = 0) -> int:
    """A whole number, at least ``least``."""
    found = number(value, field)
    if found != int(found) or found < least:
        raise DataError(f"field '{field}' must be a whole number, {least} or more; found {value!r:.60}")
    return int(found)


def text(value: Any, field: str) -> str:
    """Text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"field '{field}' must be text; found {value!r:.60}")
    return value


def inside(value: Any, field: str) -> str:
    """A relative file name that stays in its folder, with slashes."""
    name = text(value, field).replace("\\", "/")
    if climbs_out(name) or "\0" in name:
        raise DataError(f"field '{field}' leaves the folder of pictures: {value!r:.80}")
    return name


def listed(value: Any, field: str) -> Sequence[Any]:
    """A list."""
    if not isinstance(value, (list, tuple)):
        raise DataError(f"field '{field}' must be a list; found {value!r:.60}")
    return value


def mapped(value: Any, field: str) -> Mapping[str, Any]:
    """A JSON object or YAML mapping."""
    if not isinstance(value, Mapping):
        raise DataError(f"field '{field}' must be an object; found {value!r:.60}")
    return value


def flag(value: Any, field: str) -> int:
    """A visibility flag: 0, 1 or 2."""
    if isinstance(value, bool) or value not in (0, 1, 2):
        raise DataError(f"field '{field}' must be 0, 1 or 2; found {value!r:.60}")
    return int(value)


def size(height: Any, width: Any) -> tuple[int, int]:
    """(H, W) of a picture."""
    return whole(height, "height", 1), whole(width, "width", 1)
