"""Stopped, killed, continued: to the bit what an undisturbed run is, with one process and with two."""

from __future__ import annotations

import csv
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))

from small_runs import DDP, OURS, SMALL, environment, finished, only_run

from armature import cli

ALONE = ["data.batch_size=8"]


def outcome(run: Path) -> dict[str, Any]:
    """Everything that a run comes to and that does not depend on the clock."""
    saved = torch.load(run / "checkpoints/last.ckpt", weights_only=True)
    rows = list(csv.DictReader((run / "history.csv").open()))
    return {
        "weights": {name: value.numpy().tobytes() for name, value in saved["state_dict"].items()},
        "optimizer": [
            v.numpy().tobytes()
            for s in saved["optimizer_states"][0]["state"].values()
            for v in s.values()
            if isinstance(v, torch.Tensor)
        ],
        "schedule": saved["lr_schedulers"][0]["last_epoch"],
        "step": saved["global_step"],
        "metrics": json.loads((run / "metrics.json").read_text())["metrics"],
        "history": [{n: v for n, v in row.items() if not n.startswith(("throughput", "seconds"))} for row in rows],
    }


def in_process(runs: Path, *overrides: str) -> Path:
    os.environ.pop("ARMATURE_RUN_ID", None)
    assert cli.main(["train", *SMALL, *ALONE, f"runs={runs}", *overrides]) == 0
    os.environ.pop("ARMATURE_RUN_ID", None)
    return only_run(runs)


@pytest.mark.long
def test_three_epochs_and_three_more_are_six(tmp_path: Path) -> None:
    whole = in_process(tmp_path / "whole", "trainer.max_epochs=6")
    halves = in_process(tmp_path / "halves", "trainer.max_epochs=3", "schedule_epochs=6")
    assert cli.main(["train", f"resume={halves}", "trainer.max_epochs=6"]) == 0
    assert outcome(halves) == outcome(whole)
    segments = json.loads((halves / "provenance.json").read_text())["segments"]
    assert segments[1]["changed"] == {"trainer.max_epochs": [3, 6]} and "changed" not in segments[0]


@pytest.mark.slow
def test_refused_on_the_command_line_with_nothing_touched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = in_process(tmp_path, "trainer.max_epochs=1")
    before = {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}
    assert cli.main(["train", f"resume={run}", "model.head_channels=16"]) == 2
    assert "model.head_channels cannot change" in capsys.readouterr().err
    # The same names, other pictures: found by the data's own fingerprint.
    config = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(config.replace("length: 24", "length: 25"))
    assert cli.main(["train", f"resume={run}", "trainer.max_epochs=2"]) == 2
    assert "split is not what it was" in capsys.readouterr().err
    (run / "config.yaml").write_text(config)
    assert {p: p.read_bytes() for p in run.rglob("*") if p.is_file()} == before


#: Twelve batches an epoch, so that processes that agree on stopping every ten of them stop in the middle of one.
LONG = ["data.train.length=96", "schedule_epochs=6"]


@pytest.mark.long
def test_two_processes_stopped_in_mid_epoch_and_between_epochs(tmp_path: Path) -> None:
    command = lambda *more: finished(OURS, tmp_path / "parts", *DDP, *LONG, *more, timeout=900)  # noqa: E731
    code, _, err = finished(OURS, tmp_path / "whole", *DDP, *LONG, "trainer.max_epochs=6")
    assert code == 0, err
    stop = ["+logger.fault._target_=faults.Fault", "+logger.fault.rank=1", "+logger.fault.how=stop"]
    code, _, err = command("trainer.max_epochs=3", *stop, "+logger.fault.step=15")
    assert code == 143 and "stopped in epoch 2, batch 10" in err, err
    run = only_run(tmp_path / "parts")
    assert json.loads((run / "provenance.json").read_text())["segments"][-1]["status"] == "interrupted"
    for epochs in (3, 6):
        resume(run, f"trainer.max_epochs={epochs}")
    same(outcome(run), outcome(only_run(tmp_path / "whole")))


@pytest.mark.long
def test_one_process_goes_on_as_two(tmp_path: Path) -> None:
    """Another number of processes, the same global batch: allowed, noted, and at the same place."""
    run = in_process(tmp_path, "trainer.max_epochs=1")
    resume(
        run, "trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2", "data.batch_size=4", "trainer.max_epochs=2"
    )
    segments = json.loads((run / "provenance.json").read_text())["segments"]
    assert [segment["processes"] for segment in segments] == [1, 2]
    assert segments[1]["changed"]["trainer.devices"] == [1, 2] and segments[1]["changed"]["data.batch_size"] == [8, 4]
    assert [row["step"] for row in csv.DictReader((run / "history.csv").open())] == ["3", "6"]


def resume(run: Path, *overrides: str) -> None:
    import subprocess

    command = [*OURS, "train", f"resume={run}", *overrides]
    found = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=900, check=False)
    assert found.returncode == 0, found.stderr


def same(one: dict[str, Any], other: dict[str, Any]) -> None:
    for name in one:
        assert one[name] == other[name], name
