"""``armature VERB -m``: every combination of the given lists, each a process of its own, one after another.

Processes of their own, because a distributed run leaves its process group behind and because one run that dies of
whatever cause must not take the others with it.
"""

from __future__ import annotations

import shlex
import subprocess
import sys

from armature.cli import Request
from armature.configuration import expand


def run(request: Request) -> int:
    """0 if every run of the grid succeeded, else 1; a failed run does not stop those after it.

    Raises:
        ConfigError: before anything starts, if a list cannot be read.
    """
    grid = expand(request.overrides, request.config_dirs)
    failed = []
    for number, overrides in enumerate(grid, 1):
        shown = shlex.join(["armature", *request.verb.split("_"), *overrides])
        print(f"[{number}/{len(grid)}] {shown}", flush=True)
        command = [sys.executable, "-m", "armature", *request.options(), *request.verb.split("_"), *overrides]
        code = subprocess.run(command, check=False).returncode
        if code in (130, -2):
            raise KeyboardInterrupt
        if code:
            failed.append(f"exit {code}: {shown}")
    print(f"{len(grid) - len(failed)} of {len(grid)} runs succeeded", *failed, sep="\n  ")
    return 1 if failed else 0
