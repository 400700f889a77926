"""Runs of the smallest network in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from smallest import RUN

HERE = Path(__file__).parent
SMALL = [
    *RUN,
    "data.batch_size=4",
    "data.train.length=24",
    "data.val.length=9",
    "trainer.max_epochs=1",
    "pictures=0",
    "logger=csv",
]
DDP = ["trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2"]
OURS = [sys.executable, "-m", "armature"]


def torchrun(processes: int) -> list[str]:
    """The command that starts so many processes of the program."""
    return [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={processes}", "-m", "armature"]


def environment(**variables: str) -> dict[str, str]:
    """Of a process that is a run of its own, with the tests' faults at hand."""
    known = {k: v for k, v in os.environ.items() if not k.startswith(("ARMATURE_", "SLURM_", "TORCHELASTIC_"))}
    own = {"OMP_NUM_THREADS": "1", "WANDB_MODE": "offline", "ARMATURE_ALLOW": "faults", "PYTHONPATH": str(HERE)}
    return known | own | variables


def start(command: list[str], runs: Path, *overrides: str, **variables: str) -> subprocess.Popen[str]:
    """A training that has begun."""
    return subprocess.Popen(
        [*command, "train", *SMALL, f"runs={runs}", *overrides],
        env=environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(command: list[str], runs: Path, *overrides: str, timeout: float = 600) -> tuple[int, str, str]:
    """Exit code, output and errors of a training."""
    process = start(command, runs, *overrides)
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        raise AssertionError(f"not finished after {timeout:.0f} s: {process.communicate()}") from None
    return process.returncode, out, err


def only_run(runs: Path) -> Path:
    """The run folder, of which there is one."""
    found = list(runs.glob("default/*"))
    assert len(found) == 1, found
    return found[0]


def wait_for(path: Path, seconds: float = 300) -> None:
    """Until a file is there."""
    deadline = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not come"
        time.sleep(0.05)
