"""Handing a script to SLURM, and its refusals in plain words."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
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


def _call(*command: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except subprocess.TimeoutExpired as error:
        raise UserError(f"{command[0]} gave no answer in 60 s; is the controller of the cluster down?") from error
