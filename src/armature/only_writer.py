"""One run, one process that writes it: a second one would mix its checkpoints, numbers and log with the first's."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import time
from collections.abc import Iterator
from typing import IO

from armature.errors import UserError
from armature.run_folder import RunFolder

try:
    import fcntl
except ImportError:  # Windows: nothing is guarded
    fcntl = None  # type: ignore[assignment]

#: In a run's folder; says who writes there, and is empty where nobody does.
LOCK = ".writer"


@contextlib.contextmanager
def only_writer(run: RunFolder, patience: float = 30.0) -> Iterator[None]:
    """Keeps a run to this process until the end, however that comes: the kernel gives the lock back.

    Args:
        patience: seconds for a process that is about to end: one that was killed, or whose job was queued again.

    Raises:
        UserError: another process still writes the run after that; says which.
    """
    with open(run.path / LOCK, "a+") as file:
        _wait(file, run, patience)
        file.truncate(0)
        file.write(_me())
        file.flush()
        try:
            yield
        finally:
            # Closing it unlocks it. A process must not open the file twice: the first close would end the lock.
            file.truncate(0)


def _wait(file: IO[str], run: RunFolder, patience: float) -> None:
    end, said = time.monotonic() + patience, False
    while not _locked(file):
        file.seek(0)
        other = file.read().strip() or "another process"
        if time.monotonic() >= end:
            raise UserError(f"{run.path} is being trained by {other}; end that first, or let it finish")
        if not said:
            said = True
            print(f"{run.path}: waiting up to {patience:.0f} s for {other} to end", file=sys.stderr, flush=True)
        time.sleep(min(1.0, patience / 10))


def _locked(file: IO[str]) -> bool:
    """False where another process has the lock; a file system without locks guards nothing."""
    if fcntl is None:
        return True
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return True
    return True


def _me() -> str:
    job = f" (job {os.environ['SLURM_JOB_ID']})" if "SLURM_JOB_ID" in os.environ else ""
    return f"process {os.getpid()} on {os.environ.get('SLURMD_NODENAME') or socket.gethostname()}{job}"
