"""``armature jobs``: which runs are queued, running or over, and the last thing each of them said."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from omegaconf import DictConfig

from armature.launching import listing

SUMMARY = "list runs with their SLURM state and the last line of their log"
EXAMPLES = """
armature jobs
armature jobs runs=/scratch/me/runs name=default last=5
armature jobs all=false
"""


def run(config: DictConfig, overrides: list[str], command: list[str]) -> int:
    """0 once the table is shown.

    Raises:
        UserError: no such folder of runs, or SLURM gives no answer.
    """
    runs = Path(config.runs).expanduser()
    found = listing.entries(runs, config.name, config.last)
    found = [entry for entry in found if config.all or listing.is_alive(entry)]
    if not found:
        print(f"no runs in {runs}")
        return 0
    _show(listing.shown(found, runs))
    return 0


def _show(rows: list[tuple[str, ...]]) -> None:
    """Plain columns, for grep and awk; only a terminal has a width at which lines are cut."""
    rows = [("job", "slurm", "run says", "run", "last line of the log"), *rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    room = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for row in rows:
        line = "  ".join([*(text.ljust(width) for text, width in zip(row, widths)), row[-1]])
        print(line.rstrip()[:room])
