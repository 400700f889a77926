"""Runs and what became of their jobs, as ``armature jobs`` shows them."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from armature.errors import UserError
from armature.launching import states
from armature.launching.differences import differing
from armature.launching.last_words import last_line
from armature.launching.states import Answer
from armature.launching.submission import LOG, RECORD
from armature.reports import scores
from armature.run_folder import read_json

#: With at most so many runs of its experiment, the newest, a run is compared.
_SIBLINGS = 100
#: The status of a job that takes trials of a sweep: what it does is told by its sweep.
WORKER = "worker of a sweep"
#: What a run that had no time to say how it ended came to, by the state of its job.
_ENDS = {
    "CANCELLED": "cancelled",
    "TIMEOUT": "out of time",
    "OUT_OF_MEMORY": "out of memory",
    "NODE_FAIL": "node failed",
    "PREEMPTED": "preempted",
    "PENDING": "waits to go on",
    "": "was running",  # SLURM has forgotten the job; it is not running any more
}


@dataclass(frozen=True)
class Entry:
    """One run, or one worker of a sweep.

    Attributes:
        job: "123" or "123_4"; "" where no cluster has worked on it.
        state: SLURM's, as ``states.Answer`` has it; "" where SLURM does not know the job.
        status: what the run says of itself: not begun, running, interrupted, failed, finished; where it had no time to
            say how it ended, what SLURM says: cancelled, out of memory ...
        requeues: how often the cluster has started its job again. differs: the overrides that others of its
            experiment do not have. line: its result, or the telling line of its log.
    """

    run: Path
    job: str
    state: str
    status: str
    requeues: int = 0
    differs: str = ""
    line: str = ""


@dataclass(frozen=True)
class Listing:
    """What is known of runs and workers, in the order in which they were queued.

    Attributes:
        silence: why SLURM could not be asked; "" where it could, or had not to be.
    """

    entries: list[Entry]
    silence: str = ""


def listed(runs: Path, sweeps: Path | None = None, name: str | None = None, last: int = 30) -> Listing:
    """The newest ``last`` runs below ``runs``, also those that wait for their job to begin, and workers of sweeps.

    Args:
        name: of the experiment, or a pattern of names; None takes all. It goes for the sweeps' names too.
    """
    found = [*_runs(runs, name), *(_workers(sweeps, name) if sweeps else ())]
    newest = sorted(found, key=lambda place: place.order)[-last:] if last > 0 else []
    answer = states.ask(place.job for place in newest if place.job)
    apart = _apart([place for place in found if isinstance(place, _Run)], newest)
    return Listing([place.entry(answer, apart.get(place.path, "")) for place in newest], answer.silence)


def experiments(runs: Path) -> list[str]:
    """The names of which there are runs."""
    return sorted({run.path.parent.name for run in _runs(runs, None)})


def is_alive(entry: Entry) -> bool:
    """Whether SLURM has a job of the run queued or running."""
    return states.is_alive(entry.state)


def shown(entries: Iterable[Entry], runs: Path) -> list[tuple[str, ...]]:
    """The rows of the table."""
    return [
        (
            e.job or "-",
            e.state or "-",
            f"{e.status} ({e.requeues}x requeued)" if e.requeues else e.status,
            str(e.run.relative_to(runs)) if e.run.is_relative_to(runs) else str(e.run),
            e.differs,
            e.line,
        )
        for e in entries
    ]


# ---------------------------------------------------------------------- what can be listed


@dataclass
class _Run:
    """A run's folder, read where it is asked for."""

    path: Path
    noted: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.noted = _read(self.path / RECORD)

    @cached_property
    def origin(self) -> dict[str, Any]:
        return _read(self.path / "provenance.json")

    @property
    def segment(self) -> dict[str, Any]:
        """The last stretch of work on it."""
        return (self.origin.get("segments") or [{}])[-1]

    @cached_property
    def job(self) -> str:
        """The job that last worked on it: as noted by itself, or when it was queued, whichever came later."""
        if self.noted and str(self.noted.get("submitted", "")) > str(self.segment.get("start", "")):
            return str(self.noted["job"])
        return str(self.segment.get("slurm", {}).get("job", "") or self.noted.get("job", ""))

    @cached_property
    def order(self) -> tuple[float, list[int]]:
        """When it was queued, or began, and within a second the number of its job."""
        return _seconds(self.noted.get("submitted")) or self._began(), _numbers(self.job)

    @property
    def overrides(self) -> list[str] | None:
        """As they were typed; None where nobody has written them down."""
        found = self.origin.get("overrides", self.noted.get("overrides"))
        return None if found is None else list(found)

    def entry(self, answer: Answer, differs: str) -> Entry:
        state = answer.states.get(self.job, "")
        over = bool(self.job) and not (states.is_alive(state) or (not state and answer.silence))
        status = self.segment.get("status", "") if self.origin else "not begun"
        if status == "running" and (over or states.word(state) == "PENDING"):
            status = _ENDS.get(states.word(state), "died")
        elif status == "not begun" and over:
            status = "never began"
        requeues = int(self.origin.get("requeues") or 0)
        return Entry(self.path, self.job, state, status, requeues, differs, self._line(status))

    def _began(self) -> float:
        """What its name says, else what is written in it."""
        if stamp := re.match(r"\d{8}-\d{6}", self.path.name):
            return datetime.datetime.strptime(stamp[0], "%Y%m%d-%H%M%S").timestamp()
        start = (self.origin.get("segments") or [{}])[0].get("start")
        return _seconds(start) or self.path.stat().st_mtime

    def _line(self, status: str) -> str:
        if status == "finished" and (result := _result(self.path)):
            return result
        if status == "never began" and not self._log.is_file():
            return f"no log: can the node see {self.path.absolute().parent}?"
        return last_line(self._log)

    @property
    def _log(self) -> Path:
        """The log that the launcher asked for, or SLURM's own for a script that was written by hand."""
        by_hand = Path(str(self.origin.get("folder", "."))) / f"slurm-{self.job}.out"
        return by_hand if self.job and not (self.path / LOG).is_file() else self.path / LOG


