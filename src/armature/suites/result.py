"""What a suite leaves: numbers with intervals, curves over the strength of a change, tables, sentences and a card."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from armature.evaluation.bootstrap import Interval, plain


@dataclass(frozen=True)
class Curve:
    """One measure of one kind of change, over its strength.

    Attributes:
        kind: of the change. measure: what is shown. unit: of the strength. strengths: (S,). points: S intervals.
    """

    kind: str
    measure: str
    unit: str
    strengths: tuple[float, ...]
    points: tuple[Interval, ...]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        points = [point.to_dict() for point in self.points]
        head = {"kind": self.kind, "measure": self.measure, "unit": self.unit}
        return {**head, "strengths": list(self.strengths), "points": points}


@dataclass
class Result:
    """Everything that one suite says of one subject.

    Attributes:
        suite, subject: their names. numbers: the headline, by name. units: of those that have one.
        curves: over the strengths. keypoints: measure -> keypoint -> number. remarks: sentences.
        card: the suite's settings and seed, the data, the canvas, the subject's own card.
        pictures: (caption, picture) to look at; not part of the JSON.
    """

    suite: str
    subject: str
    numbers: dict[str, Interval]
    units: dict[str, str] = field(default_factory=dict)
    curves: list[Curve] = field(default_factory=list)
    keypoints: dict[str, dict[str, float]] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    card: dict[str, Any] = field(default_factory=dict)
    pictures: list[tuple[str, Any]] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """For JSON, None for NaN."""
        return {
            "suite": self.suite,
            "subject": self.subject,
            "numbers": {name: interval.to_dict() for name, interval in self.numbers.items()},
            "units": self.units,
            "curves": [curve.to_dict() for curve in self.curves],
            "keypoints": {kind: plain(dict(values)) for kind, values in self.keypoints.items()},
            "remarks": self.remarks,
            "protocol": self.card,
        }

    @classmethod
    def from_dict(cls, said: Mapping[str, Any], subject: str | None = None) -> Result:
        """What ``to_dict`` has written, without the pictures; None is NaN again.

        Args:
            subject: another name for it.
        """
        curves = [
            Curve(c["kind"], c["measure"], c["unit"], tuple(c["strengths"]), tuple(map(_interval, c["points"])))
            for c in said.get("curves", [])
        ]
        numbers = {name: _interval(number) for name, number in said["numbers"].items()}
        keypoints = {k: {n: _number(v) for n, v in values.items()} for k, values in said.get("keypoints", {}).items()}
        about = dict(said.get("units", {})), curves, keypoints, list(said.get("remarks", [])), dict(said["protocol"])
        return cls(said["suite"], subject or said["subject"], numbers, *about)


def _interval(said: Mapping[str, Any]) -> Interval:
    given: dict[str, Any] = {name: math.nan if value is None else value for name, value in said.items()}
    return Interval(**given)


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def shown(
    interval: Interval | Mapping[str, Any] | None, unit: str = "", ends: bool = True, fine: int | None = None
) -> str:
    """``0.512 [0.480, 0.541]``, a dash where there is nothing.

    Args:
        ends: the interval, too. fine: digits of its ends; None has as many as the estimate.
    """
    if interval is None:
        return "-"
    get = interval.get if isinstance(interval, Mapping) else lambda name: getattr(interval, name)
    estimate, low, high = get("estimate"), get("low"), get("high")
    if estimate is None or not math.isfinite(estimate):
        return "-"
    digits = 2 if unit in ("px", "") and abs(estimate) >= 10 else 3 if unit != "px" else 2
    text = f"{estimate:.{digits}f}"
    if ends and low is not None and math.isfinite(low) and high is not None:
        fine = digits if fine is None else min(digits, fine)
        text += f" [{low:.{fine}f}, {high:.{fine}f}]"
    return text


def by_keypoint(values: Mapping[str, Any], measure: str, names: Sequence[str]) -> dict[str, float]:
    """``moved/nose`` -> ``nose``: the estimates of one measure for each keypoint."""
    return {name: float(values[f"{measure}/{name}"][0]) for name in names if f"{measure}/{name}" in values}
