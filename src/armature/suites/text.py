"""What the terminal and Markdown show of results."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from armature.suites.columns import HEADS
from armature.suites.result import Result, shown

#: Keypoints named at either end of a result, and the measures whose curves are printed; all are in the files.
_ENDS = 3
_PRINTED = ("moved", "jumps", "AP", "repeatability@3", "localisation", "matching score", "homography@3", "error")


def of_result(result: Result) -> RenderableType:
    """One result: its numbers with intervals, the curves as rows, the best and worst keypoints, its sentences."""
    blocks: list[RenderableType] = [Text(f"{result.suite} of {result.subject}", style="bold"), _numbers(result)]
    blocks += [_curves(result)] if result.curves else []
    blocks += [_keypoints(result)] if result.keypoints else []
    blocks += [Text(f" {remark}") for remark in result.remarks]
    card = result.card
    about = (
        f" {card.get('pictures', '?')} pictures, canvas {card.get('canvas')}, seed {_settings(result).get('seed')}; "
    )
    blocks.append(Text(f"{about}intervals: BCa bootstrap of the pictures, 95 %", style="dim"))
    return Padding(Group(*blocks), (1, 0, 0, 1))


def table(results: Sequence[Result], names: Sequence[str], title: str) -> Table:
    """Rows are subjects, columns their numbers with intervals; a dash where a number does not apply."""
    found = Table(title=title, box=box.SIMPLE, title_justify="left", title_style="bold", padding=(0, 1, 0, 0))
    found.add_column("")
    units = {name: unit for result in results for name, unit in result.units.items()}
    for name in names:
        unit = f" ({units[name]})" if name in units else ""
        found.add_column(HEADS.get(name, name.replace("/", " ")) + unit, justify="right", overflow="fold")
    for result in results:
        cells = [shown(result.numbers.get(name), units.get(name, ""), fine=2) for name in names]
        found.add_row(
            Text(result.subject), *(cell.replace(" [", "\n[").replace(", ", ",\N{NO-BREAK SPACE}") for cell in cells)
        )
    return found


def markdown(results: Sequence[Result], names: Sequence[str]) -> str:
    """The same as Markdown."""
    head = [
        name + (f" ({u})" if (u := next((r.units[name] for r in results if name in r.units), "")) else "")
        for name in names
    ]
    lines = ["| |" + "|".join(head) + "|", "|---|" + "---:|" * len(names)]
    for result in results:
        cells = [shown(result.numbers.get(name), result.units.get(name, "")) for name in names]
        lines.append(f"| {result.subject} |" + "|".join(cells) + "|")
    return "\n".join(lines)


def _settings(result: Result) -> dict:
    settings = result.card.get("settings", result.card)
    return dict(settings)


def _numbers(result: Result) -> Table:
    found = Table(box=box.SIMPLE, pad_edge=False, show_header=False)
    found.add_column("")
    found.add_column("", justify="right")
    for name, interval in result.numbers.items():
        unit = result.units.get(name, "")
        found.add_row(name, f"{shown(interval, unit)} {unit}".rstrip())
    return found


def _curves(result: Result) -> Table:
    """A row for each curve: strength and value, one after the other."""
    found = Table(box=box.SIMPLE, pad_edge=False)
    for name in ("over the strength", "measure", ""):
        found.add_column(name)
    before = None
    for curve in result.curves:
        unit = "px" if curve.measure in ("moved", "error/mean", "localisation") else ""
        if curve.measure not in _PRINTED:
            continue
        # a strength and its value are not parted where the line breaks
        cells = [f"{s:g}:\N{NO-BREAK SPACE}{shown(p, unit, ends=False)}" for s, p in zip(curve.strengths, curve.points)]
        kind = f"{curve.kind} ({curve.unit})" if curve.unit and curve.unit != "strength" else curve.kind
        found.add_row("" if kind == before else kind.replace("_", " "), curve.measure, "  ".join(cells))
        before = kind
    return found


def _keypoints(result: Result) -> Table:
    found = Table(box=box.SIMPLE, pad_edge=False)
    for name in ("keypoints", "least", "most"):
        found.add_column(name)
    for measure, values in result.keypoints.items():
        there = sorted((v, k) for k, v in values.items() if v == v)
        if not there:
            continue
        ends = [there[:_ENDS], there[::-1][: min(_ENDS, max(0, len(there) - _ENDS))]]
        found.add_row(measure, *(", ".join(f"{k} {v:.3g}" for v, k in end) for end in ends))
    return found
