"""Runs and what became of their jobs, as ``armature jobs`` shows them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from armature.errors import UserError
from armature.launching import queue
from armature.launching.submission import LOG, RECORD
from armature.run_folder import read_json

#: As much of a log is read as surely holds its last line.
_TAIL = 8192


@dataclass(frozen=True)
class Entry:
    """One run.

    Attributes:
        job: "123" or "123_4"; "" where no cluster has worked on it.
        state: SLURM's, with what a job waits for or the nodes it runs on; "" where SLURM does not know the job.
        status: what the run says of itself: not begun, running, interrupted, failed, finished.
        requeues: how often the cluster has started its job again. line: the last one of its log.
    """

    run: Path
    job: str
    state: str
    status: str
    requeues: int
    line: str


def entries(runs: Path, name: str | None = None, last: int = 30) -> list[Entry]:
    """The newest runs below ``runs``, newest first, also those that wait for their job to begin.

    Raises:
        UserError: no such folder, or SLURM gives no answer.
    """
    if not runs.is_dir():
        raise UserError(f"runs={runs}: no such folder")
    found = {file.parent for kind in ("config.yaml", RECORD) for file in runs.glob(f"{name or '[!.]*'}/*/{kind}")}
    newest = sorted(found, key=lambda run: run.stat().st_mtime, reverse=True)[:last]
    told = {run: _origin(run) for run in newest}
    jobs = {run: _job(run, told[run]) for run in newest}
    states = queue.states(job for job in jobs.values() if job)
    return [_entry(run, jobs[run], states.get(jobs[run], ""), told[run]) for run in newest]


def is_alive(entry: Entry) -> bool:
    """Whether SLURM has a job of the run queued or running."""
    return entry.state.partition(" ")[0] in ("PENDING", "RUNNING", "COMPLETING", "CONFIGURING", "SUSPENDED")


def last_line(file: Path) -> str:
    """The last line of a file that says something; of a line that is written over and over, its last state."""
    try:
        with open(file, "rb") as log:
            log.seek(max(0, file.stat().st_size - _TAIL))
            text = log.read().decode(errors="replace")
    except OSError:
        return ""
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    lines = [line.strip() for line in re.split(r"[\r\n]", plain) if line.strip()]
    return lines[-1] if lines else ""


def _entry(run: Path, job: str, state: str, origin: dict[str, Any]) -> Entry:
    segments = origin.get("segments") or [{}]
    status = segments[-1].get("status", "") if origin else "not begun"
    line = last_line(_log(run, job, origin))
    return Entry(run, job, state, status, int(origin.get("requeues") or 0), line)


def _job(run: Path, origin: dict[str, Any]) -> str:
    """The job that last worked on a run: as noted by itself, or when it was queued, whichever came later."""
    segments = origin.get("segments") or [{}]
    began, noted = segments[-1].get("slurm", {}).get("job", ""), {}
    if (run / RECORD).is_file():
        noted = _read(run / RECORD)
    if noted and str(noted.get("submitted", "")) > str(segments[-1].get("start", "")):
        return str(noted["job"])
    return str(began or noted.get("job", ""))


def _log(run: Path, job: str, origin: dict[str, Any]) -> Path:
    """The log that the launcher asked for, or SLURM's own for a script that was written by hand."""
    by_hand = Path(str(origin.get("folder", "."))) / f"slurm-{job}.out"
    return by_hand if job and not (run / LOG).is_file() else run / LOG


def _origin(run: Path) -> dict[str, Any]:
    return _read(run / "provenance.json")


def _read(file: Path) -> dict[str, Any]:
    try:
        found = read_json(file)
    except UserError:  # not there yet, or half a file from an older program
        return {}
    return found if isinstance(found, dict) else {}


def shown(entries: Iterable[Entry], runs: Path) -> list[tuple[str, ...]]:
    """The rows of the table."""
    return [
        (
            e.job or "-",
            e.state or "-",
            f"{e.status} ({e.requeues}x requeued)" if e.requeues else e.status,
            str(e.run.relative_to(runs)),
            e.line,
        )
        for e in entries
    ]
