"""A comparison as text: a table for the terminal, Markdown, LaTeX (booktabs) or JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from armature.errors import UserError
from armature.reports import scores as s
from armature.reports.comparison_words import headline, signed, spoken

Document = Mapping[str, Any]

#: Letters that a terminal's line needs for names, the deciding metric and the verdict, and for each further metric.
_FIXED, _COLUMN = 66, 11


def show(document: Document, form: str = "table") -> None:
    """Prints the comparison in one of ``FORMS``.

    Raises:
        UserError: an unknown form.
    """
    if form == "table":
        _terminal(document)
    else:
        print(as_text(document, form))


def as_text(document: Document, form: str) -> str:
    """The comparison as ``markdown``, ``latex`` or ``json``.

    Raises:
        UserError: an unknown form.
    """
    if form not in FORMS:
        raise UserError(f"compare: format={form} is unknown; known: table, {', '.join(FORMS)}")
    return FORMS[form](document)


def _terminal(document: Document) -> None:
    """The deciding metric with its interval, then as many of the others as fit the line; the rest is on the page."""
    console = Console(highlight=False)
    shown = document["metrics"][: max((console.width - _FIXED) // _COLUMN, 1)]
    fitting = {**document, "metrics": shown}
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("system", overflow="fold", min_width=12)
    seeds, lead, *others = _headings(fitting)
    for heading in (seeds, lead):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("against the first")
    for heading in others:
        table.add_column(heading, justify="right", no_wrap=True)
    for system in document["systems"]:
        n, first, *rest = _cells(fitting, system, lambda text, low, high: f"{text} [dim]{low}–{high}[/dim]")  # noqa: RUF001
        plain = [cell.partition(" [dim]")[0] for cell in rest]
        table.add_row(system["name"], n, first, _coloured(system.get("against_best", "")), *plain)
    console.print(table)
    console.print(headline(document), soft_wrap=True)
    for remark in document["remarks"]:
        console.print(f"[yellow]{remark}[/yellow]", soft_wrap=True)


def _coloured(verdict: str) -> str:
    colour = {"better": "green", "worse": "red"}.get(verdict)
    return f"[{colour}]{verdict}[/{colour}]" if colour else verdict


def _headings(document: Document) -> list[str]:
    return ["seeds", *(spoken(name) for name in [document["metric"], *document["metrics"]])]


def _cells(document: Document, system: Mapping[str, Any], form: Callable[[str, str, str], str]) -> list[str]:
    """Seeds, then each number by ``form(text, low, high)``; low and high are "" where there is no interval."""
    cells = [str(system["n"])]
    for name in [document["metric"], *document["metrics"]]:
        number = system["numbers"][name]
        known = number["estimate"] is not None and number["low"] is not None
        low, high = (_edge(name, number[k]) if known else "" for k in ("low", "high"))
        cells.append(form(s.shown(name, number["estimate"]), low, high))
    return cells


def _edge(name: str, value: float) -> str:
    return s.shown(name, value).removesuffix(" px")


def _markdown(document: Document) -> str:
    headings = ["system", *_headings(document), "against the first"]
    lines = [f"| {' | '.join(headings)} |", f"|---|{'---:|' * (len(headings) - 2)}---|"]
    for system in document["systems"]:
        cells = _cells(document, system, lambda text, low, high: f"{text} ({low} to {high})" if low else text)
        name = system["name"].replace("|", "\\|")
        lines.append(f"| {' | '.join([name, *cells, system.get('against_best', '')])} |")
    pairs = [c for c in document["comparisons"] if c["metric"] == document["metric"] and c["difference"] is not None]
    lines += [
        "",
        f"| {spoken(document['metric'])} | difference | interval | p, corrected | verdict |",
        "|---|---:|---|---:|---|",
    ]
    for c in pairs:
        span = f"{signed(c['metric'], c['low'])} to {signed(c['metric'], c['high'])}"
        names = f"{c['a']} against {c['b']}".replace("|", "\\|")
        lines.append(
            f"| {names} | {signed(c['metric'], c['difference'])} | {span} | {c['p_corrected']:.3g} | {c['verdict']} |"
        )
    said = [headline(document), *document["remarks"], document["test_note"]]
    return "\n".join([*lines, "", *(f"{text}\n" for text in said)]).rstrip() + "\n"


def _latex(document: Document) -> str:
    """A booktabs table; intervals stand in small brackets, the best number of a column is bold."""
    metrics = [document["metric"], *document["metrics"]]
    best = {name: _best(document, name) for name in metrics}
    lines = [f"\\begin{{tabular}}{{lr{'r' * len(metrics)}}}", "\\toprule"]
    lines += [" & ".join(_escaped(h) for h in ["system", *_headings(document)]) + r" \\", "\\midrule"]
    for system in document["systems"]:
        cells = [_escaped(system["name"]), str(system["n"])]
        cells += [_latex_cell(name, system["numbers"][name], best[name]) for name in metrics]
        lines.append(" & ".join(cells) + r" \\")
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}"]) + "\n"


def _latex_cell(name: str, number: Mapping[str, Any], best: float | None) -> str:
    value = number["estimate"]
    if value is None:
        return "--"
    text = _edge(name, value)
    text = f"\\textbf{{{text}}}" if value == best else text
    if number["low"] is None:
        return text
    return f"{text} {{\\scriptsize[{_edge(name, number['low'])}, {_edge(name, number['high'])}]}}"


def _best(document: Document, name: str) -> float | None:
    known = [v for system in document["systems"] if (v := system["numbers"][name]["estimate"]) is not None]
    return (min(known) if s.lower_is_better(name) else max(known)) if known else None


_SPECIAL = {
    "&": r"\&",
    "%": r"\%",
    "#": r"\#",
    "_": r"\_",
    "$": r"\$",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
}


def _escaped(text: str) -> str:
    return "".join(_SPECIAL.get(letter, letter) for letter in text)


def _json(document: Document) -> str:
    return json.dumps(document, indent=1, allow_nan=False) + "\n"


FORMS: dict[str, Callable[[Document], str]] = {"markdown": _markdown, "latex": _latex, "json": _json}
