"""SLURM's own programs, asked and answered in plain Python."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from armature.errors import UserError


def sbatch(script: Path) -> str:
    """The id of the job that a script became.

    Raises:
        UserError: no SLURM here, or it refused; says what sbatch said.
    """
    available()
    done = _call("sbatch", "--parsable", str(script))
    if done.returncode:
        raise UserError(f"sbatch refused the job: {_said(done)}")
    return done.stdout.strip().splitlines()[-1].partition(";")[0]  # ID, or ID;CLUSTER


def available() -> None:
    """Raises:
    UserError: no SLURM here.
    """
    if shutil.which("sbatch") is None:
        raise UserError("launcher: there is no sbatch on this machine; submit from a login node of the cluster")


def trial(text: str) -> None:
    """Asks SLURM whether it would take a script, which is much sooner known than whether the run would work.

    Raises:
        UserError: no SLURM here, or it would refuse; says what sbatch said.
    """
    available()
    with tempfile.NamedTemporaryFile("w", suffix=".sbatch") as file:
        file.write(text)
        file.flush()
        done = _call("sbatch", "--test-only", file.name)
    if done.returncode:
        raise UserError(f"sbatch would refuse the job: {_said(done)}")


def _said(done: subprocess.CompletedProcess[str]) -> str:
    """What sbatch gave as its reason: the last line says only that it failed."""
    lines = [line.split("error: ", 1)[-1] for line in done.stderr.strip().splitlines()]
    return "; ".join(dict.fromkeys(lines)) or f"exit code {done.returncode}"


def states(jobs: Iterable[str]) -> dict[str, str]:
    """State of each job ("123" or "123_4") that SLURM still knows, in its words: RUNNING, PENDING (Resources) ...

    Of ended jobs ``sacct`` knows the state where the site keeps accounts, ``scontrol`` for some minutes elsewhere.
    """
    wanted = sorted(set(jobs))
    if not wanted or shutil.which("squeue") is None:
        return {}
    found = _queued()
    for ask in (_accounted, _remembered):
        if absent := [job for job in wanted if job not in found]:
            found |= ask(absent)
    return {job: found[job] for job in wanted if job in found}


def _queued() -> dict[str, str]:
    """Jobs of this user that are queued or running. Pending tasks of an array come one by one (-r)."""
    done = _call("squeue", "--me", "--noheader", "--array", "--format=%i|%T|%r|%N")
    found = {}
    for line in done.stdout.splitlines() if done.returncode == 0 else ():
        job, state, reason, nodes = line.split("|", 3)
        detail = reason if state == "PENDING" else nodes
        found[job] = f"{state} ({detail})" if detail and detail != "None" else state
    return found


def _accounted(jobs: Sequence[str]) -> dict[str, str]:
    """From the accounts; empty where the site keeps none."""
    if shutil.which("sacct") is None:
        return {}
    done = _call("sacct", "-X", "--noheader", "--parsable2", "--format=JobID,State", f"--jobs={','.join(jobs)}")
    lines = done.stdout.splitlines() if done.returncode == 0 else []
    # "CANCELLED by 1000"
    return {job: state.split(" ")[0] for job, _, state in (line.partition("|") for line in lines) if job in set(jobs)}


def _remembered(jobs: Sequence[str]) -> dict[str, str]:
    """From the controller, which remembers ended jobs for some minutes."""
    found = {}
    done = _call("scontrol", "-o", "show", "job")
    for line in done.stdout.splitlines() if done.returncode == 0 else ():
        fields = dict(re.findall(r"(\w+)=(\S*)", line))
        array, task = fields.get("ArrayJobId"), fields.get("ArrayTaskId")
        job = f"{array}_{task}" if array else fields.get("JobId", "")
        if job in jobs:
            found[job] = fields["JobState"]
    return found


def _call(*command: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except subprocess.TimeoutExpired as error:
        raise UserError(f"{command[0]} gave no answer in 60 s; is the controller of the cluster down?") from error
