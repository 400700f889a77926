"""All checks on one subject."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from armature.checking import facts
from armature.checking.check import checks
from armature.checking.findings import Finding, ordered
from armature.checking.subject import Subject


@dataclass(frozen=True)
class Outcome:
    """What a check found: findings, the worst first; ``fresh``: pictures that no note of an earlier check told."""

    findings: list[Finding]
    fresh: int


def run(subject: Subject) -> Outcome:
    """Reads the pictures, runs every check and leaves out what only follows from something else."""
    subject.facts, fresh = facts.gather([picture.path for picture in subject.pictures])
    found = list(subject.found)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN|Mean of empty", RuntimeWarning)
        for check in checks():
            found += check.find(subject)
    return Outcome(ordered(_told(found)), fresh)


def _told(found: list[Finding]) -> list[Finding]:
    """Without what another finding on the same person explains."""
    hides = {check.kind: check.hides for check in checks() if check.hides}
    hidden = {
        (f.place.group, f.place.row, kind) for f in found if f.place is not None for kind in hides.get(f.kind, ())
    }
    return [
        f for f in found if f.place is None or (f.place.group, f.place.row, f.kind) not in hidden or f.place.row < 0
    ]
