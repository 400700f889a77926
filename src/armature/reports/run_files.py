"""The files of a run folder as they are read for its page: whatever is missing or broken becomes a remark."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from armature.reports.curves import History, read_history

_T = TypeVar("_T")
_PICTURES = {".png", ".jpg", ".jpeg", ".webp"}


@dataclass(frozen=True)
class RunFiles:
    """What a run left.

    Attributes:
        path: the run folder.
        config: text of config.yaml, or "".
        provenance, metrics: the JSON objects, or {}.
        history: columns of history.csv, or {}.
        predictions: COCO results, or [].
        pictures: files under pictures/, in order of name, without the curves (the page draws its own).
        remarks: a sentence for each file that is missing or cannot be read.
    """

    path: Path
    config: str
    provenance: dict[str, Any]
    metrics: dict[str, Any]
    history: History
    predictions: list[dict[str, Any]]
    pictures: list[Path]
    remarks: list[str] = field(default_factory=list)


def read(run: Path) -> RunFiles:
    """The files of one run folder; nothing is required to be there."""
    remarks: list[str] = []

    def attempt(name: str, reader: Callable[[Path], _T], empty: _T) -> _T:
        path = run / name
        if not path.is_file():
            remarks.append(f"{name} is missing.")
            return empty
        try:
            return reader(path)
        except (OSError, ValueError, RecursionError) as error:
            remarks.append(f"{name} cannot be read: {error}")
            return empty

    return RunFiles(
        path=run,
        config=attempt("config.yaml", lambda p: p.read_text(encoding="utf-8", errors="replace"), ""),
        provenance=attempt("provenance.json", _object, {}),
        metrics=attempt("metrics.json", _object, {}),
        history=attempt("history.csv", read_history, {}),
        predictions=attempt("predictions.json", _results, []),
        pictures=_pictures(run / "pictures"),
        remarks=remarks,
    )


def _object(path: Path) -> dict[str, Any]:
    found = json.loads(path.read_text(encoding="utf-8", errors="replace"))
    if not isinstance(found, dict):
        raise ValueError(f"expected a JSON object, found {type(found).__name__}")
    return found


def _results(path: Path) -> list[dict[str, Any]]:
    found = json.loads(path.read_text(encoding="utf-8", errors="replace"))
    if not isinstance(found, list):
        raise ValueError(f"expected a JSON list of COCO results, found {type(found).__name__}")
    return [item for item in found if isinstance(item, dict)]


def _pictures(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    files = [p for p in folder.rglob("*") if p.suffix.lower() in _PICTURES and p.is_file()]
    return sorted(p for p in files if not p.stem.startswith("curves"))
