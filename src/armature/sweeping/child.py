"""A process of a trial: it ends when its worker ends, and what it printed last is at hand."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

#: Lines of a crashed process that are kept as its error.
TAIL = 15


class Child:
    """A process whose output goes to the end of a file.

    On Linux it gets SIGTERM when its worker dies, so that a training writes a checkpoint and ends.

    Args:
        log: the file. environment: all of its variables.
    """

    def __init__(self, command: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        self.log, self._start = log, log.stat().st_size if log.is_file() else 0
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                start_new_session=True,  # Ctrl-C is for the worker, which passes on what is meant
                preexec_fn=end_with_this_process(),
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    def code(self) -> int | None:
        """The exit code, None while it runs."""
        return self.process.poll()

    def end(self, patience: float) -> int:
        """Its exit code after it was asked to stop, and killed if it did not within ``patience`` seconds."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(patience)
            except subprocess.TimeoutExpired:
                self.kill()
        return self.process.wait()

    def kill(self) -> None:
        """Ends it and what it started, at once."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def last_words(self) -> str:
        """The end of what it printed, for the record of a crash."""
        with self.log.open("rb") as file:
            file.seek(self._start)
            lines = file.read().decode(errors="replace").rstrip().splitlines()
        return "\n".join(lines[-TAIL:])


def end_with_this_process() -> Callable[[], None] | None:
    """For ``preexec_fn``: SIGTERM to the new process when this one is gone (PR_SET_PDEATHSIG); None but on Linux."""
    if sys.platform != "linux":
        return None
    parent, libc = os.getpid(), ctypes.CDLL(None)

    def prepare() -> None:
        libc.prctl(1, signal.SIGTERM)
        if os.getppid() != parent:  # gone already
            os._exit(128 + signal.SIGTERM)

    return prepare
