"""Findings added up by kind, for the terminal and the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from armature.checking.check import title
from armature.checking.findings import SEVERITIES, Finding


@dataclass(frozen=True)
class Kind:
    """All findings of one kind and severity."""

    severity: str
    kind: str
    title: str
    findings: tuple[Finding, ...]

    @property
    def pictures(self) -> int:
        """In how many pictures; 0 where none is meant."""
        return len({(f.split, f.picture) for f in self.findings if f.picture})


def kinds(findings: Sequence[Finding]) -> list[Kind]:
    """Kinds in the order of the findings."""
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.severity, finding.kind), []).append(finding)
    return [Kind(severity, kind, title(kind), tuple(own)) for (severity, kind), own in groups.items()]


def totals(findings: Sequence[Finding]) -> dict[str, int]:
    """Number of findings of each severity."""
    return {severity: sum(f.severity == severity for f in findings) for severity in SEVERITIES}


def spoken(findings: Sequence[Finding]) -> str:
    """``2 errors, 1 warning, 40 notes``."""
    return ", ".join(f"{n:,} {name}{'' if n == 1 else 's'}" for name, n in totals(findings).items())


def where(finding: Finding) -> str:
    """``train 000000000036.jpg, annotation 12, left_ear``; "" for the whole data set."""
    parts = [f"{finding.split} {finding.picture}".strip()]
    parts += [f"annotation {finding.instance}"] if finding.instance is not None else []
    parts += [finding.keypoint] if finding.keypoint else []
    return ", ".join(part for part in parts if part)
