"""A rank that dies ends the others within ten seconds, and it is its traceback that is shown, first and once."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from small_runs import DDP, OURS, finished, only_run, torchrun

#: What is promised in the documentation.
SECONDS = 10.0


def fault(rank: int, how: str) -> list[str]:
    return ["+logger.fault._target_=faults.Fault", f"+logger.fault.rank={rank}", f"+logger.fault.how={how}"]


def relatives(run: Path) -> list[int]:
    """Processes that still name the run's folder in their environment or command."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if str(run.parent.parent).encode() in command:
                found.append(int(entry.name))
    return found


@pytest.mark.long
@pytest.mark.parametrize("command", [OURS, torchrun(3)], ids=["own", "torchrun"])
@pytest.mark.parametrize(("rank", "how"), [(1, "raise"), (2, "kill"), (0, "raise"), (0, "kill")])
def test_one_rank_fails(tmp_path: Path, command: list[str], rank: int, how: str) -> None:
    code, _, err = finished(command, tmp_path, *DDP, "trainer.devices=3", "trainer.max_epochs=9", *fault(rank, how))
    ended = time.time()
    assert code != 0
    run = only_run(tmp_path)
    took = ended - float((run / "fault").read_text())
    print(f"{how} rank {rank}: {took:.1f} s")
    assert took < SECONDS
    assert not relatives(run)
    if how == "raise":
        assert err.count("ValueError: a fault was planned here") == 1, err
        first = err.split("Traceback (most recent call last)")[1]
        assert "ValueError: a fault was planned here" in first, err
    if rank and command == OURS:
        assert f"rank {rank} (pid" in err
        assert json.loads((run / "provenance.json").read_text())["segments"][-1]["status"] == "failed"
    elif how == "kill":  # torchrun ends the others itself, and says of whom it was the cause
        assert "rank 0 died without a word" in err or f"rank      : {rank}" in err.split("Root Cause")[1]
