"""A throw-away SLURM on this machine: munged, slurmctld and several slurmd on the loopback, in one folder.

It needs Debian's packages slurm-wlm and munge, no systemd, no root, and about a second. The daemons are children of a
keeper process (this file, run as a program) that ends them, and every job with them, as soon as its standard input
closes: also when the process that started the cluster is killed. Only processes that the keeper started, or that carry
this cluster's SLURM_CONF in their environment, are ever signalled.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

NEEDED = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol")
PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])  # daemons lie where users do not look

CONF = """
ClusterName=throwaway
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser={user}
SlurmdUser={user}
# A requeued job waits for its old credential to expire: two minutes where nothing is said.
AuthInfo=socket={folder}/run/munge.sock,cred_expire=5
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/run/slurmctld.pid
SlurmdPidFile={folder}/run/slurmd-%n.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd-%n.log
MailProg={folder}/mail.sh
# No cgroups: neither root nor a writable /sys.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/log/jobs.txt
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
DefMemPerCPU=512
SlurmdParameters=config_overrides
SchedulerParameters=sched_min_interval=0,batch_sched_delay=0,bf_interval=1,sched_interval=1
ReturnToService=2
KillWait=5
MinJobAge=300
SlurmdTimeout=6
PropagateResourceLimits=NONE
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
GresTypes=gpu
NodeName=n[1-{nodes}] NodeHostname={host} NodeAddr=127.0.0.1 Port=[{first}-{last}] \\
    CPUs=2 RealMemory=8192 Gres=gpu:1 Feature=quick State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES State=UP PriorityTier=1
PartitionName=polite Nodes=ALL State=UP PriorityTier=1 GraceTime=30
PartitionName=urgent Nodes=ALL State=UP PriorityTier=10 PreemptMode=OFF
"""


def missing() -> list[str]:
    """The programs of SLURM that this machine lacks."""
    return [name for name in NEEDED if shutil.which(name, path=PATH) is None]


class Cluster:
    """A running cluster; ``variables`` is the environment in which its commands work."""

    def __init__(self, nodes: int = 3) -> None:
        self.nodes = nodes
        # Not pytest's folder: the path of a socket has at most 107 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="slurm-"))
        self.conf = self.folder / "slurm.conf"
        self.variables = {**_without_slurm(os.environ), "PATH": PATH, "SLURM_CONF": str(self.conf)}
        command = [sys.executable, __file__, str(self.folder), str(nodes)]
        # A session of its own: Ctrl-C is for pytest, which then closes the pipe.
        self._keeper = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert self._keeper.stdout is not None
        said = self._keeper.stdout.readline().strip()
        if said != "up":
            self.stop()
            raise RuntimeError(f"the cluster did not come up: {said}")

    def stop(self) -> None:
        """Ends every job and daemon and removes the folder."""
        assert self._keeper.stdin is not None
        self._keeper.stdin.close()
        self._keeper.wait(60)

    def call(self, *command: str) -> str:
        """What a SLURM command prints."""
        done = subprocess.run(command, env=self.variables, capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout.strip()

    def show(self, job: str) -> dict[str, str]:
        """The fields of ``scontrol show job``."""
        line = self.call("scontrol", "-o", "show", "job", job).splitlines()[0]
        return dict(part.split("=", 1) for part in line.split(" ") if "=" in part)

    def state(self, job: str) -> str:
        return self.show(job)["JobState"]

    def wait(self, job: str, *states: str, seconds: float = 90) -> str:
        """The first of ``states`` that the job is seen in."""
        seen = ""

        def reached() -> bool:
            nonlocal seen
            seen = self.state(job)
            return seen in states

        wait_for(reached, seconds, lambda: f"job {job} is {seen}, not {states}")
        return seen

    def fail(self, node: int) -> None:
        """What a power cut does to a node: its daemon and everything that runs on it is gone."""
        daemon = int((self.folder / "run" / f"slurmd-n{node}.pid").read_text())
        for process in [daemon, *self._on(node)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)

    def revive(self, node: int) -> None:
        """Brings a node back that has failed; the keeper ends its daemon with the rest."""
        program = str(shutil.which("slurmd", path=PATH))
        subprocess.run([program, "-N", f"n{node}"], env=self.variables, check=True, capture_output=True)
        wait_for(
            lambda: "idle" in self.call("sinfo", "-h", "-n", f"n{node}", "-o", "%t"), 30, lambda: f"n{node} is down"
        )

    def _on(self, node: int) -> list[int]:
        """The processes of SLURM that hold this cluster's jobs on a node, then those jobs' processes.

        In this order, because a holder that outlives its job says of it that it failed, which no power cut does.
        """
        tasks = processes(f"SLURM_CONF={self.conf}", f"SLURMD_NODENAME=n{node}")
        return [holder for task in tasks if (holder := _holder(task))] + tasks


def processes(*marks: str) -> list[int]:
    """The processes that have all these NAME=VALUE in their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            variables = (process / "environ").read_bytes().split(b"\0")
            if all(mark.encode() in variables for mark in marks):
                found.append(int(process.name))
    return found


def _holder(task: int) -> int | None:
    """The slurmstepd above a process of a job."""
    while task > 1:
        with contextlib.suppress(OSError, ValueError, IndexError):
            status = Path(f"/proc/{task}/status").read_text()
            if status.startswith("Name:\tslurmstepd"):
                return task
            task = int(status.split("PPid:\t")[1].split("\n")[0])
            continue
        return None
    return None


