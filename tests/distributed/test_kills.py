"""A run that is killed (-9) at random moments, also while it writes a checkpoint, ends as the undisturbed one.

``ARMATURE_KILLS`` says how often; 20 were done by hand.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))

from small_runs import environment

KILLS = int(os.environ.get("ARMATURE_KILLS", "6"))


@pytest.mark.long
@pytest.mark.slow
def test_killed_and_gone_on_equals_undisturbed(tmp_path: Path) -> None:
    command = [sys.executable, str(Path(__file__).parent / "kills.py"), str(tmp_path), str(KILLS), "1"]
    found = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=2400, check=False)
    assert found.returncode == 0, found.stderr
    said = json.loads(found.stdout.splitlines()[-1])
    print(said)
    assert said["code"] == 0, (tmp_path / "shaken.log").read_text()
    assert len(said["kills"]) == KILLS and "killed in writing" in said["kills"]
    calm, shaken = tmp_path / "default/calm", tmp_path / "default/shaken"
    metrics = [json.loads((run / "metrics.json").read_text())["metrics"] for run in (calm, shaken)]
    assert metrics[0] == metrics[1]
    weights = [torch.load(run / "checkpoints/last.ckpt", weights_only=True)["state_dict"] for run in (calm, shaken)]
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    rows = [list(csv.DictReader((run / "history.csv").open())) for run in (calm, shaken)]
    for name in ("epoch", "step", "lr", "train/total", "val/error/mean"):
        assert [row[name] for row in rows[0]] == [row[name] for row in rows[1]], name
    segments = json.loads((shaken / "provenance.json").read_text())["segments"]
    assert segments[-1]["status"] == "finished" and {s["status"] for s in segments[:-1]} <= {"killed"}
    assert not [p for p in shaken.rglob("*") if p.name.endswith((".tmp", ".partial"))]
