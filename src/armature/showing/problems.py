"""The problems that ``armature data check`` has found, by the pictures that they are of."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from armature.errors import DataError

#: Columns of problems.csv that a page cannot do without.
NEEDED = ("kind", "picture")
COLUMNS = ("severity", "kind", "picture", "instance", "keypoint", "split", "what", "fix")


class Problem(NamedTuple):
    """One row; what a row does not say is ""."""

    severity: str
    kind: str
    picture: str
    instance: str
    keypoint: str
    split: str
    what: str
    fix: str


def read(path: str | Path) -> list[Problem]:
    """The rows of a problems.csv.

    Raises:
        DataError: there is no such file, or it is no table of problems; names it and the line.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            lacking = [name for name in NEEDED if name not in (rows.fieldnames or ())]
            if lacking:
                found = ", ".join(rows.fieldnames or ()) or "nothing"
                raise DataError(
                    f"problems={path}: its first line must name the columns {', '.join(COLUMNS)}; "
                    f"{' and '.join(lacking)} lack, found {found}"
                )
            return [Problem(*(str(row.get(name) or "") for name in COLUMNS)) for row in rows]
    except OSError as error:
        raise DataError(
            f"problems={path}: {error.strerror}; armature data check writes one: data check ... output=FOLDER"
        ) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"problems={path} is no table of problems: {error}") from error


def by_picture(
    problems: Iterable[Problem], pictures: Mapping[tuple[str, str], int]
) -> tuple[dict[int, list[Problem]], list[Problem]]:
    """The problems of each picture, and those whose picture is not among these.

    Args:
        pictures: (split, name) -> picture; a problem without a split is of the picture of that name in any.
    """
    anywhere: dict[str, int] = {}
    for (_, name), index in pictures.items():
        anywhere.setdefault(name, index)
    found: dict[int, list[Problem]] = {}
    strange: list[Problem] = []
    for problem in problems:
        own = pictures.get((problem.split, problem.picture))
        place = own if own is not None else anywhere.get(problem.picture)
        if place is None:
            strange.append(problem)
        else:
            found.setdefault(place, []).append(problem)
    return found, strange
