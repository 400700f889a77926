"""The page of a comparison: one HTML file, sortable and filterable, that needs nothing else to open."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from armature.reports import scores as s
from armature.reports import svg
from armature.reports.comparison_words import headline, signed, spoken
from armature.reports.curves import Chart
from armature.reports.error_figure import error_figure_of_runs
from armature.reports.forest import forest
from armature.reports.pareto import scatter
from armature.reports.reliability import diagram
from armature.reports.run_report import package_text, script_hash

Document = Mapping[str, Any]


def write(document: Document, folder: Path, pictures: Sequence[tuple[str, str]] = ()) -> Path:
    """Writes ``comparison.html`` into the folder in one step and returns its path; arguments as ``render``'s."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "comparison.html"
    partial = path.with_suffix(".html.partial")
    partial.write_text(render(document, pictures), encoding="utf-8")
    os.replace(partial, path)
    return path


def render(document: Document, pictures: Sequence[tuple[str, str]] = ()) -> str:
    """The page as HTML.

    Args:
        document: what ``comparison.judging.judge`` returns. pictures: (caption, ``data:`` address).
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"shown": lambda value, name: s.shown(name, value), "spoken": spoken}
    script = package_text("comparison.js")
    return environment.from_string(package_text("comparison.html.j2")).render(
        style=Markup(package_text("run_report.css") + package_text("comparison.css")),
        script=Markup(script),
        script_hash=script_hash(script),
        document=document,
        headline=headline(document),
        ranking=ranking(document),
        matrix=matrix(document),
        keypoints=keypoint_table(document),
        slices=document.get("slices") or [],
        errors=_errors(document),
        calibration=_calibration(document),
        costs=_costs(document),
        charts=learning_curves(document["systems"], document["metric"]),
        differences=difference_table(document["systems"]),
        pictures=pictures,
    )


def ranking(document: Document) -> dict[str, Any]:
    """Columns and rows of the main table, best first; the deciding metric comes with its interval drawn."""
    metric, systems = document["metric"], document["systems"]
    span = _span([system["numbers"][metric] for system in systems])
    rows = [
        {
            "rank": rank,
            "name": system["name"],
            "n": system["n"],
            "plot": forest(system["numbers"][metric], span),
            "lead": _cell(metric, system["numbers"][metric]),
            "cells": [_cell(name, system["numbers"][name]) for name in document["metrics"]],
            "verdict": system.get("against_best", ""),
        }
        for rank, system in enumerate(systems, 1)
    ]
    return {"columns": [spoken(name) for name in document["metrics"]], "lead": spoken(metric), "rows": rows}


def matrix(document: Document) -> dict[str, Any]:
    """The significance matrix of the deciding metric: each cell is what the row's system has more than the column's."""
    names = [system["name"] for system in document["systems"]]
    found = {(c["a"], c["b"]): c for c in document["comparisons"] if c["metric"] == document["metric"]}
    rows = [{"name": a, "cells": [_pair(found, a, b, document["metric"]) for b in names]} for a in names]
    return {"names": names, "rows": rows}


def keypoint_table(document: Document) -> dict[str, Any] | None:
    """Systems beside each other for each keypoint, by the metric that ranks keypoints; None where there is none."""
    tables = [s.by_keypoint(system["keypoints"]) for system in document["systems"]]
    lead = s.ranking(tables[0]) if tables and tables[0] else None
    if lead is None:
        return None
    lower = s.lower_is_better(lead)
    rows = []
    for name in tables[0][lead]:
        values = [table.get(lead, {}).get(name) for table in tables]
        known = [v for v in values if v is not None]
        best = (min(known) if lower else max(known)) if known else None
        cells = [{"text": s.shown(lead, v), "sort": v, "best": v is not None and v == best} for v in values]
        spread = max(known) - min(known) if known else None
        rows.append({"name": name, "cells": cells, "spread": s.shown(lead, spread), "sort": spread})
    names = [system["name"] for system in document["systems"]]
    return {"lead": spoken(lead), "names": names, "rows": rows}


def learning_curves(systems: Sequence[Mapping[str, Any]], metric: str) -> list[dict[str, Any]]:
    """The deciding metric over epochs and over minutes, a line for each system (the mean of its seeds)."""
    return [
        {"title": f"{spoken(metric)} over {axis}", "svg": svg.line_chart(chart), "names": list(chart.lines)}
        for axis in ("epochs", "minutes")
        if (chart := _curve(systems, metric, axis)) is not None
    ]


def difference_table(systems: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Config keys that are not alike in all systems, a column for each system; None where there is nothing."""
    keys = sorted({key for system in systems for key in system["differences"]})
    if not keys:
        return None
    rows = [
        {"key": key, "cells": [str(system["differences"].get(key, s.MISSING)) for system in systems]} for key in keys
    ]
    return {"names": [system["name"] for system in systems], "rows": rows}


