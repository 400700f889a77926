"""The page of a run: one HTML file that holds everything and needs nothing else to open."""

from __future__ import annotations

import base64
import hashlib
import os
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from armature.errors import UserError
from armature.reports import curves, highlight, svg
from armature.reports import scores as s
from armature.reports.embedding import embed
from armature.reports.error_figure import error_figure
from armature.reports.facts import flatten, grouped, pairs
from armature.reports.reliability import diagram
from armature.reports.run_files import RunFiles, read

#: First words of picture file names, in the order in which they are shown.
_KINDS = ("worst", "best", "sample", "more")


def write(run: Path) -> Path:
    """Writes ``report.html`` into a run folder from the files that are there, and returns its path.

    Missing or unreadable files are named on the page. The file is replaced in one step.

    Raises:
        UserError: the folder does not exist.
    """
    run = Path(run)
    if not run.is_dir():
        raise UserError(f"report of run '{run}': there is no such folder; a run folder is runs/<experiment>/<run id>")
    path = run / "report.html"
    partial = path.with_suffix(".html.partial")
    partial.write_text(render(read(run)), encoding="utf-8")
    os.replace(partial, path)
    return path


def render(found: RunFiles) -> str:
    """The page as HTML."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"seconds": s.seconds, "yaml": highlight.yaml, "diff": highlight.diff}
    script = package_text("run_report.js")
    return environment.from_string(package_text("run_report.html.j2")).render(
        style=Markup(package_text("run_report.css")),
        script=Markup(script),
        script_hash=script_hash(script),
        title=_title(found),
        subtitle=_subtitle(found),
        remarks=found.remarks,
        split=s.main_split(_flat(found)),
        headline=headline(_flat(found), _primary(found)),
        protocol=_protocol(found),
        charts=[_chart(c) for c in curves.charts(found.history)],
        keypoints=keypoint_table(_flat(found), _primary(found)),
        errors=error_figure(found.metrics.get("errors") or {}, keypoints=_points(found)),
        reliability=[diagram(figure) for figure in (found.metrics.get("reliability") or {}).values()],
        other=_other(_flat(found), _primary(found)),
        time=s.shares(found.metrics.get("time") or {}),
        pictures=picture_groups(found.pictures),
        predictions=prediction_summary(found.predictions),
        config=found.config,
        provenance=grouped(found.provenance),
    )


def headline(metrics: dict[str, Any], primary: str | None = None) -> list[tuple[str, str, bool]]:
    """``(name, text, measured)`` of the numbers that lead the page; the first is the verdict.

    The primary metric leads, AP where none is named; where that was not measured, the middle PCK, else the mean error.
    """
    values = s.whole(s.of_split(metrics))
    pcks = sorted((n for n in values if n.startswith("PCK")), key=s.pck_radius)
    errors = [n for n in ("error/mean", "error/median") if n in values]
    names = [n for n in s.HEADLINE if n in values] + pcks + errors
    lead = s.bare(primary)
    if lead is not None and values.get(lead) is not None:
        names = [lead, *(n for n in names if n != lead)]
    elif values.get("AP") is None:
        first = [n for n in pcks[len(pcks) // 2 :] + errors if values[n] is not None][:1]
        names = first + [n for n in names if n not in first]
    return [(_spoken(n), s.shown(n, values[n]), values[n] is not None) for n in names]


def keypoint_table(metrics: dict[str, Any], primary: str | None = None) -> dict[str, Any] | None:
    """Columns and rows of the per-keypoint table in the skeleton's order, or None where nothing is per keypoint.

    ``lead`` is the column with bars; ``weak`` marks its three worst keypoints. ``groups`` has the same columns for
    groups of keypoints.
    """
    tables, groups = (of(s.of_split(metrics)) for of in (s.by_keypoint, s.by_group))
    lead = s.ranking(tables, s.bare(primary))
    if lead is None:
        return None
    columns = sorted(tables, key=lambda n: (not n.startswith("AP"), s.pck_radius(n)))
    order = s.ranked(lead, tables[lead])
    weak = {k for k, _ in order[-3:]} if len(order) > 6 else set()
    top = max((v for _, v in order), default=1.0) if s.lower_is_better(lead) else 1.0
    rows = [
        {
            "name": name,
            "bar": None if value is None or not top > 0 else min(max(value / top, 0.0), 1.0),
            "weak": name in weak,
            "cells": [s.shown(c, tables[c].get(name)) for c in columns],
        }
        for name, value in tables[lead].items()
    ]
    named = groups.get(lead, {})
    grouped = [{"name": n, "cells": [s.shown(c, groups.get(c, {}).get(n)) for c in columns]} for n in named]
    return {"columns": [_spoken(c) for c in columns], "lead": _spoken(lead), "rows": rows, "groups": grouped}


def picture_groups(pictures: list[Path]) -> list[dict[str, Any]]:
    """Embedded pictures by the first word of their file name, in the order of ``_KINDS``."""
    groups: dict[str, list[tuple[str, str]]] = {}
    embedded = embed(sorted(pictures, key=lambda p: _picture_rank(p)))
    for path, address in embedded:
        kind = _picture_kind(path)
        groups.setdefault(kind, []).append((path.stem.replace("_", " "), address))
    left = len(pictures) - len(embedded)
    shown = [{"kind": kind, "items": items, "left": 0} for kind, items in groups.items()]
    if left:
        shown.append({"kind": "", "items": [], "left": left})
    return shown


def prediction_summary(predictions: list[dict[str, Any]]) -> dict[str, Any] | None:
    """How many people were found on how many images, and how their scores are spread; None without predictions."""
    if not predictions:
        return None
    scores = [v for p in predictions if (v := s.number(p.get("score"))) is not None]
    images = len({str(p.get("image_id")) for p in predictions})
    return {"people": len(predictions), "images": images, "histogram": svg.histogram(scores) if scores else None}


def package_text(name: str) -> str:
    """The text of a file that lies beside this module."""
    return files("armature.reports").joinpath(name).read_text(encoding="utf-8")


def script_hash(script: str) -> str:
    """What a page's content security policy calls the one script that may run in it."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _flat(found: RunFiles) -> dict[str, Any]:
    metrics = found.metrics.get("metrics", {})
    return metrics if isinstance(metrics, dict) else {}


