"""The page of a probe: one HTML file that needs nothing else to open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from armature.reports.embedding import embed
from armature.reports.run_report import package_text
from armature.run_folder import write_text
from armature.suites.columns import HEADS
from armature.suites.result import Result, shown


@dataclass(frozen=True)
class Section:
    """One suite: its name, a sentence, the columns, the results, a file of curves and (caption, file) of pictures."""

    name: str
    said: str
    columns: Sequence[str]
    results: Sequence[Result]
    curves: Path | None
    pictures: Sequence[tuple[str, Path]]


def write(path: Path, sections: Sequence[Section], about: Mapping[str, Any], left_out: Sequence[str]) -> Path:
    """Writes the page and returns its path."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    drawn = [_drawn(section) for section in sections]
    html = environment.from_string(package_text("probe.html.j2")).render(
        style=Markup(package_text("run_report.css")), sections=drawn, about=about, left_out=left_out
    )
    write_text(path, html)
    return path


def _drawn(section: Section) -> dict[str, Any]:
    captions = {file: caption for caption, file in section.pictures}
    embedded = [(captions[file], address) for file, address in embed([file for _, file in section.pictures])]
    curves = embed([section.curves]) if section.curves else []
    units = {name: unit for result in section.results for name, unit in result.units.items()}
    rows = [
        (r.subject, [shown(r.numbers.get(c), units.get(c, "")) for c in section.columns], r.remarks)
        for r in section.results
    ]
    heads = [HEADS.get(c, c.replace("/", " ")) + (f" ({units[c]})" if c in units else "") for c in section.columns]
    return {
        "name": section.name,
        "said": section.said,
        "heads": heads,
        "rows": rows,
        "curves": curves[0][1] if curves else None,
        "pictures": embedded,
        "settings": section.results[0].card.get("settings", {}),
    }
