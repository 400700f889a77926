"""Who works on which trial: one file for every time that a worker takes a trial up, and its age as a sign of life.

A claim is made by linking a finished file to its name, which exactly one process can do, on network file systems too.
Its worker touches it every few seconds. Whoever sees it unchanged for the grace time, by a clock of its own, may make
the next claim on the trial; on the same machine a dead process is noticed at once. A worker that was only thought dead
finds the newer claim and lets go.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from armature import provenance
from armature.run_folder import write_json

#: A trial whose workers died without a word this many times is given up: it probably kills them.
DEATHS = 5


@dataclass(frozen=True)
class Claim:
    """One worker's hold on a trial.

    Attributes:
        attempt: from 1. said: who holds it (host, place, pid, born, on a cluster slurm: its job and node) and its
            ``state``: running, released or finished.
    """

    path: Path
    number: int
    attempt: int
    said: dict[str, Any]

    @property
    def host(self) -> str:
        """The machine: its node's name on a cluster, where machines may call themselves alike."""
        return str(self.said.get("slurm", {}).get("node") or self.said.get("host", ""))

    @property
    def job(self) -> str:
        """The cluster's job whose worker holds or held it; "" where there is none."""
        return str(self.said.get("slurm", {}).get("job", ""))

    def seconds(self, grace: float) -> float:
        """How long it was, or is, worked on; a dead worker's work ends with its last sign of life."""
        changed = self.path.stat().st_mtime
        going = self.said["state"] == "running" and time.time() - changed < grace
        end = self.said.get("end") or (time.time() if going else changed)
        return max(float(end) - float(self.said["start"]), 0.0)

    def touch(self) -> bool:
        """Gives a sign of life; False if somebody else has taken the trial."""
        with contextlib.suppress(OSError):  # a file server that is away for a moment
            os.utime(self.path)
        return not self.path.with_name(f"{self.number:04d}.{self.attempt + 1:03d}.json").exists()

    def say(self, **facts: Any) -> None:
        """Adds facts: the training's process, the end."""
        self.said.update(facts)
        write_json(self.path, self.said)


@dataclass
class Watch:
    """What one process has seen of all claims of a sweep.

    Args:
        folder: of the claims. grace: seconds without a sign of life that mean death.
    """

    folder: Path
    grace: float
    _seen: dict[str, tuple[float, float]] = field(default_factory=dict)

    @staticmethod
    def read(path: Path) -> Claim:
        """The claim in a file."""
        number, attempt, _ = path.name.split(".")
        return Claim(path, int(number), int(attempt), json.loads(path.read_text()))

    def attempts(self, number: int) -> list[Claim]:
        """All claims on a trial, in their order."""
        return [self.read(file) for file in sorted(self.folder.glob(f"{number:04d}.[0-9][0-9][0-9].json"))]

    def latest(self, number: int) -> Claim | None:
        """The newest claim on a trial."""
        files = sorted(self.folder.glob(f"{number:04d}.[0-9][0-9][0-9].json"))
        return self.read(files[-1]) if files else None

    def deaths(self, number: int) -> int:
        """How many workers of a trial ended without a word, the present one not counted."""
        return sum(claim.said["state"] == "running" for claim in self.attempts(number)[:-1])

    def is_free(self, claim: Claim | None) -> bool:
        """Whether a trial may be taken: nobody has it, or its worker gave it back or is dead."""
        if claim is None or claim.said["state"] != "running":
            return True
        if claim.said["place"] == _place():
            return not is_alive(claim.said["pid"], claim.said["born"])
        return self._silence(claim) > self.grace

    def take(self, number: int, after: Claim | None) -> Claim | None:
        """A claim on a trial, None if another process was first."""
        attempt = after.attempt + 1 if after else 1
        path = self.folder / f"{number:04d}.{attempt:03d}.json"
        said = {"host": platform.node(), "place": _place(), "pid": os.getpid(), "born": born(os.getpid())}
        said |= {"state": "running", "start": time.time()} | _slurm()
        temporary = self.folder / f".{os.getpid()}.{secrets.token_hex(4)}"
        temporary.write_text(json.dumps(said))
        try:
            os.link(temporary, path)
        except FileExistsError:
            return None
        finally:
            temporary.unlink()
        return Claim(path, number, attempt, said)

    def orphan(self, claim: Claim) -> tuple[int, str] | None:
        """The process (number, birth) that the worker before left running, if it was on this machine."""
        before = self.folder / f"{claim.number:04d}.{claim.attempt - 1:03d}.json"
        said = self.read(before).said if before.is_file() else {}
        return (said["child"], said["child_born"]) if said.get("place") == _place() and said.get("child") else None

    def _silence(self, claim: Claim) -> float:
        """Seconds since a claim was last seen to change, by this process's own clock: others' clocks differ."""
        now, changed = time.monotonic(), claim.path.stat().st_mtime
        before = self._seen.get(claim.path.name)
        if before is None or before[0] != changed:
            self._seen[claim.path.name] = before = (changed, now)
        return now - before[1]


def born(pid: int) -> str:
    """When a process started, so that its number used again is not taken for it; "" where that is not told."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def is_alive(pid: int, since: str = "") -> bool:
    """Whether a process of this machine still runs; one that has ended and was not yet collected does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return not Path("/proc/self").exists()  # it has just ended; or there is no /proc here
    return state[0] not in "ZX" and (not since or state[19] == since)


def _slurm() -> dict[str, Any]:
    job = provenance.slurm().get("job")
    return {"slurm": {"job": job, "node": os.environ.get("SLURMD_NODENAME", "")}} if job else {}


def _place() -> str:
    """This machine since it was started, and within it this container: where process numbers mean the same."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{platform.node()} {boot} {os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return platform.node()
