"""What SLURM says of jobs, also of those that are over, and why it says nothing where it does not."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

#: Of a job that will write to its run, now or later.
ALIVE = ("PENDING", "RUNNING", "CONFIGURING", "COMPLETING", "SUSPENDED", "REQUEUED", "REQUEUE_HOLD", "STOPPED")
#: Of jobs that are over, those whose state says everything.
_PLAIN = ("COMPLETED", "CANCELLED")
#: Seconds after which no answer is taken for none.
_PATIENCE = 30


@dataclass(frozen=True)
class Answer:
    """SLURM's answer.

    Attributes:
        states: of each job that it still knows, in its words: ``RUNNING (n1)``, ``PENDING (Resources)``,
            ``FAILED (n2, JobLaunchFailure 0:53)``: where, why, and the exit code as ``code:signal``.
        silence: why it could not be asked; "" where it could.
    """

    states: dict[str, str]
    silence: str = ""


def ask(jobs: Iterable[str]) -> Answer:
    """The states of jobs ("123" or "123_4").

    Of ended jobs ``sacct`` knows the state where the site keeps accounts, ``scontrol`` for some minutes elsewhere.
    """
    wanted = sorted(set(jobs))
    if not wanted:
        return Answer({})
    if shutil.which("squeue") is None:
        return Answer({}, "there is no squeue on this machine")
    found, silence = _queued()
    for other in () if silence else (_accounted, _remembered):  # they would wait as long for the same controller
        if absent := [job for job in wanted if job not in found]:
            found |= other(absent)
    return Answer({job: found[job] for job in wanted if job in found}, silence)


def word(state: str) -> str:
    """SLURM's word for a state, without what it depends on: ``PENDING``."""
    return state.partition(" ")[0]


def is_alive(state: str) -> bool:
    """Whether the job is queued or running."""
    return word(state) in ALIVE


def _queued() -> tuple[dict[str, str], str]:
    """Jobs of this user that are queued or running, and why not, if so. Pending tasks of an array come one by one."""
    lines, silence = _call("squeue", "--me", "--noheader", "--array", "--format=%i|%T|%r|%N")
    found = {}
    for line in lines:
        job, state, reason, nodes = line.split("|", 3)
        detail = reason if state == "PENDING" else nodes
        found[job] = f"{state} ({detail})" if detail and detail != "None" else state
    return found, silence


def _accounted(jobs: Sequence[str]) -> dict[str, str]:
    """From the accounts; empty where the site keeps none. What they call a reason is that of the wait before."""
    form = "--format=JobID,State,ExitCode,NodeList"
    rows = [line.split("|") for line in _call("sacct", "-X", "-n", "--parsable2", form, f"--jobs={','.join(jobs)}")[0]]
    return {row[0]: _described(row[1], row[3], "", row[2]) for row in rows if len(row) == 4 and row[0] in jobs}


def _remembered(jobs: Sequence[str]) -> dict[str, str]:
    """From the controller, which remembers ended jobs for some minutes."""
    found = {}
    for line in _call("scontrol", "-o", "show", "job")[0]:
        fields = dict(re.findall(r"(\w+)=(\S*)", line))
        array, task = fields.get("ArrayJobId"), fields.get("ArrayTaskId")
        job = f"{array}_{task}" if array else fields.get("JobId", "")
        if job in jobs:
            told = (fields.get(name, "") for name in ("JobState", "NodeList", "Reason", "ExitCode"))
            found[job] = _described(*told)
    return found


def _described(state: str, nodes: str, reason: str, code: str) -> str:
    """A state with what is particular about it."""
    plain = state.split(" ")[0]  # "CANCELLED by 1000"
    if plain in _PLAIN:
        return plain
    why = " ".join(part for part in (reason, code) if part not in ("", "None", "0:0"))
    known = [part for part in (nodes if nodes not in ("(null)", "None assigned") else "", why) if part]
    return f"{plain} ({', '.join(known)})" if known else plain


def _call(*command: str) -> tuple[list[str], str]:
    """The lines of an answer, and why there are none, if there could not be any."""
    if shutil.which(command[0]) is None:
        return [], f"there is no {command[0]} on this machine"
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=False)
    except subprocess.TimeoutExpired as error:
        said = error.stderr.decode(errors="replace") if isinstance(error.stderr, bytes) else error.stderr or ""
        return [], "; ".join([f"{command[0]} gave no answer in {_PATIENCE} s", *_complaints(said)])
    if done.returncode == 0:
        return done.stdout.splitlines(), ""
    return [], f"{command[0]}: {'; '.join(_complaints(done.stderr)) or f'exit code {done.returncode}'}"


def _complaints(said: str) -> list[str]:
    """What a program wrote about its troubles, without its name before every line."""
    return list(dict.fromkeys(re.sub(r"^\S+: (error|fatal): ", "", line) for line in said.strip().splitlines()))
