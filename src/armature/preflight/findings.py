"""What a pre-flight has found: one finding for each check, and all of them together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

OK, NOTE, FAIL = "ok", "note", "fail"
GIB = 2**30


@dataclass(frozen=True)
class Finding:
    """One check.

    Attributes:
        level: ``ok``, ``note`` (works, but look at it) or ``fail`` (the run would fail, or not be what was asked for).
        what: was found. advice: what to do about it.
    """

    check: str
    what: str
    level: str = OK
    advice: str = ""


@dataclass(frozen=True)
class Preflight:
    """All findings on one config.

    Attributes:
        facts: the numbers behind them: bytes, seconds, counts.
    """

    findings: tuple[Finding, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether nothing failed."""
        return not self.failed

    @property
    def failed(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.level == FAIL)

    def plain(self) -> dict[str, Any]:
        """``passed``, ``findings`` and ``facts`` as plain data."""
        findings = [vars(finding) for finding in self.findings]
        return {"passed": self.passed, "findings": findings, "facts": dict(self.facts)}

    def summary(self) -> str:
        """What failed and what to do, in a line each; "" where nothing did."""
        return "\n".join(f"{f.check}: {f.what}" + (f" ({f.advice})" if f.advice else "") for f in self.failed)


def size(count: float) -> str:
    """Bytes for people: ``1.5 GiB``, ``340 MiB``."""
    return f"{count / GIB:.1f} GiB" if count >= GIB else f"{count / 2**20:.0f} MiB"


def duration(seconds: float) -> str:
    """Seconds for people: ``3.2 h``, ``12 min``, ``40 s``."""
    if seconds >= 5400:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
