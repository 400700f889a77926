"""Small sweeps on the stand-in for training, as tests want them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from armature.sweeping import folder
from armature.sweeping.folder import SweepFolder
from armature.sweeping.settings import Settings

FAKE = str(Path(__file__).parent / "fake.py")
RANDOM = {"_target_": "armature.sweeping.sampling.random"}
TPE = {"_target_": "armature.sweeping.sampling.tpe", "startup": 4}
NONE = {"_target_": "armature.sweeping.sampling.no_pruner"}
MEDIAN = {"_target_": "armature.sweeping.sampling.median", "startup": 2, "warmup": 1}
HYPERBAND = {"_target_": "armature.sweeping.sampling.hyperband", "shortest": 1, "reduction": 2}


def made(root: Path, *words: str, **settings: Any) -> SweepFolder:
    """A sweep over x in [-5, 5] whose trainings get ``words`` besides."""
    usual: dict[str, Any] = {
        "name": "study",
        "train": [],
        "options": [],
        "config_dirs": [],
        "space": {"x": "interval(-5, 5)"},
        "when": {},
        "objectives": {"val/AP": "max"},
        "monitor": "val/AP",
        "trials": 6,
        "seed": 1,
        "sampler": RANDOM,
        "pruner": NONE,
        "lag": 4,
        "max_epochs": 4,
        "program": [sys.executable, FAKE, *words],
    }
    return folder.create(root, Settings(**(usual | settings)))


def start(sweep: SweepFolder) -> subprocess.Popen[str]:
    """One worker."""
    command = [sys.executable, "-m", "armature", "sweep", "worker", str(sweep.path)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )


def wait(what: Callable[[], Any], seconds: float = 60) -> Any:
    """The first true answer."""
    deadline = time.monotonic() + seconds
    while not (answer := what()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
    return answer


def record(sweep: SweepFolder) -> list[tuple[str, Any, Any, Any]]:
    """What a sweep came to, without times and hosts: state, params, values, intermediate values of every trial."""
    return [(t.state.name, t.params, t.values, t.intermediate_values) for t in sweep.trials()]


def starts(sweep: SweepFolder, number: int) -> list[int]:
    """After how many epochs each process of a trial began."""
    return [int(line) for line in (sweep.run(number).path / "starts").read_text().split()]
