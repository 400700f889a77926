"""Freed memory stays with the process: counted in page faults, in processes of their own."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys

import pytest

_WORK = """
import json, resource, sys
import numpy as np
from armature import memory
kept = memory.keep_freed() if sys.argv[1] == "keep" else False
def step():
    big = [np.ones(40 << 20, np.uint8) for _ in range(3)]
for _ in range(3): step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5): step()
print(json.dumps([kept, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before]))
"""
_OWN = ("MALLOC_", "GLIBC_TUNABLES", "LD_PRELOAD")


def faults(how: str, **environment: str) -> tuple[bool, int]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(_OWN)}
    made = subprocess.run(
        [sys.executable, "-c", _WORK, how], capture_output=True, text=True, check=True, env=clean | environment
    )
    kept, count = json.loads(made.stdout)
    return bool(kept), int(count)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library decides for itself")
def test_large_blocks_are_used_again() -> None:
    plain, kept = faults("leave"), faults("keep")
    assert kept[0] and not plain[0]
    assert plain[1] > 1000, "without it every block is made of fresh pages; else this test shows nothing"
    assert kept[1] < plain[1] / 50


def test_settings_of_the_user_are_left_alone() -> None:
    assert not faults("keep", GLIBC_TUNABLES="glibc.malloc.trim_threshold=131072")[0]
    assert not faults("keep", MALLOC_TRIM_THRESHOLD_="131072")[0]
