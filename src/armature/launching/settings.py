"""What a site needs to be told: the config group ``launcher``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from armature.errors import ConfigError

RUNTIMES = ("pyxis", "apptainer", "singularity")
#: What sbatch takes for --time: [hours:]minutes:seconds, days-hours[:minutes[:seconds]].
_TIME = re.compile(r"\d+(:\d+){1,2}|\d+-\d+(:\d+){0,2}")


@dataclass(frozen=True)
class Local:
    """Runs start on this machine.

    Args:
        jobs: runs of a grid at the same time.
    """

    jobs: int = 1

    def __post_init__(self) -> None:
        _whole("jobs", self.jobs)


@dataclass(frozen=True)
class Slurm:
    """Runs become jobs of a SLURM cluster; None leaves a choice to the cluster.

    Args:
        partition, account, qos, constraint, mem, time, mail_user, mail_type: as sbatch takes them.
        gres: as sbatch takes it; ``auto`` is ``gpu:<tasks_per_node>`` where ``accelerator`` is a GPU.
        nodes, tasks_per_node, cpus_per_task: one process a device; every process has so many cores.
        accelerator: the trainer's.
        throttle: of an array, at most so many jobs at a time.
        grace: seconds before the time limit at which processes get SIGUSR1. requeue: whether a job may run again.
        preflight: whether runs are tried before they are queued, and refused where they would fail.
        flags, srun: further options of sbatch and srun. modules: for ``module load``.
        setup: shell lines that run before the program. environment: variables to export.
        container: image; container_runtime: how it is entered; container_mounts: HOST:INSIDE.
        python: interpreter on the nodes; None is the one that submits, or ``python`` in a container.

    Raises:
        ConfigError: a value that sbatch would refuse, or misread.
    """

    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    gres: str | None = "auto"
    nodes: int = 1
    tasks_per_node: int = 1
    accelerator: str = "cpu"
    cpus_per_task: int | None = 4
    mem: str | int | None = None
    time: str | None = None
    mail_user: str | None = None
    mail_type: str = "FAIL,REQUEUE,END"
    throttle: int | None = None
    grace: int = 120
    requeue: bool = True
    preflight: bool = True
    flags: list[str] = field(default_factory=list)
    srun: list[str] = field(default_factory=list)
    modules: list[str] = field(default_factory=list)
    setup: list[str] = field(default_factory=list)
    environment: dict[str, str] | None = None
    container: str | None = None
    container_runtime: str = "pyxis"
    container_mounts: list[str] = field(default_factory=list)
    python: str | None = None

    def __post_init__(self) -> None:
        hint = "; a job needs a number, e.g. trainer.devices=4"
        _whole("nodes", self.nodes)
        _whole("tasks_per_node", self.tasks_per_node, hint)
        _whole("grace", self.grace)
        for name in ("cpus_per_task", "throttle"):
            if getattr(self, name) is not None:
                _whole(name, getattr(self, name))
        # YAML reads 12:00:00 without quotes as the number 43200, which sbatch would take for minutes.
        if self.time is not None and not (isinstance(self.time, str) and _TIME.fullmatch(self.time)):
            raise ConfigError(f"launcher.time={self.time}: write '12:00:00' or '2-00:00:00', in a file with the quotes")
        if (seconds := self.seconds) is not None and seconds <= self.grace:
            raise ConfigError(
                f"launcher.time={self.time}, launcher.grace={self.grace}: a run is told to stop {self.grace} s before "
                "its time is up, which is before it begins; give it more time, or less grace"
            )
        for name in ("flags", "srun", "modules", "setup", "container_mounts"):
            if isinstance(value := getattr(self, name), str):
                quoted = f"'launcher.{name}=[\"{value}\"]'"
                raise ConfigError(f"launcher.{name}={value}: a list is wanted: {quoted}")
        if self.container_runtime not in RUNTIMES:
            raise ConfigError(f"launcher.container_runtime={self.container_runtime}: known are {', '.join(RUNTIMES)}")
        for name in self.environment or {}:
            if not re.fullmatch(r"[A-Za-z_]\w*", name):
                raise ConfigError(f"launcher.environment: '{name}' cannot be the name of a variable")

    def options(self) -> Iterator[str]:
        """The ``sbatch`` options of these settings, but for name, output and array."""
        named: dict[str, object] = {"partition": self.partition, "account": self.account, "qos": self.qos}
        named |= {"constraint": self.constraint, "nodes": self.nodes, "ntasks-per-node": self.tasks_per_node}
        named |= {"cpus-per-task": self.cpus_per_task, "gres": self.devices, "mem": self.mem, "time": self.time}
        named |= {"mail-user": self.mail_user, "mail-type": self.mail_type if self.mail_user else None}
        yield from (f"--{name}={value}" for name, value in named.items() if value is not None)
        yield "--requeue" if self.requeue else "--no-requeue"
        yield f"--signal=USR1@{self.grace}"
        yield from self.flags

    @property
    def seconds(self) -> int | None:
        """The time limit, None where it is the cluster's own."""
        if self.time is None:
            return None
        days, dash, rest = self.time.rpartition("-")
        parts = [int(part) for part in rest.split(":")]
        if dash:  # days-hours[:minutes[:seconds]]
            parts = [*parts, 0, 0][:3]
        hours, minutes, seconds = [0, *parts][-3:]
        return ((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + seconds

    @property
    def memory(self) -> int | None:
        """Bytes that a job gets on each of its nodes, None where it is the cluster's own to say."""
        found = re.fullmatch(r"(\d+)([KMGT]?)B?", str(self.mem).upper()) if self.mem else None
        # Without a letter SLURM takes megabytes; 0 is all of a node.
        return int(found[1]) * 1024 ** ("KMGT".index(found[2] or "M") + 1) or None if found else None

    @property
    def devices(self) -> str | None:
        """The generic resources to ask for, None for none."""
        if self.gres != "auto":
            return self.gres
        return f"gpu:{self.tasks_per_node}" if self.accelerator in ("gpu", "cuda") else None


def _whole(name: str, value: object, hint: str = "") -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ConfigError(f"launcher.{name}={value}: a whole number from 1 on{hint}")
