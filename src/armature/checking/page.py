"""``report.html``: what was found, with the pictures concerned; one file that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from armature.checking import drawing, summary
from armature.checking.findings import NOTE, Finding
from armature.checking.subject import Subject
from armature.reports.run_report import package_text, script_hash
from armature.run_folder import write_text

#: Rows that the page lists of one kind; problems.csv has all.
ROWS = 200


@dataclass(frozen=True)
class Drawn:
    """A finding with its picture."""

    finding: Finding
    where: str
    picture: str


def write(
    subject: Subject, findings: list[Finding], facts: Mapping[str, str], path: Path, each: int = 8, most: int = 96
) -> None:
    """Writes the page, whole or not at all.

    Args:
        facts: about the data set, a name and a value each. each: pictures of one kind, most: of all kinds together.
    """
    write_text(path, render(subject, findings, facts, each, most))


def render(subject: Subject, findings: list[Finding], facts: Mapping[str, str], each: int = 8, most: int = 96) -> str:
    """The page as HTML."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["where"] = summary.where
    script = package_text("comparison.js")
    own = files("armature.checking")
    style = (
        package_text("run_report.css") + package_text("comparison.css") + own.joinpath("page.css").read_text("utf-8")
    )
    groups = summary.kinds(findings)
    return environment.from_string(own.joinpath("page.html.j2").read_text("utf-8")).render(
        style=Markup(style),
        script=Markup(script),
        script_hash=script_hash(script),
        title=subject.title,
        facts=facts,
        spoken=summary.spoken(findings),
        totals=summary.totals(findings),
        groups=groups,
        drawn=_drawn(subject, groups, each, most),
        rows=ROWS,
    )


def _drawn(subject: Subject, groups: list[summary.Kind], each: int, most: int) -> list[list[Drawn]]:
    """The pictures of each kind: errors and warnings first served, of notes half as many."""
    found = []
    for kind in groups:
        room = min(each if kind.severity != NOTE else (each + 1) // 2, most)
        own: list[Drawn] = []
        for finding in kind.findings:
            if len(own) >= room:
                break
            picture = drawing.thumbnail(subject, finding)
            if picture is not None:
                own.append(Drawn(finding, summary.where(finding), picture))
        most -= len(own)
        found.append(own)
    return found
