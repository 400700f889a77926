"""What a config says it should reach, beside what it reached."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from armature.errors import ConfigError
from armature.reports import scores as s

_FIELDS = {"metric", "value", "tolerance", "source"}


def check(expected: Mapping[str, Any] | None) -> None:
    """Passes in silence if ``expected`` can be compared with a result: null, or all four fields.

    Raises:
        ConfigError: names the field.
    """
    if expected is None:
        return
    if set(expected) != _FIELDS:
        raise ConfigError(f"config key 'expected' has {sorted(_FIELDS)}, or is null; found {sorted(expected)}")
    for name in ("value", "tolerance"):
        if s.number(expected[name]) is None:
            raise ConfigError(f"config key 'expected.{name}' must be a number; found {expected[name]!r}")


def compare(expected: Mapping[str, Any], metrics: Mapping[str, Any]) -> dict[str, Any]:
    """``expected`` with ``found``, ``reached`` (None where it was not measured) and ``summary``, one sentence.

    Reached is a value within the tolerance or better; smaller is better for errors and losses.

    Args:
        metrics: flat, with the metric's whole name (``val/AP``).
    """
    name, goal, tolerance = expected["metric"], float(expected["value"]), float(expected["tolerance"])
    found = s.number(metrics.get(name))
    said = f"{name} expected {goal:g} ± {tolerance:g} ({expected['source']}): "
    if found is None:
        return {**expected, "found": None, "reached": None, "summary": said + "not measured"}
    better = goal - found if s.lower_is_better(name) else found - goal
    reached = better >= -tolerance - 1e-12
    verdict = "reached" if reached else f"missed by {-better:.3g}"
    return {**expected, "found": found, "reached": reached, "summary": f"{said}{found:.4g}, {verdict}"}
