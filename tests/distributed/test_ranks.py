"""Which process this is, by the variables that each launcher sets."""

from __future__ import annotations

import pytest

from armature import crew, ranks
from armature.errors import ConfigError
from armature.ranks import Place

TORCHRUN = {
    "TORCHELASTIC_RUN_ID": "none",
    "TORCHELASTIC_RESTART_COUNT": "1",
    "TORCHELASTIC_USE_AGENT_STORE": "True",
    "RANK": "3",
    "WORLD_SIZE": "4",
    "LOCAL_RANK": "1",
    "LOCAL_WORLD_SIZE": "2",
    "GROUP_RANK": "1",
    "MASTER_ADDR": "node0",
    "MASTER_PORT": "29500",
}
SRUN = {
    "SLURM_JOB_ID": "1234567",
    "SLURM_STEP_ID": "0",
    "SLURM_NTASKS": "4",
    "SLURM_STEP_NUM_TASKS": "4",
    "SLURM_STEP_TASKS_PER_NODE": "2(x2)",
    "SLURM_PROCID": "2",
    "SLURM_LOCALID": "0",
    "SLURM_NODEID": "1",
    "SLURM_STEP_NODELIST": "gpu[003-004]",
}


def test_torchrun() -> None:
    assert ranks.found(TORCHRUN) == Place(3, 4, 1, 2, 1, "torchrun", "node0", 0, "none/1/0")
    assert ranks.found(TORCHRUN | {"WORLD_SIZE": "1", "RANK": "0"}) is None


def test_srun() -> None:
    place = ranks.found(SRUN)
    assert place == Place(2, 4, 0, 2, 1, "srun", "gpu003", 15000 + 4567, "1234567.0/0")
    assert place.nodes == 2
    other = ranks.found(SRUN | {"MASTER_ADDR": "10.0.0.1", "MASTER_PORT": "4000", "SLURM_STEP_ID": "2"})
    assert other is not None and (other.host, other.port, other.token) == ("10.0.0.1", 4002, "1234567.2/0")


def test_processes_of_one_node_meet_without_its_name() -> None:
    alone = SRUN | {"SLURM_STEP_TASKS_PER_NODE": "4", "SLURM_STEP_NODELIST": "gpu003", "SLURM_NODEID": "0"}
    place = ranks.found(alone)
    assert place is not None and place.host == "127.0.0.1"
    told = ranks.found(alone | {"MASTER_ADDR": "gpu003-ib"})
    assert told is not None and told.host == "gpu003-ib"


def test_a_batch_script_is_no_step() -> None:
    alone = {name: value for name, value in SRUN.items() if not name.startswith("SLURM_STEP")}
    assert ranks.found(alone) is None


def test_runs_of_a_multirun_do_not_meet_each_other() -> None:
    first, second = (ranks.found(SRUN | {ranks.JOB: number}) for number in "12")
    assert first is not None and second is not None and first.port != second.port and first.token != second.token


def test_nodes_of_unequal_size() -> None:
    with pytest.raises(ConfigError, match="--ntasks-per-node"):
        ranks.found(SRUN | {"SLURM_STEP_TASKS_PER_NODE": "3,1"})


@pytest.mark.parametrize("launched", [TORCHRUN, SRUN])
def test_a_run_of_its_own_within_a_launched_process(launched: dict[str, str]) -> None:
    left = ranks.alone(launched | {"HOME": "/root", "SLURM_JOB_ID": "7"})
    assert ranks.found(left) is None
    assert left == {"HOME": "/root", "SLURM_JOB_ID": "7", ranks.ALONE: "1"}


def test_ranks_that_a_run_of_its_own_starts() -> None:
    meeting = {ranks.MEETING: "127.0.0.1:5000", ranks.TOKEN: "t"}
    child = ranks.alone(SRUN) | ranks.numbers(1, 2, 1, 2, 0) | meeting
    assert ranks.found(child) == Place(1, 2, 1, 2, 0, "armature", "127.0.0.1", 5000, "t")


@pytest.mark.parametrize(
    ("nodes", "first"), [("gpu[003-005,9],x", "gpu003"), ("a,b", "a"), ("n1", "n1"), ("r[1-2]-ib", "r1-ib")]
)
def test_the_first_name_of_a_list(nodes: str, first: str) -> None:
    assert ranks.first_node(nodes) == first


@pytest.mark.parametrize(("devices", "count"), [(2, 2), ("3", 3), ([0, 2], 2), ("0,1,5", 3)])
def test_devices_are_counted(devices: object, count: int) -> None:
    assert crew.count({"devices": devices}) == count


def test_devices_that_are_none() -> None:
    assert crew.count({"devices": "auto", "accelerator": "cpu"}) == 1
    assert crew.count({"devices": "auto"}, ranks.found(SRUN)) == 2
    for devices in (0, "two"):
        with pytest.raises(ConfigError, match=r"trainer\.devices"):
            crew.count({"devices": devices})


def test_several_nodes_need_a_launcher() -> None:
    with pytest.raises(ConfigError, match="srun --nodes=2 --ntasks-per-node=4"):
        crew.Crew().gather({"devices": 4, "num_nodes": 2})
