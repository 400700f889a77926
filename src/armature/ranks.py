"""Which of the processes of a distributed run this one is, read from the environment; imports nothing heavy."""

from __future__ import annotations

import faulthandler
import logging
import os
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass

from armature.errors import ConfigError

#: Where the first rank waits for the others (host:port) and what it knows them by; set for ranks that it starts.
MEETING, TOKEN = "ARMATURE_MEETING", "ARMATURE_TOKEN"
#: The number of a run within ``-m``: consecutive runs of the same processes must not meet each other.
JOB = "ARMATURE_JOB"
#: Set for a process that is a run of its own, whatever launched the one that starts it.
ALONE = "ARMATURE_ALONE"

_NUMBERS = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "GROUP_RANK", "NODE_RANK", "MASTER_ADDR")
_LAUNCHERS = re.compile(
    r"(TORCHELASTIC_|GROUP_|ROLE_|SLURM_STEP|SLURM_(PROCID|LOCALID|NODEID|NTASKS|NPROCS)|SLURM_TASKS)"
)


@dataclass(frozen=True)
class Place:
    """One process among ``world``.

    Attributes:
        rank: 0 leads. local_rank, local_world: among those of its node. node: the node's number.
        launcher: who started the processes: ``armature``, ``torchrun`` or ``srun``.
        host, port: where rank 0 can be met; port 0 where it has yet to be published.
        token: what ranks of the same run know and others do not.
    """

    rank: int
    world: int
    local_rank: int
    local_world: int
    node: int
    launcher: str
    host: str
    port: int
    token: str

    @property
    def nodes(self) -> int:
        """How many nodes there are."""
        return self.world // self.local_world


def found(environment: Mapping[str, str] | None = None) -> Place | None:
    """The place of this process, None where it was started alone.

    Raises:
        ConfigError: nodes with different numbers of processes.
    """
    known = os.environ if environment is None else environment
    if MEETING in known:
        host, _, port = known[MEETING].rpartition(":")
        place = _numbered(known, "armature", host, int(port), known.get(TOKEN, ""))
    elif ALONE in known:  # after the above: a run of its own may start ranks
        return None
    elif "TORCHELASTIC_RUN_ID" in known:
        place = _torchrun(known)
    elif "SLURM_STEP_ID" in known and "SLURM_PROCID" in known:
        place = _srun(known)
    else:
        return None
    return place if place.world > 1 else None


def follows() -> bool:
    """Whether another process leads the run that this one belongs to."""
    place = found()
    return place is not None and place.rank > 0


def alone(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment for a process that is a run of its own, also from within torchrun or srun."""
    known = dict(os.environ if environment is None else environment)
    for name in [n for n in known if n in (*_NUMBERS, "MASTER_PORT", MEETING, TOKEN, JOB) or _LAUNCHERS.match(n)]:
        del known[name]
    return known | {ALONE: "1"}


def numbers(rank: int, world: int, local_rank: int, local_world: int, node: int) -> dict[str, str]:
    """The variables by which torch, Lightning and ``found`` know a rank."""
    values = {"RANK": rank, "WORLD_SIZE": world, "LOCAL_RANK": local_rank, "LOCAL_WORLD_SIZE": local_world}
    return {name: str(value) for name, value in (values | {"GROUP_RANK": node, "NODE_RANK": node}).items()}


def quieten() -> None:
    """Warnings and logs are the first rank's; the others say the same things. What kills a process is still shown."""
    faulthandler.enable()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)


def _numbered(known: Mapping[str, str], launcher: str, host: str, port: int, token: str) -> Place:
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "GROUP_RANK")
    rank, world, local_rank, local_world, node = (int(known[name]) for name in names)
    return Place(rank, world, local_rank, local_world, node, launcher, host, port, token)


def _torchrun(known: Mapping[str, str]) -> Place:
    """torchrun's processes share its store, in which rank 0 says where it can be met; hence port 0."""
    shared = known.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    port = 0 if shared else int(known["MASTER_PORT"]) + _job(known)
    token = f"{known['TORCHELASTIC_RUN_ID']}/{known.get('TORCHELASTIC_RESTART_COUNT', '0')}/{_job(known)}"
    return _numbered(known, "torchrun", known["MASTER_ADDR"], port, token)


def _srun(known: Mapping[str, str]) -> Place:
    job, step = known["SLURM_JOB_ID"], known["SLURM_STEP_ID"]
    world = int(known.get("SLURM_STEP_NUM_TASKS") or known.get("SLURM_NTASKS") or 1)
    each = known.get("SLURM_STEP_TASKS_PER_NODE") or str(world)
    local_world, _, more = each.partition(",")
    if more:
        raise ConfigError(f"srun put {each} processes on its nodes; every node needs as many: --ntasks-per-node=N")
    host = _meeting_point(known, world)
    port = int(known.get("MASTER_PORT") or 15000 + int(job) % 10000) + int(step) % 1000 + _job(known)
    return Place(
        rank=int(known["SLURM_PROCID"]),
        world=world,
        local_rank=int(known["SLURM_LOCALID"]),
        local_world=int(local_world.partition("(")[0]),
        node=int(known["SLURM_NODEID"]),
        launcher="srun",
        host=host,
        port=port,
        token=f"{job}.{step}/{_job(known)}",
    )


def _meeting_point(known: Mapping[str, str], world: int) -> str:
    """Where the first process is met. On one node that is the node itself, whose own name it need not know."""
    if given := known.get("MASTER_ADDR"):
        return given
    if known.get("SLURM_STEP_TASKS_PER_NODE") == str(world):
        return "127.0.0.1"
    return first_node(known.get("SLURM_STEP_NODELIST") or known["SLURM_NODELIST"])


def first_node(nodes: str) -> str:
    """The first name of SLURM's list: ``gpu[003-005,9],login1`` -> ``gpu003``."""
    head = re.match(r"([^,\[]+)(?:\[(\w+)[^\]]*\]([^,]*))?", nodes)
    return "".join(part or "" for part in head.groups()) if head else nodes


def _job(known: Mapping[str, str]) -> int:
    return int(known.get(JOB, "0"))
