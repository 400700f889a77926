"""Real trainings and real Optuna; a sweep that is disturbed is in ``tests/slurm/test_sweep.py``."""

from __future__ import annotations

import itertools
import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from real_study import SMALL, VARIABLES, newest

pytestmark = [pytest.mark.slow, pytest.mark.long]

ENVIRONMENT = os.environ | VARIABLES


def armature(*words: str, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "armature", *words],
        env=ENVIRONMENT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        **options,
    )


def finished(process: subprocess.Popen[str], seconds: float = 1500) -> str:
    said, _ = process.communicate(timeout=seconds)
    assert process.returncode == 0, said
    return said


def test_accuracy_against_cost(tmp_path: Path) -> None:
    words = ["space={model.head_channels: 'choice(4, 8)'}", "sampler=grid", "pruner=none", "trials=2"]
    words += ["objectives={val/error/mean: min, cost/parameters: min, cost/latency: min}"]
    words += ["cost=['threads=1','repeats=2','warmup=1','people=[1]','batches=[1]']"]
    small = [word for word in SMALL if not word.startswith("model.head_channels")]
    said = finished(armature("sweep", *words, *small, f"sweeps={tmp_path}"))
    sweep = newest(tmp_path)
    for trial, heads in zip(sweep.trials(), ("4", "8"), strict=True):
        assert trial.params == {"model.head_channels": heads}
        written = json.loads(sweep.run(trial.number).metrics.read_text())["metrics"]
        cost = json.loads(sweep.run(trial.number).cost.read_text())
        assert trial.values[:2] == [written["val/error/mean"], cost["parameters"]["total"]]
        assert trial.values[2] == cost["latency"][0]["total"]["median"] > 0
    assert sweep.trials()[0].values[1] < sweep.trials()[1].values[1]
    assert "2 trials: 2 complete" in said


def test_starting_a_trial_costs_less_than_eight_seconds_beyond_imports(tmp_path: Path) -> None:
    """Seconds of the processor, which do not depend on what else runs; they include the six steps that are trained."""
    imports = _processor([sys.executable, "-c", "import armature.verbs.train"])
    sweep = [sys.executable, "-m", "armature", "sweep", "space={optimizer.lr: 'interval(0.001,0.002)'}", *SMALL]
    one, three = (
        _processor([*sweep, f"trials={trials}", "sampler=random", f"sweeps={tmp_path}/{trials}"]) for trials in (1, 3)
    )
    trial = (three - one) / 2
    claims = [json.loads(f.read_text()) for f in sorted((newest(tmp_path / "3").path / "claims").glob("*.json"))]
    between = [b["start"] - a["end"] for a, b in itertools.pairwise(claims)]
    print(f"imports {imports:.1f} s, a trial {trial:.1f} s, between two {between}")
    assert trial - imports < 8
    assert max(between) < 8


def _processor(command: list[str]) -> float:
    """Seconds of the processor that a command and its children used."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, env=ENVIRONMENT, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