def _primary(found: RunFiles) -> str | None:
    """The metric that leads, by the run's own word; None for runs that name none."""
    named = found.metrics.get("primary")
    return named if isinstance(named, str) else None


def _points(found: RunFiles) -> list[str]:
    """Keypoints that errors are told of, without groups of them."""
    points = [name.split("/", 2) for name in found.metrics.get("errors") or {} if name.count("/") > 1]
    return [point for _, kind, point in points if kind == "good" and not point.startswith(s.GROUP)]


def _title(found: RunFiles) -> str:
    named = found.provenance.get("experiment")
    return str(named) if named else found.path.resolve().parent.name


def _subtitle(found: RunFiles) -> list[str]:
    epochs = len(next(iter(found.history.values()), []))
    spent = max((v for v in found.history.get("seconds", []) if v is not None), default=0.0)  # since the start
    flat = flatten(found.provenance)
    commit = next((str(v) for k, v in flat.items() if k.split(".")[-1] == "commit" and v), "")
    facts = [found.path.resolve().name]
    facts += [f"{epochs} epoch{'s' * (epochs != 1)}"] if epochs else []
    facts += [s.seconds(spent)] if spent > 0 else []
    facts += [f"commit {commit[:8]}"] if commit else []
    status = next((str(v) for k, v in reversed(flat.items()) if k.split(".")[-1] == "status"), "finished")
    return [*facts, status] if status in ("interrupted", "failed") else facts


def _protocol(found: RunFiles) -> list[tuple[str, str]]:
    """The protocol card, and below it which weights were judged and what the second evaluator said."""
    card = found.metrics.get("protocol")
    lines = pairs(card) if isinstance(card, dict) else []
    weights = found.metrics.get("checkpoint")
    if isinstance(weights, dict) and weights.get("file"):
        lines.append(("checkpoint", str(weights["file"])))
    for name in ("verified", "expected"):
        said = found.metrics.get(name)
        if isinstance(said, dict) and said.get("summary"):
            lines.append((name, str(said["summary"])))
    return lines


def _chart(chart: curves.Chart) -> dict[str, Any]:
    last = [next((v for v in reversed(values) if v is not None), None) for values in chart.lines.values()]
    legend = [(name, _brief(value)) for name, value in zip(chart.lines, last, strict=True)]
    if len(legend) == 1:
        legend = [("", legend[0][1])]
    epoch = f"epoch {chart.epochs[-1]:g}"
    return {
        "title": chart.title,
        "unit": chart.unit,
        "svg": svg.line_chart(chart),
        "legend": legend,
        "log": chart.log,
        "epoch": epoch,
    }


def _brief(value: float | None) -> str:
    """A value for a legend: four significant places."""
    return s.MISSING if value is None else f"{value:.4g}"


def _other(metrics: dict[str, Any], primary: str | None = None) -> list[tuple[str, str]]:
    led = {name for name, _, _ in headline(metrics, primary)}
    values = s.whole(s.of_split(metrics))
    return [(_spoken(n), s.shown(n, v)) for n, v in values.items() if _spoken(n) not in led]


def _spoken(name: str) -> str:
    return {"error/mean": "mean error", "error/median": "median error"}.get(name, name)


def _picture_kind(path: Path) -> str:
    first = path.stem.replace("-", "_").split("_")[0].lower()
    return first if first in _KINDS else "more"


def _picture_rank(path: Path) -> tuple[int, str]:
    return _KINDS.index(_picture_kind(path)), str(path)