def _cell(name: str, number: Mapping[str, Any]) -> dict[str, Any]:
    """One number with its interval, and what it is sorted by."""
    value, low, high = number["estimate"], number["low"], number["high"]
    interval = "" if low is None or value is None else f"{_bare(name, low)}–{_bare(name, high)}"  # noqa: RUF001
    deviation = "" if number.get("sd") is None else f"sd {number['sd']:.3g}"
    return {"text": s.shown(name, value), "interval": interval, "sd": deviation, "sort": value}


def _bare(name: str, value: float) -> str:
    """A number without its unit, which stands beside it."""
    return s.shown(name, value).removesuffix(" px")


def _pair(found: Mapping[tuple[str, str], Any], a: str, b: str, metric: str) -> dict[str, Any] | None:
    """One cell of the matrix, None on the diagonal and where nothing was compared."""
    comparison, sign = (found[a, b], 1) if (a, b) in found else (found.get((b, a)), -1)
    if comparison is None or comparison["difference"] is None:
        return None
    difference = sign * comparison["difference"]
    low, high = sorted(sign * edge for edge in (comparison["low"], comparison["high"]))
    verdict = comparison["verdict"] if sign > 0 else _MIRRORED[comparison["verdict"]]
    note = f"{signed(metric, low)} to {signed(metric, high)}; p {comparison['p_corrected']:.3g} corrected"
    return {"text": signed(metric, difference), "verdict": verdict, "note": f"{a} against {b}: {verdict}; {note}"}


_MIRRORED = {"better": "worse", "worse": "better", "not distinguishable": "not distinguishable"}


def _span(numbers: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    edges = [v for n in numbers for v in (n["estimate"], n["low"], n["high"]) if v is not None]
    return (min(edges), max(edges)) if edges else (0.0, 1.0)


def _curve(systems: Sequence[Mapping[str, Any]], metric: str, axis: str) -> Chart | None:
    """Points of all systems on one axis: an axis value that a system has no point at is None in its line."""
    curves = {system["name"]: system["curves"][axis] for system in systems if system.get("curves")}
    places = sorted({x for points in curves.values() for x, _ in points})
    if len(places) < 2:
        return None
    lines = {name: [dict(points).get(x) for x in places] for name, points in curves.items()}
    lines = {name: line for name, line in lines.items() if any(v is not None for v in line)}
    return Chart(metric, axis, places, lines) if lines else None


def _errors(document: Document) -> Markup:
    return error_figure_of_runs({system["name"]: system["errors"] for system in document["systems"]})


def _calibration(document: Document) -> list[dict[str, Any]]:
    return [
        {
            "name": system["name"],
            "figure": diagram(system["calibration"]["figure"]),
            "summary": system["calibration"]["summary"],
        }
        for system in document["systems"]
    ]


def _costs(document: Document) -> list[dict[str, Any]]:
    metric = document["metric"]
    higher = not s.lower_is_better(metric)
    return [
        {"title": title, "figure": scatter(points, title, spoken(metric), higher)}
        for title, points in document["costs"].items()
    ]
