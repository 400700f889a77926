"""What suites have said of the runs that are compared: one table a suite, where at least one run was examined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from armature.errors import DataError
from armature.run_folder import read_json
from armature.suites.columns import HEADS, columns
from armature.suites.result import Result, shown

if TYPE_CHECKING:
    from armature.comparison.seeds import Group

#: Of a suite's card: what must be alike for its numbers to stand in one table.
_ALIKE = ("pictures", "canvas", "settings", "fingerprint")


def read(run: Path) -> dict[str, Any]:
    """Suite -> what ``armature evaluate suite=`` left in a run's folder ``suites``; {} where nothing did.

    Raises:
        DataError: a file there that no suite has written; names it.
    """
    found = {}
    for file in sorted((run / "suites").glob("*.json")):
        said = read_json(file)
        if not isinstance(said, dict) or not isinstance(said.get("numbers"), dict):
            raise DataError(
                f"{file}: expected what a suite leaves, with 'numbers'; move it away or examine the run anew"
            )
        found[file.stem] = said
    return found


def curves(groups: Sequence[Group], folder: Path) -> dict[str, Path]:
    """Writes each suite's curves, a line for every system that was examined: suite -> PNG file."""
    from armature.suites import figure  # matplotlib

    order = [group.name for group in groups]
    found: dict[str, list[Result]] = {}
    for group in groups:
        for suite, said in _first(group).items():
            found.setdefault(suite, []).append(Result.from_dict(said, group.name))
    files = {s: figure.save(own, folder / f"{s}_curves.png", order=order) for s, own in found.items()}
    return {suite: file for suite, file in files.items() if file is not None}


def tables(groups: Sequence[Group]) -> list[dict[str, Any]]:
    """For each suite its columns and a row for each system that was examined: name, texts and numbers.

    Of several seeds the first one that was examined speaks; who was not is named, and so is what was not alike.
    """
    known = {group.name: _first(group) for group in groups}
    suites = dict.fromkeys(suite for said in known.values() for suite in said)
    return [_table(suite, {name: said.get(suite) for name, said in known.items()}) for suite in suites]


def _first(group: Group) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for member in group.members:
        found = {**member.suites, **found}
    return found


def _table(suite: str, said: Mapping[str, Any]) -> dict[str, Any]:
    there = {name: one for name, one in said.items() if one is not None}
    wanted = columns(suite, [list(one["numbers"]) for one in there.values()])
    units = {name: unit for one in there.values() for name, unit in one.get("units", {}).items()}
    heads = [HEADS.get(c, c.replace("/", " ")) + (f" ({units[c]})" if c in units else "") for c in wanted]
    rows = [
        {
            "name": name,
            "cells": [shown(one["numbers"].get(c), units.get(c, "")) for c in wanted],
            "numbers": {c: one["numbers"].get(c) for c in wanted},
        }
        for name, one in there.items()
    ]
    return {"suite": suite, "heads": heads, "columns": wanted, "rows": rows, "notes": _notes(suite, said, there)}


def _notes(suite: str, said: Mapping[str, Any], there: Mapping[str, Any]) -> list[str]:
    missing = [name for name, one in said.items() if one is None]
    notes = [f"Not examined: {', '.join(missing)}; run `armature evaluate run=RUN suite={suite}`."] if missing else []
    cards = [one.get("protocol", {}) for one in there.values()]
    unlike = [key for key in _ALIKE if any(card.get(key) != cards[0].get(key) for card in cards)]
    return notes + ([f"Under unlike conditions ({', '.join(unlike)}): do not compare these rows."] if unlike else [])