def wait_for(condition: Callable[[], object], seconds: float, message: Callable[[], str]) -> None:
    """Returns once ``condition`` holds; fails with ``message`` where it does not in time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, message()
        time.sleep(0.1)


def _without_slurm(variables: os._Environ[str]) -> dict[str, str]:
    return {name: value for name, value in variables.items() if not name.startswith(("SLURM", "SBATCH", "SRUN"))}


# ---------------------------------------------------------------------------------------------------- the keeper


class Keeper:
    """Starts the daemons of one cluster and ends them."""

    def __init__(self, folder: Path, nodes: int) -> None:
        self.folder, self.nodes = folder, nodes
        self.daemons: list[subprocess.Popen[bytes]] = []
        self.variables = {**_without_slurm(os.environ), "PATH": PATH, "SLURM_CONF": str(folder / "slurm.conf")}

    def start(self) -> None:
        for name in ("state", "log", "run", "munge", *(f"spool-n{i}" for i in range(1, self.nodes + 1))):
            (self.folder / name).mkdir(mode=0o700)
        for folder in (self.folder, self.folder / "run"):
            folder.chmod(0o755)
        self._configure()
        self._munge()
        self._daemon("slurmctld", "-D")
        for number in range(1, self.nodes + 1):
            self._daemon("slurmd", "-D", "-N", f"n{number}")
        idle = f"idle {self.nodes}"
        wait_for(lambda: self._ask("sinfo", "-h", "-p", "main", "-o", "%t %D") == idle, 20, self._log)

    def stop(self) -> None:
        self._ask("scancel", "-u", str(os.getuid()))
        with contextlib.suppress(AssertionError):
            wait_for(lambda: self._ask("squeue", "-h") == "", 10, str)
        for daemon in reversed(self.daemons):
            daemon.terminate()
        for daemon in self.daemons:
            with contextlib.suppress(subprocess.TimeoutExpired):
                daemon.wait(10)
            daemon.kill()
        for process in self._left():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _configure(self) -> None:
        import getpass

        port, first = _free_ports(self.nodes)
        text = CONF.format(
            host=socket.gethostname().split(".")[0],
            user=getpass.getuser(),
            folder=self.folder,
            nodes=self.nodes,
            port=port,
            first=first,
            last=first + self.nodes - 1,
        )
        (self.folder / "slurm.conf").write_text(text)
        # slurmd initialises a cgroup plugin even where nothing uses it, and ends where /sys has none.
        (self.folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")
        (self.folder / "gres.conf").write_text("Name=gpu File=/dev/null\n")
        mail = self.folder / "mail.sh"
        mail.write_text(f'#!/bin/sh\necho "$@" >> {self.folder}/log/mail.txt\n')
        mail.chmod(0o755)

    def _munge(self) -> None:
        key = self.folder / "munge" / "key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o600)
        places = {"key-file": key, "socket": self.folder / "run/munge.sock", "pid-file": self.folder / "run/munged.pid"}
        places |= {"log-file": self.folder / "log/munged.log", "seed-file": self.folder / "munge/seed"}
        self._daemon("munged", "--foreground", "--num-threads=2", *(f"--{k}={v}" for k, v in places.items()))
        wait_for((self.folder / "run/munge.sock").exists, 10, lambda: "munged did not start")

    def _daemon(self, *command: str) -> None:
        with open(self.folder / "log" / "keeper.txt", "ab") as log:
            program = str(shutil.which(command[0], path=PATH))
            arguments = [program, *command[1:]]
            self.daemons.append(
                subprocess.Popen(arguments, env=self.variables, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            )

    def _ask(self, *command: str) -> str:
        """What a command prints, if it answers: the controller may not be there (yet)."""
        try:
            done = subprocess.run(command, env=self.variables, capture_output=True, text=True, timeout=5, check=False)
        except subprocess.TimeoutExpired:
            return "no answer"
        return done.stdout.strip() if done.returncode == 0 else "failed"

    def _log(self) -> str:
        return (self.folder / "log" / "keeper.txt").read_text()[-2000:].replace("\n", " | ")

    def _left(self) -> list[int]:
        """What is left of this cluster's daemons and jobs."""
        return [pid for pid in processes(f"SLURM_CONF={self.folder}/slurm.conf") if pid != os.getpid()]


def _free_ports(nodes: int) -> tuple[int, int]:
    """A port for the controller and the first of as many in a row for the nodes, all free a moment ago."""
    # Clusters that start at the same time have neighbouring process ids: theirs must not overlap.
    for start in range(20_000 + os.getpid() * (nodes + 1) % 10_000, 60_000, nodes + 1):
        if all(_is_free(port) for port in range(start, start + nodes + 1)):
            return start, start + 1
    raise RuntimeError("no free ports")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _keep(folder: Path, nodes: int) -> None:
    keeper = Keeper(folder, nodes)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(0))
    try:
        keeper.start()
        print("up", flush=True)
        sys.stdin.read()  # until the other end closes
    except AssertionError as error:
        print(error, flush=True)
    finally:
        keeper.stop()


if __name__ == "__main__":
    _keep(Path(sys.argv[1]), int(sys.argv[2]))
