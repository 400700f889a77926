"""``armature VERB -m``: every combination of the given lists, each a process of its own, one by one or several at once.

Processes of their own, because a distributed run leaves its process group behind and because one run that dies of
whatever cause must not take the others with it.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from armature import ranks, verb_help
from armature.cli import Request
from armature.configuration import expand


def run(request: Request) -> int:
    """0 if every run of the grid succeeded, else 1; a failed run does not stop those after it.

    Raises:
        ConfigError: before anything starts, if a list cannot be read.
    """
    grid = expand(request.overrides, request.config_dirs)
    jobs = 1
    if verb_help.is_launched(request.verb) and not request.preflight:
        from armature import launching

        launched = launching.launch_grid(request, grid)
        if isinstance(launched, int):
            return launched
        jobs = launched.jobs
    numbered = list(enumerate(grid, 1))
    with ThreadPoolExecutor(jobs) as pool:  # a thread only waits for its process
        codes = list(pool.map(lambda one: _run(request, one[0], one[1], len(grid)), numbered))
    failed = [f"exit {code}: {_shown(request, run)}" for code, run in zip(codes, grid) if code]
    if not ranks.follows():
        print(f"{len(grid) - len(failed)} of {len(grid)} runs succeeded", *failed, sep="\n  ")
    return 1 if failed else 0


def _run(request: Request, number: int, overrides: list[str], count: int) -> int:
    """The exit code of one run.

    Raises:
        KeyboardInterrupt: the user stopped it, and with it the runs that have not begun.
    """
    if not ranks.follows():
        print(f"[{number}/{count}] {_shown(request, overrides)}", flush=True)
    command = [sys.executable, "-m", "armature", *request.options(), *request.verb.split("_"), *overrides]
    code = subprocess.run(command, check=False, env=os.environ | {ranks.JOB: str(number)}).returncode
    if code in (130, -2):
        raise KeyboardInterrupt
    return code


def _shown(request: Request, overrides: list[str]) -> str:
    return shlex.join(["armature", *request.verb.split("_"), *overrides])
