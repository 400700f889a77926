"""The page of a sweep: one HTML file with its table and plots that needs nothing else to open."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from armature.reports import pareto, sweep_charts
from armature.reports import scores as s
from armature.reports.run_report import package_text, script_hash
from armature.run_folder import write_text

Document = Mapping[str, Any]


def write(document: Document, path: Path) -> Path:
    """Writes the page, whole or not at all, and returns its path; ``document`` is ``sweeping.results.document``'s."""
    write_text(path, render(document))
    return path


def render(document: Document) -> str:
    """The page as HTML."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"seconds": s.seconds, "number": _number}
    script = package_text("comparison.js")
    style = package_text("run_report.css") + package_text("comparison.css") + package_text("sweep.css")
    return environment.from_string(package_text("sweep.html.j2")).render(
        style=Markup(style),
        script=Markup(script),
        script_hash=script_hash(script),
        document=document,
        headline=headline(document),
        counts=_counts(document),
        figures=figures(document),
        best=set(document["best"]),
    )


def headline(document: Document) -> str:
    """What came out, in a sentence."""
    by_number = {row["number"]: row for row in document["trials"]}
    if not document["best"]:
        return "No trial is complete yet."
    if document["front"]:
        named = " and ".join(document["objectives"])
        return f"{len(document['best'])} trials are beaten by no other in {named}."
    first, name = by_number[document["best"][0]], next(iter(document["objectives"]))
    point = " ".join(first["point"])
    return f"Trial {first['number']} is best: {name} {first['values'][0]:.4g} with {point}"


def figures(document: Document) -> dict[str, Any]:
    """The charts; empty ones are None or []."""
    complete = [row for row in document["trials"] if row["state"] == "complete"]
    valued = [row for row in document["trials"] if row["state"] in ("complete", "pruned") and row["values"]]
    name, mode = next(iter(document["objectives"].items()))
    high, parameters = mode == "max", document["parameters"]
    seen = [p for p in parameters if any(p["name"] in row["params"] for row in complete)]
    return {
        "history": sweep_charts.history(document["trials"], name, high) if valued else None,
        "curves": sweep_charts.curves(document["trials"], document["monitor"])
        if any(row["curve"] for row in document["trials"])
        else None,
        "parallel": sweep_charts.parallel(seen, complete, name, high) if len(complete) > 1 else None,
        "slices": [(p["name"], sweep_charts.slice_chart(p, complete, name, high)) for p in seen],
        "front": _front(document, complete) if document["front"] and complete else None,
    }


def _front(document: Document, complete: list[Any]) -> Markup | None:
    """Two objectives against each other where the second is a cost: less of it is better."""
    names, modes = list(document["objectives"]), list(document["objectives"].values())
    if modes[1] != "min":
        return None
    systems = [{"name": str(row["number"]), "accuracy": row["values"][0], "cost": row["values"][1]} for row in complete]
    unit = ", ms" if names[1] == "cost/latency" else ""
    return pareto.scatter(systems, names[1].removeprefix("cost/") + unit, names[0], modes[0] == "max")


def _counts(document: Document) -> list[str]:
    states = [row["state"] for row in document["trials"]]
    return [f"{states.count(state)} {state}" for state in dict.fromkeys(sorted(states))]


def _number(value: float | None) -> str:
    return s.MISSING if value is None else f"{value:.4g}"
