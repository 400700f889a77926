"""Several workers on this machine, each a process of its own: one that is killed takes no other with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from armature.errors import Interrupted
from armature.sweeping.child import end_with_this_process


def command(folder: Path) -> list[str]:
    """What starts one worker of a sweep, here or anywhere that sees the folder."""
    return [sys.executable, "-m", "armature", "sweep", "worker", str(folder)]


def shares(devices: Sequence[str], count: int) -> list[dict[str, str]]:
    """The variables by which each of ``count`` workers sees its own CUDA devices; some share where there are fewer."""
    if len(devices) < 2:
        return [{}] * count
    each = max(1, len(devices) // count)
    mine = [[devices[(worker * each + i) % len(devices)] for i in range(each)] for worker in range(count)]
    return [{"CUDA_VISIBLE_DEVICES": ",".join(part)} for part in mine]


def _devices() -> list[str]:
    """The CUDA devices of this process, without importing torch."""
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return [name for name in os.environ["CUDA_VISIBLE_DEVICES"].split(",") if name.strip()]
    try:
        listed = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [str(i) for i, line in enumerate(listed.stdout.splitlines()) if line.startswith("GPU ")]


def run(folder: Path, count: int) -> None:
    """Starts ``count`` workers and returns when all have ended, however they did.

    Raises:
        Interrupted: this process was asked to stop; the workers have given their trials back.
    """
    received: list[int] = []
    old = {n: signal.signal(n, lambda number, frame: received.append(number)) for n in (signal.SIGTERM, signal.SIGINT)}
    started = [
        subprocess.Popen(
            command(folder),
            start_new_session=True,
            preexec_fn=end_with_this_process(),
            stdin=subprocess.DEVNULL,
            env=os.environ | share,
        )
        for share in shares(_devices(), count)
    ]
    try:
        asked = False
        while any(worker.poll() is None for worker in started):
            if received and not asked:
                asked = True
                for worker in started:
                    worker.terminate()
            time.sleep(0.2)
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
    if received:
        raise Interrupted(f"sweep stopped; go on with: armature sweep resume={folder}", 128 + received[0])
