"""One thing that is wrong, or worth knowing, and how bad it is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

#: The severities, worst first: training would fail or learn nonsense; probably a mistake; worth knowing.
ERROR, WARNING, NOTE = "error", "warning", "note"
SEVERITIES = (ERROR, WARNING, NOTE)


@dataclass(frozen=True)
class Place:
    """Where to look: indices into ``Subject.pictures``, ``Subject.groups`` and the rows and keypoints of the group.

    Attributes:
        group, row, keypoint: -1 where none is meant. other: a second picture (of a pair), -1 for none.
    """

    picture: int
    group: int = -1
    row: int = -1
    keypoint: int = -1
    other: int = -1


@dataclass(frozen=True)
class Finding:
    """One problem.

    Attributes:
        severity: of ``SEVERITIES``. kind: the check's word for it, ``left_right_swap``. what: in words.
        picture: as the data call the file, "" where no single one is meant. instance: the annotation's id, None for
        none. keypoint: its name. split: "train", "val", "test" or "". fix: what to do. place: where to draw it.
    """

    severity: str
    kind: str
    what: str
    fix: str = ""
    picture: str = ""
    instance: int | None = None
    keypoint: str = ""
    split: str = ""
    place: Place | None = None


def exit_code(findings: Iterable[Finding]) -> int:
    """0 for nothing or notes only, 1 where the worst is a warning, 2 where there is an error."""
    found = {finding.severity for finding in findings}
    return 2 if ERROR in found else 1 if WARNING in found else 0


def ordered(findings: Iterable[Finding]) -> list[Finding]:
    """The worst first, kinds together, the kind with fewest findings first."""
    listed = list(findings)
    counts: dict[tuple[str, str], int] = {}
    for f in listed:
        counts[f.severity, f.kind] = counts.get((f.severity, f.kind), 0) + 1
    return sorted(listed, key=lambda f: (SEVERITIES.index(f.severity), counts[f.severity, f.kind], f.kind))
