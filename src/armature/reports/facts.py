"""Nested facts (provenance, a protocol card) as names and texts that can be read."""

from __future__ import annotations

import shlex
from typing import Any

from armature.reports.scores import MISSING

#: Longer texts (a dirty diff) are cut here; the whole is in provenance.json.
LONGEST = 60_000
#: Lists with more entries become a text of their own, a line each.
_MANY = 8


def grouped(facts: dict[str, Any]) -> list[dict[str, Any]]:
    """Groups of ``pairs`` (name, text) and ``texts`` (name, long text, whether cut).

    Loose values come first as the group "run", then one group for each nested object or list of objects.
    """
    nested = {k: _numbered(v) for k, v in facts.items() if isinstance(_numbered(v), dict)}
    loose = {k: v for k, v in facts.items() if k not in nested}
    groups = [_group(name, values) for name, values in [("run", loose), *nested.items()]]
    return [g for g in groups if g["pairs"] or g["texts"]]


def pairs(facts: dict[str, Any]) -> list[tuple[str, str]]:
    """``(name, text)`` of every fact, nested ones with their path as the name."""
    return [(spoken(k), text(v, k)) for k, v in flatten(facts).items()]


def flatten(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """``{"git.commit": "ab12", ...}``: nested objects and lists of objects opened, paths joined by dots."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        inner = _numbered(value)
        if isinstance(inner, dict) and inner:
            flat |= flatten(inner, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def text(value: Any, name: str = "") -> str:
    """One value as it is read: yes and no for booleans, GiB for a number named memory, a dash for nothing."""
    if value is None or value == "" or value in ([], {}):
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float) and name.split(".")[-1] == "memory":
        return f"{value / 2**30:.1f} GiB"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        return " ".join(shlex.quote(v) if isinstance(v, str) else text(v) for v in value)
    return str(value)


def spoken(name: str) -> str:
    """The name with spaces for underscores and dots."""
    return name.replace("_", " ").replace(".", " ")


def _group(name: str, values: dict[str, Any]) -> dict[str, Any]:
    flat = flatten(values)
    long = {k: _long(v) for k, v in flat.items() if _long(v)}
    return {
        "name": spoken(name),
        "pairs": [(spoken(k), text(v, k)) for k, v in flat.items() if k not in long],
        "texts": [(spoken(k), v[:LONGEST], len(v) > LONGEST) for k, v in long.items()],
    }


def _long(value: Any) -> str:
    """The text of a value that does not fit beside its name, else ""."""
    if isinstance(value, list) and len(value) > _MANY:
        return "\n".join(str(v) for v in value)
    return value if isinstance(value, str) and value.count("\n") > 2 else ""


def _numbered(value: Any) -> Any:
    """A list of objects as one object: its only entry, or the entries by number from 1; anything else unchanged."""
    if not isinstance(value, list) or not value or not all(isinstance(v, dict) for v in value):
        return value
    return value[0] if len(value) == 1 else {str(i): v for i, v in enumerate(value, 1)}
