"""Training in pieces (FSDP2) on the CPU: a run like any other, that goes on, and that anybody can judge."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))

from small_runs import OURS, environment, finished, only_run

from armature import cli

PIECES = ["trainer=fsdp", "trainer.accelerator=cpu", "trainer.devices=2", "trainer.strategy.min_parameters=20000"]

pytestmark = pytest.mark.long


def test_a_run_in_pieces(tmp_path: Path) -> None:
    uneven = ["data.val.length=9", "+data.val_batch_size=1"]  # five batches for one process, four for the other
    code, out, err = finished(OURS, tmp_path, *PIECES, *uneven, "average=none", "optimizer=adamw")
    assert code == 0, err
    assert "2 processes" in out
    run = only_run(tmp_path)
    command = [*OURS, "train", f"resume={run}", "trainer.max_epochs=2"]
    again = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=600, check=False)
    assert again.returncode == 0, again.stderr
    saved = torch.load(run / "checkpoints/last.ckpt", weights_only=True)
    assert saved["global_step"] == 6 and all(type(value) is torch.Tensor for value in saved["state_dict"].values())
    assert cli.main(["evaluate", f"run={run}", f"output={tmp_path / 'again'}"]) == 0
    rows = list(csv.DictReader((run / "history.csv").open()))
    first, judged = (json.loads((f / "metrics.json").read_text())["metrics"] for f in (run, tmp_path / "again"))
    assert first["val/error/mean"] == pytest.approx(judged["val/error/mean"], rel=1e-4)
    kept = json.loads((run / "metrics.json").read_text())["checkpoint"]["epoch"]
    assert float(rows[kept]["val/error/mean"]) == pytest.approx(first["val/error/mean"], rel=1e-4)


def test_averaged_weights_are_refused(tmp_path: Path) -> None:
    code, _, err = finished(OURS, tmp_path, *PIECES, "optimizer=adamw")
    assert code == 2 and "average=none" in err, err
