"""What a config says it should reach, beside what it reached."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from armature.errors import ConfigError
from armature.reports import scores as s

_FIELDS = {"metric", "value", "tolerance", "source"}
#: How the source measured, where that is worth a few words: a flip test, other images, another evaluator.
_OPTIONAL = {"protocol"}


def check(expected: Mapping[str, Any] | None) -> None:
    """Passes in silence if ``expected`` can be compared with a result: null, or four fields and perhaps ``protocol``.

    Raises:
        ConfigError: names the field.
    """
    if expected is None:
        return
    if not _FIELDS <= set(expected) <= _FIELDS | _OPTIONAL:
        fields = f"{sorted(_FIELDS)}, perhaps {sorted(_OPTIONAL)}"
        raise ConfigError(f"config key 'expected' has {fields}, or is null; found {sorted(expected)}")
    for name in ("value", "tolerance"):
        if s.number(expected[name]) is None:
            raise ConfigError(f"config key 'expected.{name}' must be a number; found {expected[name]!r}")
    for name in ("metric", "source", *(_OPTIONAL & set(expected))):
        if not isinstance(expected[name], str) or not expected[name]:
            raise ConfigError(f"config key 'expected.{name}' must be a text; found {expected[name]!r}")


def compare(expected: Mapping[str, Any], metrics: Mapping[str, Any]) -> dict[str, Any]:
    """``expected`` with ``found``, ``reached`` (None where it was not measured) and ``summary``, one sentence.

    Reached is a value within the tolerance or better; smaller is better for errors and losses.

    Args:
        metrics: flat, with the metric's whole name (``val/AP``).
    """
    name, goal, tolerance = expected["metric"], float(expected["value"]), float(expected["tolerance"])
    found = s.number(metrics.get(name))
    reached, verdict = judge(expected, found)
    said = f"{name} expected {goal:g} ± {tolerance:g} ({origin(expected)}): "
    said += verdict if found is None else f"{found:.4g}, {verdict}"
    return {**expected, "found": found, "reached": reached, "summary": said}


def judge(expected: Mapping[str, Any], found: float | None) -> tuple[bool | None, str]:
    """Whether a value reaches what is expected, None where there is none, and the same in words."""
    if found is None:
        return None, "not measured"
    goal = float(expected["value"])
    better = goal - found if s.lower_is_better(expected["metric"]) else found - goal
    reached = better >= -float(expected["tolerance"]) - 1e-12
    return reached, "reached" if reached else f"missed by {-better:.3g}"


def origin(expected: Mapping[str, Any]) -> str:
    """Where the value comes from and, where stated, how it was measured there."""
    return "; ".join(str(expected[name]) for name in ("source", "protocol") if expected.get(name))
