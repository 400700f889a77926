"""A pre-flight on the terminal."""

from __future__ import annotations

from armature.preflight.findings import FAIL, NOTE, OK, Preflight


def show(found: Preflight, title: str = "") -> None:
    """Prints the findings, and in the last line whether the run can start."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    marks = {OK: "[green]ok[/]", NOTE: "[yellow]note[/]", FAIL: "[bold red]fail[/]"}
    table = Table(box=None, pad_edge=False, show_header=False, title=title or None, title_justify="left")
    table.add_column()
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for finding in found.findings:
        advice = f"\n[dim]{escape(finding.advice)}[/]" if finding.advice else ""
        table.add_row(marks[finding.level], finding.check, escape(finding.what) + advice)
    console = Console(highlight=False)
    console.print(table)
    names = ", ".join(dict.fromkeys(finding.check for finding in found.failed))
    console.print("[bold green]ready to train[/]" if found.passed else f"[bold red]to mend first: {names}[/]")
