"""Trainings as jobs of a real SLURM: alone, in an array, on two nodes; pre-empted, out of time, on a node that dies.

The trainings that are disturbed have the same config as one that is not, and must end with the same weights.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from cluster import Cluster, wait_for

pytestmark = [pytest.mark.slurm, pytest.mark.slow]

#: A run of some seconds: the smallest network's, a few figures.
TINY = ["trainer.max_epochs=2", "data.train.length=160", "data.val.length=8", "data.batch_size=2", "pictures=0"]
TINY += ["data.canvas=[64,64]", "data.workers=1", "flip_test=false", "checkpoint_seconds=0"]
JOB = [
    "launcher=slurm",
    "launcher.cpus_per_task=1",
    "launcher.mem=1500M",
    "launcher.grace=60",
    "launcher.preflight=false",
]
FAR = 180.0


class Site:
    """A folder from which jobs are submitted, as from a login node."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.cluster, self.folder = cluster, folder

    def armature(self, *words: str) -> str:
        command = [sys.executable, "-m", "armature", *words]
        variables = {**self.cluster.variables, "WANDB_MODE": "offline", "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, cwd=self.folder, env=variables, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def train(self, name: str, *words: str) -> Run:
        """Submits one training as its own experiment."""
        said = self.armature("train", *TINY, *JOB, f"name={name}", *words)
        assert said.startswith("job ")
        (run,) = (self.folder / "runs" / name).iterdir()
        return Run(self.cluster, run)


class Run:
    """A run and its job."""

    def __init__(self, cluster: Cluster, path: Path) -> None:
        self.cluster, self.path = cluster, path
        self.job = json.loads((path / "slurm.json").read_text())["job"]

    @property
    def log(self) -> str:
        return (self.path / "slurm.log").read_text() if (self.path / "slurm.log").exists() else ""

    @property
    def provenance(self) -> dict[str, Any]:
        return json.loads((self.path / "provenance.json").read_text())

    def wait_until_it_trains(self, times: int = 1) -> None:
        """Until the first epoch is over and the second one has begun."""
        wait_for(lambda: (self.path / "checkpoints/last.ckpt").exists(), FAR, lambda: self.log)
        wait_for(lambda: self.log.count("parameters,") >= times, FAR, lambda: self.log)
        time.sleep(0.5)

    def wait_until_it_ends(self) -> None:
        seen = self.cluster.wait(self.job, "COMPLETED", "FAILED", "TIMEOUT", "CANCELLED", "NODE_FAIL", seconds=FAR)
        assert seen == "COMPLETED", f"{seen}\n{self.log}"

    def weights(self) -> dict[str, torch.Tensor]:
        return torch.load(self.path / "checkpoints/last.ckpt", weights_only=True)["state_dict"]

    def metrics(self) -> dict[str, float]:
        return json.loads((self.path / "metrics.json").read_text())["metrics"]

    def history(self) -> list[tuple[str, str]]:
        with open(self.path / "history.csv", newline="") as file:
            return [(row["epoch"], row["val/AP"]) for row in csv.DictReader(file)]


def assert_same(run: Run, undisturbed: Run) -> None:
    ours, theirs = run.weights(), undisturbed.weights()
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []
    assert run.metrics() == undisturbed.metrics()
    assert run.history() == undisturbed.history()


@pytest.fixture(scope="module")
def site(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(cluster, tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def runs(site: Site, cluster: Cluster) -> Iterator[dict[str, Run]]:
    """Three at a time, because most of a small run is starting Python: undisturbed, pre-empted, on a node that dies."""
    whole = ["launcher.flags=[--exclusive]"]
    found = {"undisturbed": site.train("undisturbed", *whole)}
    found["preempted"] = site.train("preempted", *whole)
    found["struck"] = site.train("struck", *whole)
    found["struck"].wait_until_it_trains()
    node = cluster.show(found["struck"].job)["NodeList"]
    cluster.fail(int(node[1:]))
    found["preempted"].wait_until_it_trains()
    where = cluster.show(found["preempted"].job)["NodeList"]
    urgent = ["--partition=urgent", "--exclusive", f"--nodelist={where}", "--output=/dev/null", "--wrap=sleep 3"]
    cluster.call("sbatch", "--parsable", *urgent)
    yield found
    cluster.revive(int(node[1:]))


def test_a_single_run(runs: dict[str, Run]) -> None:
    run = runs["undisturbed"]
    run.wait_until_it_ends()
    assert run.provenance["requeues"] == 0
    (segment,) = run.provenance["segments"]
    assert segment["status"] == "finished" and segment["slurm"]["job"] == run.job
    assert (run.path / "report.html").is_file() and "report" in run.log


def test_a_run_that_is_preempted_goes_on_at_the_same_step(runs: dict[str, Run]) -> None:
    run = runs["preempted"]
    runs["undisturbed"].wait_until_it_ends()
    run.wait_until_it_ends()
    assert "DUE TO PREEMPTION" in run.log
    first, second = run.provenance["segments"]
    assert (first["status"], second["status"]) == ("interrupted", "finished")
    assert run.provenance["requeues"] == 1 and second["slurm"] == first["slurm"] | {"restarts": 1} | {
        "nodes": second["slurm"]["nodes"]
    }
    assert "stopped in epoch" in run.log, "between two batches, not after an epoch"
    assert len(list(run.path.parent.iterdir())) == 1, "a requeued job has made a second run"
    assert_same(run, runs["undisturbed"])


def test_a_run_whose_node_dies_goes_on_elsewhere(runs: dict[str, Run]) -> None:
    run = runs["struck"]
    run.wait_until_it_ends()
    first, second = run.provenance["segments"]
    assert (first["status"], first["end"], second["status"]) == ("killed", None, "finished")
    assert first["slurm"]["nodes"] != second["slurm"]["nodes"]
    assert run.provenance["requeues"] == 1
    assert_same(run, runs["undisturbed"])


def test_two_nodes_that_are_told_that_time_is_up(site: Site, cluster: Cluster) -> None:
    """By srun, one process a node; SIGUSR1 as the time limit sends it, at once. One W&B run before and after."""
    # Node names mean nothing outside the cluster's own configuration.
    here = "+launcher.environment.MASTER_ADDR=127.0.0.1"
    spread = ["trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=1", "trainer.num_nodes=2", here]
    run = site.train("spread", *TINY, *spread, "data.train.length=320")
    run.wait_until_it_trains()
    wandb = run.provenance["wandb_id"]
    cluster.call("scancel", "--signal=USR1", run.job)
    cluster.wait(run.job, "PENDING", seconds=60)
    run.wait_until_it_ends()
    first, second = run.provenance["segments"]
    assert (first["status"], second["status"]) == ("interrupted", "finished"), run.log
    assert first["processes"] == second["processes"] == 2
    assert run.provenance["requeues"] == 1 and run.provenance["wandb_id"] == wandb
    assert [epoch for epoch, _ in run.history()] == ["1", "2"]
    assert "hpc_ckpt" not in run.log and not list(run.path.rglob("hpc_ckpt*")), "Lightning has requeued by itself"


def test_a_grid_is_an_array_and_jobs_lists_it(site: Site, cluster: Cluster) -> None:
    said = site.armature(
        *("train", "-m", *TINY, *JOB, "name=grid", "seed=1,2"),
        *("trainer=debug", "trainer.max_epochs=1", "launcher.throttle=1"),
    )
    lines = [line.split() for line in said.splitlines()]
    assert lines[0][0] == "array" and "at most 1 at a time" in said
    found = [Run(cluster, Path(path)) for _, path in lines[1:]]
    assert [run.job for run in found] == [f"{found[0].job.split('_')[0]}_{n}" for n in (0, 1)]
    wait_for(lambda: "parameters," in found[0].log, FAR, lambda: found[0].log)
    assert cluster.state(found[1].job) == "PENDING", "the second is not to run beside the first"
    table = site.armature("jobs", "name=grid")
    row = {line.split()[0]: line for line in table.splitlines()[1:]}
    assert "RUNNING (n" in row[found[0].job] and "PENDING (JobArrayTaskLimit)" in row[found[1].job]
    assert "not begun" in row[found[1].job]
    for seed, run in enumerate(found, 1):
        run.wait_until_it_ends()
        assert run.provenance["seeds"] == {"seed": seed} and run.provenance["segments"][-1]["slurm"]["job"] == run.job
    table = site.armature("jobs", "name=grid")
    assert table.count("COMPLETED") == table.count("finished") == 2
    assert [line.split()[4:6] for line in table.splitlines()[1:]] == [["seed=1", "AP"], ["seed=2", "AP"]]
