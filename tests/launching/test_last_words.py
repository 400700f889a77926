"""The line of a log that says what became of a job, from logs that SLURM 24 and 25 wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from armature.launching.last_words import last_line

EXECVE = "slurmstepd-n2: error: execve(): /home/me/venv/bin/python: No such file or directory"
NO_GPU = "lightning_fabric.utilities.exceptions.MisconfigurationException: No supported gpu backend found!"
GO_ON = "go on with: armature train resume=runs/a/b"
NO_SUCH_STEP = "srun: error: Unable to create step for job 7: More processors requested than permitted"
OUT_OF_MEMORY = (
    "slurmstepd-n1: error: Detected 1 oom_kill event in StepId=7.0. Some of the step tasks have been OOM Killed."
)
CANCELLED = "slurmstepd-n3: error: *** JOB 15 ON n3 CANCELLED AT 2026-01-01T03:49:22 ***"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (
            [EXECVE, "srun: error: n2: task 0: Exited with exit code 2", "srun: launch/slurm: _step_signal: Term"],
            EXECVE,
        ),
        ([NO_GPU, "srun: error: n1: task 0: Exited with exit code 1"], NO_GPU),
        (
            [
                "srun: Job step aborted: Waiting up to 7 seconds for job step to finish.",
                CANCELLED,
                "stopping after this step; SIGTERM",
                "srun: got SIGCONT",
                "srun: forcing job termination",
                GO_ON,
                "/var/spool/job00038/slurm_script: line 23: 18479 Killed                  srun --kill-on-bad-exit=1 x",
                "Terminated",
            ],
            GO_ON,
        ),
        (
            ["epoch 3", OUT_OF_MEMORY, "srun: error: n1: tasks 0-1: Killed", "srun: Terminating StepId=7.0"],
            OUT_OF_MEMORY,
        ),
        (["epoch 3", "srun: error: n1: tasks 0,2-3: Killed", "srun: launch/slurm: _step_signal: Term"], "epoch 3"),
        ([NO_SUCH_STEP], NO_SUCH_STEP),
        (
            ["srun: Job step aborted: Waiting", CANCELLED, "srun: error: n2: task 0: Terminated", "Terminated"],
            CANCELLED,
        ),
        (["srun: got SIGCONT", "Terminated"], "Terminated"),
        (["Killed by the people of the village"], "Killed by the people of the village"),
        ([], ""),
    ],
)
def test_slurms_clearing_up_does_not_hide_what_the_program_said(
    tmp_path: Path, lines: list[str], expected: str
) -> None:
    (file := tmp_path / "log").write_text("\n".join([*lines, "", ""]))
    assert last_line(file) == expected


def test_a_log_that_is_not_there_says_nothing(tmp_path: Path) -> None:
    assert last_line(tmp_path / "log") == ""
