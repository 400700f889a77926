"""A comparison in words: names as people say them, signed differences, and the sentence that leads the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from armature.reports import scores as s


def spoken(name: str) -> str:
    """A metric's name as it is read."""
    stem, rest = s.parts(name)
    said = {"error/mean": "mean error", "error/median": "median error"}.get(stem, stem)
    return f"{said} {rest}" if rest else said


def signed(name: str, value: float | None) -> str:
    """A difference with its sign; pixels with their unit."""
    if value is None:
        return s.MISSING
    text = s.shown(name, abs(value))
    return f"{'−' if value < 0 else '+'}{text}"  # noqa: RUF001


def headline(document: Mapping[str, Any]) -> str:
    """Who leads, by how much, and against whom that is sure: one or two sentences."""
    metric, systems = document["metric"], document["systems"]
    best = systems[0]
    value = s.shown(metric, best["numbers"][metric]["estimate"])
    others = systems[1:]
    if not others:
        return f"{best['name']} has {spoken(metric)} {value}; there is nothing to compare it with."
    pairs = {frozenset((c["a"], c["b"])): c for c in document["comparisons"] if c["metric"] == metric}
    sure = [
        o for o in others if pairs.get(frozenset((best["name"], o["name"])), {}).get("verdict") in ("better", "worse")
    ]
    open_ = [o["name"] for o in others if o not in sure]
    lead = f"{best['name']} leads with {spoken(metric)} {value}"
    certainty = f"at {document['level']:.0%} confidence, corrected for {len(pairs)} comparison{'s' * (len(pairs) != 1)}"
    if not open_:
        return f"{lead} and is better than {_all(others)}, {certainty}."
    if not sure:
        return f"{lead}, but is not distinguishable from {_listed(open_)}, {certainty}."
    better = f"better than {len(sure)} of {len(others)} others"
    return f"{lead}: {better}, not distinguishable from {_listed(open_)}, {certainty}."


def _all(others: list[Any]) -> str:
    return others[0]["name"] if len(others) == 1 else f"all {len(others)} others"


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
