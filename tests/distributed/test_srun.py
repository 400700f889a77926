"""Two nodes of a real SLURM, started by srun: one run, and nobody is left behind when one of them dies."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "slurm"))

from cluster import Cluster, missing
from small_runs import DDP, OURS, SMALL, environment, only_run

pytestmark = [pytest.mark.slurm, pytest.mark.slow]

#: Node names resolve nowhere on a test machine. Without --kill-on-bad-exit srun waits for processes that hang.
SRUN = ["srun", "-N2", "--ntasks-per-node=1", "--kill-on-bad-exit=0", "--export=ALL,MASTER_ADDR=127.0.0.1"]
NODES = [*DDP, "trainer.devices=1", "trainer.num_nodes=2"]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    if lacking := missing():
        pytest.skip(f"no SLURM here (apt-get install slurm-wlm munge): no {', '.join(lacking)}")
    running = Cluster(2)
    try:
        yield running
    finally:
        running.stop()


def step(cluster: Cluster, runs: Path, *overrides: str) -> tuple[int, str, str]:
    command = [*SRUN, *OURS, "train", *SMALL, f"runs={runs}", *NODES, *overrides]
    variables = {**environment(), **cluster.variables, "PYTHONPATH": environment()["PYTHONPATH"]}
    variables |= {"ARMATURE_ALLOW": "faults", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=600, check=False)
    return done.returncode, done.stdout, done.stderr


def test_two_nodes_are_one_run(cluster: Cluster, tmp_path: Path) -> None:
    code, out, err = step(cluster, tmp_path)
    assert code == 0, err
    assert out.count("2 processes") == 1
    run = only_run(tmp_path)
    (segment,) = json.loads((run / "provenance.json").read_text())["segments"]
    assert (segment["processes"], segment["nodes"], segment["launcher"]) == (2, 2, "srun")
    assert (run / "report.html").is_file()


def test_a_process_that_dies_on_the_other_node_ends_the_step(cluster: Cluster, tmp_path: Path) -> None:
    fault = ["+logger.fault._target_=faults.Fault", "+logger.fault.rank=1", "+logger.fault.how=kill"]
    code, _, err = step(cluster, tmp_path, *fault, "trainer.max_epochs=9")
    took = time.time() - float((only_run(tmp_path) / "fault").read_text())
    print(f"srun: {took:.1f} s")
    assert code != 0 and took < 10
    assert "rank 1 (pid" in err and "died without a word" in err, err
