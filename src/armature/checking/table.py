"""Findings on the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from armature.checking import summary
from armature.checking.findings import ERROR, NOTE, WARNING, Finding

_MARKS = {ERROR: "bold red", WARNING: "yellow", NOTE: "dim"}


def show(findings: Sequence[Finding], title: str) -> None:
    """A line for each kind with its number and its first finding, and all of it added up."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    console.print(Text(title, style="bold"))
    if not findings:
        console.print(Text("nothing found", style="bold green"))
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim", border_style="dim", show_edge=False)
    table.add_column("")
    table.add_column("found", justify="right")
    table.add_column("pictures", justify="right")
    table.add_column("what, and the first of it", overflow="fold")
    for kind in summary.kinds(findings):
        first = kind.findings[0]
        place = summary.where(first)
        said = Text.assemble((kind.title, "bold"), (f"\n{place + ': ' if place else ''}{first.what}", "dim"))
        pictures = f"{kind.pictures:,}" if kind.pictures else ""
        table.add_row(Text(kind.severity, style=_MARKS[kind.severity]), f"{len(kind.findings):,}", pictures, said)
    console.print(table)
    worst = findings[0].severity
    console.print(Text(summary.spoken(findings), style=_MARKS[worst] if worst != NOTE else "bold green"))
