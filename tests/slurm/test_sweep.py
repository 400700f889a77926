"""A sweep over workers that are jobs of a real SLURM, disturbed in every way that a test can, against one at home."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cluster import Cluster, wait_for

sys.path.insert(0, str(Path(__file__).parents[1] / "sweeping"))

from real_study import STUDY, VARIABLES, begun, crash, newest
from small_study import record, wait

from armature.sweeping import results

pytestmark = [pytest.mark.slurm, pytest.mark.slow]

WORKERS = ["launcher=slurm", "launcher.cpus_per_task=1", "launcher.mem=1500M", "launcher.preflight=false", "workers=3"]
FAR = 900.0


def armature(cluster: Cluster, *words: str) -> str:
    command = [sys.executable, "-m", "armature", *words]
    variables = cluster.variables | VARIABLES
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_twelve_trials_on_three_workers_one_killed_one_crash_end_as_undisturbed(
    cluster: Cluster, tmp_path: Path
) -> None:
    at_home = ["--allow", "crashing", "sweep", *STUDY, *crash(tmp_path / "none")]
    armature(cluster, *at_home, f"sweeps={tmp_path / 'calm'}", "workers=2")
    calm = newest(tmp_path / "calm")

    (tmp_path / "crash").write_text("0003")
    wild_words = ["--allow", "crashing", "sweep", *STUDY, *crash(tmp_path / "crash"), *WORKERS]
    said = armature(cluster, *wild_words, f"sweeps={tmp_path / 'wild'}")
    assert "12 trials, jobs " in said, said
    wild = newest(tmp_path / "wild")
    killed: dict[str, Any] = wait(lambda: begun(wild, but=3), FAR)
    os.kill(killed["pid"], signal.SIGKILL)
    wait_for(lambda: cluster.call("squeue", "-h") == "", FAR, lambda: str(record(wild)))

    assert {t.state.name for t in wild.trials()} == {"COMPLETE", "PRUNED"} and len(wild.trials()) == 12
    assert record(wild) == record(calm)
    best = [results.ranked(sweep, results.rows(sweep))[0] for sweep in (wild, calm)]
    assert best[0]["number"] == best[1]["number"] and best[0]["values"] == best[1]["values"]
    rows = results.rows(wild)
    assert [row["number"] for row in rows if row["crashes"]] == [3]
    assert [row["number"] for row in rows if row["attempts"] > 1] == [killed["trial"]]
    assert (wild.path / "sweep.html").is_file()
