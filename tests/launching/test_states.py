"""What is made of the answers of squeue, sacct and scontrol."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from armature.launching import states

NO_ACCOUNTS = "echo 'Slurm accounting storage is disabled' >&2; exit 1"


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for SLURM's programs, the only ones there are."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def program(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


def test_states_without_slurm_are_none_and_it_says_so(programs: Path) -> None:
    assert states.ask(["1"]) == states.Answer({}, "there is no squeue on this machine")
    assert states.ask([]) == states.Answer({})


def test_queued_and_running_jobs(programs: Path) -> None:
    program(programs, "squeue", "echo '1|RUNNING|None|n1'; echo '6_2|PENDING|JobArrayTaskLimit|'; echo '9|RUNNING||n3'")
    known = {"1": "RUNNING (n1)", "6_2": "PENDING (JobArrayTaskLimit)"}
    assert states.ask(["1", "6_2", "7"]) == states.Answer(known)


def test_the_controller_remembers_why_a_job_failed(programs: Path) -> None:
    program(programs, "squeue", "true")
    program(programs, "sacct", NO_ACCOUNTS)
    lines = [
        "JobId=28 JobName=a JobState=FAILED Reason=JobLaunchFailure Dependency=(null) ExitCode=0:53 NodeList=n2",
        "JobId=31 ArrayJobId=30 ArrayTaskId=0 JobState=CANCELLED Reason=None ExitCode=0:15 NodeList=n1",
        "JobId=33 JobState=TIMEOUT Reason=TimeLimit ExitCode=0:0 NodeList=(null)",
        "JobId=34 JobState=COMPLETED Reason=None ExitCode=0:0 NodeList=n1",
    ]
    program(programs, "scontrol", "\n".join(f"echo '{line}'" for line in lines))
    assert states.ask(["28", "30_0", "33", "34", "35"]).states == {
        "28": "FAILED (n2, JobLaunchFailure 0:53)",
        "30_0": "CANCELLED",
        "33": "TIMEOUT (TimeLimit)",
        "34": "COMPLETED",
    }


def test_accounts_know_the_exit_code(programs: Path) -> None:
    program(programs, "squeue", "true")
    rows = ["5|FAILED|1:0|n1", "6|CANCELLED by 1000|0:0|None assigned", "7|OUT_OF_MEMORY|0:125|n[1-2]"]
    program(programs, "sacct", "\n".join(f"echo '{row}'" for row in rows))
    known = {"5": "FAILED (n1, 1:0)", "6": "CANCELLED", "7": "OUT_OF_MEMORY (n[1-2], 0:125)"}
    assert states.ask(["5", "6", "7"]) == states.Answer(known)


def test_a_cluster_that_does_not_answer_is_told_and_asked_once(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = "squeue: error: cannot stat file /x\\nsqueue: fatal: Unable to process configuration file\\n"
    program(programs, "squeue", f"printf '{said}' >&2; exit 1")
    program(programs, "scontrol", f"echo asked > {programs}/again")
    expected = "squeue: cannot stat file /x; Unable to process configuration file"
    assert states.ask(["1"]) == states.Answer({}, expected)
    assert not (programs / "again").exists()
    monkeypatch.setattr(states, "_PATIENCE", 0.3)
    program(programs, "squeue", "printf 'squeue: error: retrying\\n' >&2; exec /bin/sleep 20")
    begin = time.monotonic()
    assert states.ask(["1"]).silence == "squeue gave no answer in 0.3 s; retrying"
    assert time.monotonic() - begin < 5


def test_what_is_alive() -> None:
    assert states.is_alive("PENDING (Priority)") and states.is_alive("COMPLETING (n1)")
    assert not any(map(states.is_alive, ("", "COMPLETED", "NODE_FAIL (n1)")))
