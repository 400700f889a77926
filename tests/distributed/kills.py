"""Kills one run again and again and lets it go on: ``python kills.py FOLDER KILLS SEED``; prints what it did as JSON.

Everything is imported once, and every attempt is forked from there, so that an attempt costs a second and not ten.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from small_runs import SMALL

import armature.verbs.train  # noqa: F401
from armature import cli


def attempt(log: Path, run_id: str, arguments: list[str]) -> int:
    """The pid of a process in which the program runs."""
    pid = os.fork()
    if pid:
        return pid
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.environ["ARMATURE_RUN_ID"] = run_id
    code = 1
    try:
        code = cli.main(arguments)
    finally:
        os._exit(code)


def ended(pid: int) -> bool:
    return os.waitpid(pid, os.WNOHANG)[0] == pid


def wait(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def kill(pid: int, after: float, fragments: Path | None) -> str:
    """How the process ended: ``killed``, ``killed in writing``, or ``ended`` before that."""
    deadline = time.monotonic() + after
    while time.monotonic() < deadline:
        if fragments is not None and fragments.is_dir():
            while time.monotonic() < deadline:
                if any(name.endswith(".tmp") for name in os.listdir(fragments)):
                    os.kill(pid, signal.SIGKILL)
                    left = any(name.endswith(".tmp") for name in os.listdir(fragments))
                    os.waitpid(pid, 0)
                    return "killed in writing" if left else "killed"
        if ended(pid):
            return "ended"
        time.sleep(0.001)
    if ended(pid):
        return "ended"
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return "killed"


def main(folder: Path, kills: int, seed: int) -> None:
    rng = random.Random(seed)
    epochs = kills + 4
    begin = ["train", *SMALL, f"runs={folder}", f"trainer.max_epochs={epochs}", "checkpoint_seconds=0"]
    first = time.time()
    code = wait(attempt(folder / "calm.log", "calm", begin))
    assert code == 0, (folder / "calm.log").read_text()
    whole = time.time() - first
    calm = folder / "default/calm"
    start = (calm / "config.yaml").stat().st_mtime - first
    training = float((calm / "history.csv").read_text().splitlines()[-1].split(",")[2])
    run, done = folder / "default" / "shaken", []
    while len(done) < kills:
        arguments = ["train", f"resume={run}"] if (run / "config.yaml").is_file() and rng.random() < 0.7 else begin
        pid = attempt(folder / "shaken.log", "shaken", arguments)
        writing = len(done) % 3 == 2
        how = kill(
            pid,
            rng.uniform(0, start + 1.5 * training / epochs) + 60 * writing,
            run / "checkpoints" if writing else None,
        )
        if how == "ended":
            break
        done.append(how)
    code = wait(attempt(folder / "shaken.log", "shaken", ["train", f"resume={run}"]))
    print(json.dumps({"code": code, "kills": done, "whole": whole, "start": start, "training": training}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
