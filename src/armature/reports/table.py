"""What the terminal shows: a line after each validation, and the tables at the end. Imports neither torch nor plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from armature.reports import scores as s

#: What the line after a validation names, as far as it was measured.
LINE = ("AP", "AP50", "PCK@0.1", "error/mean")
_BAR = 24


def validation_line(
    metrics: Mapping[str, Any],
    previous: Mapping[str, Any] | None = None,
    loss: float | None = None,
    names: tuple[str, ...] = LINE,
    epoch: int | None = None,
    primary: str | None = None,
) -> Text:
    """One line: ``val  AP 0.512 (+0.034)  AP50 0.780 (+0.010)  PCK@0.1 0.640  loss 1.230``; changes are green or red.

    Args:
        metrics: flat, with or without the ``val/`` prefix.
        previous: the metrics of the validation before, or None at the first.
        loss: validation or training loss, printed last.
        names: which metrics, in this order; absent ones are left out, unmeasured ones are a dash.
        epoch: printed after ``val`` where given.
        primary: the metric that leads the line, whatever ``names`` says; None where none leads.
    """
    first = s.bare(primary)
    names = names if first is None else (first, *(name for name in names if name != first))
    now, before = s.of_split(metrics), s.of_split(previous or {})
    line = Text(s.main_split(metrics) or "val", style="bold")
    if epoch is not None:
        line.append(f" {epoch}", style="dim")
    for name in (n for n in names if n in now):
        line.append(f"  {_label(name)} ", style="dim")
        line.append(s.shown(name, now[name]), style="bold" if name == names[0] else "")
        line.append_text(_change(name, now[name], before.get(name)))
    if loss is not None:
        line.append("  loss ", style="dim").append(f"{loss:.3f}")
    return line


def final(
    metrics: Mapping[str, Any],
    time: Mapping[str, Any] | None = None,
    title: str = "",
    primary: str | None = None,
) -> RenderableType:
    """The tables at the end of a run: headline scores, PCK and pixel errors, best and worst keypoints, time.

    Args:
        metrics: flat, ``val/AP`` ...; None, NaN and -1 are shown as "no ground truth".
        time: seconds by part (data, network, decode, evaluation), or None.
        title: printed above, e.g. the experiment.
        primary: the metric that leads, ``val/NME``; None is AP.
    """
    values, first = s.of_split(metrics), s.bare(primary)
    blocks: list[RenderableType] = [headline(values, s.main_split(metrics), first)]
    blocks += [t for t in (_accuracy(values), keypoints(values, primary=first)) if t is not None]
    if time:
        blocks.append(time_split(time))
    heading: list[RenderableType] = [Text(title, style="bold")] if title else []
    return Padding(Group(*heading, *(Padding(b, (0, 0, 1, 0)) for b in blocks)), (1, 0, 0, 1))


def paths(run: Path) -> Text:
    """Where the run folder is, and its ``report.html`` if there is one; print it with ``soft_wrap=True``."""
    text = Text.assemble((" run     ", "dim"), (str(run), "bold"))
    report = run / "report.html"
    return text.append("\n report  ", style="dim").append(str(report), style="bold") if report.is_file() else text


def show(
    metrics: Mapping[str, Any],
    time: Mapping[str, Any] | None = None,
    title: str = "",
    run: Path | None = None,
    console: Console | None = None,
    primary: str | None = None,
) -> None:
    """Prints ``final`` and ``paths``; a path is never broken over two lines, so that it can be copied."""
    console = console or Console()
    console.print(final(metrics, time, title, primary))
    if run is not None:
        console.print(paths(run), soft_wrap=True)


def headline(values: Mapping[str, float | None], split: str = "", primary: str | None = None) -> RenderableType:
    """The primary metric, AP, AP50, AP75, APm, APl and AR in a row; those without ground truth are named below."""
    lead = primary if primary is not None and primary in values else "AP"
    names = [n for n in (lead, *(n for n in s.HEADLINE if n != lead)) if n in values]
    if not names:
        return Text("no AP or AR was measured", style="dim")
    table = _table()
    table.add_column(Text(split, style="dim"))
    for name in names:
        table.add_column(_label(name), justify="right", style="bold" if name == lead else "")
    table.add_row("OKS" if lead in s.HEADLINE else "", *(s.shown(n, values[n]) for n in names))
    missing = [n for n in names if values[n] is None]
    return Group(table, Text(f"  {s.MISSING} no ground truth: {', '.join(missing)}", style="dim")) if missing else table


def keypoints(values: Mapping[str, float | None], count: int = 3, primary: str | None = None) -> RenderableType | None:
    """The best and the worst keypoints side by side, or None where nothing was measured per keypoint."""
    tables = s.by_keypoint(values)
    metric = s.ranking(tables, primary)
    if metric is None:
        return None
    order = s.ranked(metric, tables[metric])
    count = min(count, max(len(order) // 2, 1))
    error = next((n for n in ("error/mean", "error/median") if n in tables and n != metric), None)
    chosen = [("best", order[:count])] + ([("worst", order[::-1][:count])] if len(order) > 1 else [])
    blocks: list[RenderableType] = [_keypoint_table(name, rows, metric, error, tables) for name, rows in chosen]
    missing = [k for k, v in tables[metric].items() if v is None]
    note = [Text(f"  {s.MISSING} no ground truth: {', '.join(missing)}", style="dim")] if missing else []
    return Group(Columns([Padding(b, (0, 3, 0, 0)) for b in blocks], padding=0), *note)


def slices(rows: Sequence[Mapping[str, Any]], notes: Mapping[str, Any] | None = None) -> RenderableType:
    """A row for each part of the people, by kind, and below it what is to be said of the kinds.

    Args:
        rows: ``kind``, ``name`` and numbers by name, as ``evaluation.slices`` gives them.
    """
    table = _table()
    table.add_column("people by", style="dim")
    columns = [name for name in (rows[0] if rows else {}) if name != "kind"]
    for name in columns:
        table.add_column("" if name == "name" else name, justify="left" if name == "name" else "right")
    before = None
    for row in rows:
        shown = [f"{row[n]:,}" if isinstance(row[n], int) else s.shown(n, s.number(row[n])) for n in columns[1:]]
        table.add_row(row["kind"].replace("_", " ") if row["kind"] != before else "", Text(row["name"]), *shown)
        before = row["kind"]
    said = [Text(f"  {kind.replace('_', ' ')}: {text}", style="dim") for kind, text in (notes or {}).items()]
    return Padding(Group(table, *said), (0, 0, 1, 1))


def time_split(time: Mapping[str, Any]) -> RenderableType:
    """Seconds and share of every part, with a bar."""
    table = _table()
    table.add_column("time", style="dim")
    table.add_column("", justify="right")
    table.add_column("", justify="right")
    table.add_column("", style="cyan")
    rows = s.shares(time)
    for name, spent, share in rows:
        table.add_row(name, s.seconds(spent), f"{share:.0%}", "━" * round(share * _BAR))
    table.add_row(Text("sum"), s.seconds(sum(r[1] for r in rows)), "", "", style="dim")
    return table


def _accuracy(values: Mapping[str, float | None]) -> RenderableType | None:
    whole = s.whole(values)
    pcks = sorted((n for n in whole if n.startswith("PCK")), key=s.pck_radius)
    others = [n for n in whole if n.startswith(("AUC", "NME"))]
    names = [*pcks, *others, *(n for n in whole if s.in_pixels(n))]
    if not names:
        return None
    table = _table()
    for name in names:
        table.add_column(_label(name), justify="right")
    table.add_row(*(s.shown(n, whole[n]) for n in names))
    return table


def _keypoint_table(
    heading: str,
    rows: list[tuple[str, float]],
    metric: str,
    error: str | None,
    tables: Mapping[str, Mapping[str, float | None]],
) -> Table:
    table = _table()
    table.add_column(f"{heading} keypoints", style="green" if heading == "best" else "red")
    table.add_column(_label(metric), justify="right")
    if error:
        table.add_column(_label(error), justify="right")
    for name, value in rows:
        extra = (s.shown(error, tables[error].get(name)),) if error else ()
        table.add_row(Text(name), s.shown(metric, value), *extra)
    return table


def _change(name: str, now: float | None, before: float | None) -> Text:
    if now is None or before is None:
        return Text()
    step, digits = now - before, 2 if s.in_pixels(name) else 3
    if abs(step) < 0.5 * 10**-digits:
        return Text(" (=)", style="dim")
    better = (step < 0) == s.lower_is_better(name)
    return Text(f" ({step:+.{digits}f})", style="green" if better else "red")


def _label(name: str) -> str:
    return {"error/mean": "error", "error/median": "median error"}.get(name, name)


def _table() -> Table:
    return Table(
        box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim", border_style="dim", show_edge=False, padding=(0, 1)
    )
