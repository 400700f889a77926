"""``armature jobs``: which runs are queued, running or over, and the last thing each of them said."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from omegaconf import DictConfig

from armature.errors import UserError
from armature.launching import listing
from armature.launching.listing import Listing

SUMMARY = "list runs and workers of sweeps: SLURM state, what differs, result or last line of the log"
EXAMPLES = """
armature jobs
armature jobs runs=/scratch/me/runs name=default last=5
armature jobs all=false
"""
#: Where a terminal leaves less than this for the last column, each row takes two lines, the first of so many columns.
_LEAST, _FIRST = 40, 4
_HEAD = ("job", "slurm", "run says", "run", "differs in", "result, or last line of the log")


def run(config: DictConfig, overrides: list[str], command: list[str]) -> int:
    """0 once the table is shown, or what there is instead.

    Raises:
        UserError: no such folder of runs.
    """
    runs, sweeps = Path(config.runs).expanduser(), Path(config.sweeps).expanduser()
    if not runs.is_dir() and any(text.startswith("runs=") for text in overrides):
        raise UserError(f"runs={runs}: no such folder")
    found = listing.listed(runs, sweeps, config.name, config.last)
    chosen = [entry for entry in found.entries if config.all or listing.is_alive(entry)]
    if chosen:
        _show(listing.shown(chosen, runs))
    for note in _notes(Listing(chosen, found.silence)) if chosen else _nothing(runs, config.name, found):
        print(note)
    return 0


def _nothing(runs: Path, name: str | None, found: Listing) -> Iterator[str]:
    """Why there is no table."""
    if found.entries:
        unknown = f"; SLURM could not be asked: {found.silence}" if found.silence else ""
        yield f"no job of the newest {len(found.entries)} runs in {runs} is queued or running{unknown}"
    elif name and (known := listing.experiments(runs)):
        yield f"no runs in {runs} are named '{name}'; there are: {', '.join(known)}"
    else:
        yield f"nothing has run here yet: there are no runs in {runs.absolute()}"
        yield "begin with  armature train launcher=slurm   (a job), or  armature train   (here)"
        yield "they may lie elsewhere: armature jobs runs=FOLDER"


def _show(rows: Sequence[tuple[str, ...]]) -> None:
    """Plain columns, for grep and awk; only a terminal has a width at which lines are cut, or begun anew."""
    table = [_HEAD, *rows]
    kept = [column for column in range(len(_HEAD)) if any(row[column] for row in rows)]
    widths = {column: max(len(row[column]) for row in table) for column in kept}
    room = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    narrow = room is not None and sum(widths[column] + 2 for column in kept[:-1]) + _LEAST > room
    parts = [[c for c in kept if c < _FIRST], [c for c in kept if c >= _FIRST]] if narrow else [kept]
    for row in table:
        for number, part in enumerate(parts):
            line = "    " * number + "  ".join(row[column].ljust(widths[column]) for column in part)
            if line.strip():
                print(line.rstrip()[:room])


def _notes(found: Listing) -> Iterator[str]:
    """What a reader cannot guess."""
    unknown = [entry.job for entry in found.entries if entry.job and not entry.state]
    if unknown and found.silence:
        yield f"- under slurm: SLURM could not be asked: {found.silence}"
    elif unknown:
        yield "- under slurm: SLURM does not remember the job; it is over"
    for sweep in dict.fromkeys(entry.run for entry in found.entries if entry.status == listing.WORKER):
        yield f"what the trials do: armature sweep status {sweep}"