@dataclass(frozen=True)
class _Worker:
    """A job that takes trials of a sweep."""

    path: Path
    job: str
    submitted: str

    @property
    def order(self) -> tuple[float, list[int]]:
        return _seconds(self.submitted), _numbers(self.job)

    def entry(self, answer: Answer, differs: str) -> Entry:
        state = answer.states.get(self.job, "")
        log = self.path / "jobs" / f"slurm-{self.job}.log"
        gone = states.word(state) not in ("", "COMPLETED") and not states.is_alive(state)
        silent = f"no log: can the node see {log.parent.absolute()}?" if gone and not log.is_file() else ""
        return Entry(self.path, self.job, state, WORKER, line=silent or last_line(log))


def _runs(runs: Path, name: str | None) -> list[_Run]:
    kinds = ("config.yaml", RECORD)
    return [_Run(run) for run in {f.parent for kind in kinds for f in runs.glob(f"{name or '[!.]*'}/*/{kind}")}]


def _workers(sweeps: Path, name: str | None) -> Iterator[_Worker]:
    for file in sweeps.glob(f"{name or '[!.]*'}/*/jobs/*.json"):
        noted = _read(file)
        for job in noted.get("jobs", ()):
            yield _Worker(file.parent.parent, str(job), str(noted.get("submitted", "")))


def _apart(runs: Sequence[_Run], shown: Sequence[_Run | _Worker]) -> dict[Path, str]:
    """How each run that is shown differs from others of its experiment, shown or not."""
    found: dict[Path, str] = {}
    for experiment in {place.path.parent for place in shown if isinstance(place, _Run)}:
        siblings = sorted((run for run in runs if run.path.parent == experiment), key=lambda run: run.order)
        told = {run.path: run.overrides for run in siblings[-_SIBLINGS:]}
        found |= differing({path: overrides for path, overrides in told.items() if overrides is not None})
    return found


# ---------------------------------------------------------------------- what files say


def _result(run: Path) -> str:
    """``AP 0.410``: the metric that decides; "" where it was not measured."""
    recorded = _read(run / "metrics.json")
    metrics = recorded.get("metrics", {})
    name = recorded.get("primary") or "val/AP"
    value = scores.number(metrics.get(name))
    return f"{scores.bare(name)} {scores.shown(name, value)}" if value is not None else ""


def _read(file: Path) -> dict[str, Any]:
    try:
        found = read_json(file)
    except UserError:  # not there yet, or half a file from an older program
        return {}
    return found if isinstance(found, dict) else {}


def _seconds(time: Any) -> float:
    """Since 1970, of a time as it is written; 0 where there is none."""
    try:
        return datetime.datetime.fromisoformat(str(time)).timestamp()
    except ValueError:
        return 0.0


def _numbers(job: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", job)]
