"""The table of a sweep in the terminal, once or live."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from armature.reports.scores import seconds
from armature.sweeping import results
from armature.sweeping.folder import SweepFolder

_STYLES = {
    "complete": "green",
    "running": "bold",
    "pruned": "dim",
    "failed": "red",
    "given back": "yellow",
    "waiting": "dim",
}
_NONE = "–"  # noqa: RUF001


def table(sweep: SweepFolder, found: Sequence[Mapping[str, Any]]) -> RenderableType:
    """A row for each trial: its state, epoch, best value so far, result, host (and job), how long, and its point."""
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim", border_style="dim", show_edge=False)
    jobs = ["job"] if any(row["job"] for row in found) else []
    values = [f"best {sweep.settings.monitor}", *sweep.settings.objectives]
    for name in ("trial", "state", "epoch", *values, "host", *jobs, "time"):
        grid.add_column(name, justify="left" if name in ("state", "host", "job") else "right", no_wrap=True)
    grid.add_column("point", overflow="fold")
    first = next(iter(results.ranked(sweep, found)), {"number": None})["number"]  # type: ignore[arg-type]
    for row in found:
        if row["state"] != "waiting":
            grid.add_row(
                *_cells(row, len(sweep.settings.objectives), bool(jobs)),
                style="bold cyan" if row["number"] == first else "",
            )
    waiting = sum(row["state"] == "waiting" for row in found)
    stop = sweep.asked_to_stop()
    notes = [f"{waiting} more wait"] if waiting else []
    notes += ["time is that of all attempts, without the waits between them"] * any(r["attempts"] > 1 for r in found)
    notes += [f"asked to stop ({stop}); go on with: armature sweep resume={sweep.path}"] if stop else []
    notes += [f"trial {r['number']} {_last(r['error'])}" for r in found if r["error"]]
    return Group(Text(str(sweep.path), style="bold"), grid, *(Text(note, style="dim") for note in notes))


def show(sweep: SweepFolder, every: float, console: Console | None = None) -> None:
    """Prints the table; on a terminal it stays and is renewed ``every`` seconds until the sweep ends (0: once)."""
    console = console or Console(highlight=False)
    if not every or not console.is_terminal:
        wide = console if console.is_terminal else Console(highlight=False, width=200)
        wide.print(table(sweep, results.rows(sweep)))
        return
    with Live(table(sweep, results.rows(sweep)), console=console, auto_refresh=False, transient=False) as live:
        while not all(trial.state.is_finished() for trial in sweep.trials()):
            time.sleep(every)
            live.update(table(sweep, results.rows(sweep)), refresh=True)


def _cells(row: Mapping[str, Any], objectives: int, jobs: bool) -> list[Text | str]:
    values = row["values"] or [None] * objectives
    state = row["state"] + (f", {row['crashes']} crash{'es' * (row['crashes'] > 1)}" if row["crashes"] else "")
    state += f", attempt {row['attempts']}" if row["attempts"] > 1 else ""
    if row["state"] == "pruned":
        values = [None] * objectives
    return [
        str(row["number"]),
        Text(state, style=_STYLES[row["state"]]),
        f"{row['epoch']}/{row['epochs'] or '?'}",
        _number(row["best"]),
        *(_number(value) for value in values),
        row["host"],
        *([row["job"] or _NONE] if jobs else []),
        seconds(row["seconds"]) if row["seconds"] is not None else _NONE,
        " ".join(row["point"]),
    ]


def _number(value: float | None) -> str:
    return _NONE if value is None else f"{value:.4g}"


def _last(error: str) -> str:
    lines = error.strip().splitlines()
    return f"{lines[0]}: {lines[-1]}" if len(lines) > 1 else error
