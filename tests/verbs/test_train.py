"""``armature train``, from the command line to the run folder, on a network small enough for a test."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml

from armature import cli
from smallest import RUN

pytestmark = pytest.mark.slow

SMALL = [
    *RUN,
    "data.batch_size=8",
    "data.train.length=24",
    "data.val.length=9",
    "pictures=2",
    "logger=csv",
]


@pytest.fixture(autouse=True)
def _fresh_run_id(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run tells its children its id through the environment; the next run of this process is no child."""
    monkeypatch.delenv("ARMATURE_RUN_ID", raising=False)


def train(runs: Path, *overrides: str) -> Path:
    os.environ.pop("ARMATURE_RUN_ID", None)
    assert cli.main(["train", *SMALL, f"runs={runs}", *overrides]) == 0
    return max((runs / "default").iterdir(), key=lambda p: p.stat().st_mtime)


def resume(run: Path, *overrides: str) -> None:
    assert cli.main(["train", f"resume={run}", *overrides]) == 0


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("whole"), "trainer.max_epochs=4", "verify=true")


def test_a_run_leaves_everything_it_promises(whole: Path) -> None:
    names = {p.relative_to(whole).as_posix() for p in whole.rglob("*") if p.is_file()}
    promised = ["config.yaml", "provenance.json", "metrics.json", "history.csv", "predictions.json", "report.html"]
    assert {*promised, "checkpoints/best.ckpt", "checkpoints/last.ckpt", "pictures/curves.png"} <= names
    assert sum(name.startswith("pictures/sample") for name in names) == 2
    written = json.loads((whole / "metrics.json").read_text())
    assert {"val/AP", "val/AR", "val/PCK@0.1", "val/error/mean", "val/PCK@0.1/left_wrist"} <= set(written["metrics"])
    assert written["verified"]["equal"] and written["protocol"]["max_detections"] == 20
    assert written["primary"] == "val/AP" and "val/PCK@0.1/group:wrists" in written["metrics"]
    assert written["protocol"]["images"] == 9 and {"data", "network", "decode", "evaluation"} <= set(written["time"])
    assert len(list(csv.DictReader((whole / "history.csv").open()))) == 4


def test_two_epochs_and_two_more_are_four_to_the_bit(whole: Path, tmp_path: Path) -> None:
    halves = train(tmp_path, "trainer.max_epochs=2", "schedule_epochs=4")
    before = json.loads((halves / "provenance.json").read_text())
    resume(halves, "trainer.max_epochs=4")
    a = torch.load(whole / "checkpoints/last.ckpt", weights_only=True)
    b = torch.load(halves / "checkpoints/last.ckpt", weights_only=True)
    assert a["state_dict"].keys() == b["state_dict"].keys() and a["global_step"] == b["global_step"] == 12
    for name, value in a["state_dict"].items():
        assert torch.equal(value, b["state_dict"][name]), name
    after = json.loads((halves / "provenance.json").read_text())
    assert len(after["segments"]) == len(before["segments"]) + 1 and after["wandb_id"] == before["wandb_id"]
    rows = list(csv.DictReader((halves / "history.csv").open()))
    other = list(csv.DictReader((whole / "history.csv").open()))
    assert [r["epoch"] for r in rows] == ["1", "2", "3", "4"]
    assert [r["train/total"] for r in rows] == [r["train/total"] for r in other]


def test_a_run_judged_again_gives_the_same_numbers(whole: Path, tmp_path: Path) -> None:
    assert cli.main(["evaluate", f"run={whole}", f"output={tmp_path}"]) == 0
    again = json.loads((tmp_path / "metrics.json").read_text())["metrics"]
    first = json.loads((whole / "metrics.json").read_text())["metrics"]
    assert again == first


def test_a_run_from_before_there_was_a_primary_metric_is_judged_and_goes_on(whole: Path, tmp_path: Path) -> None:
    run = tmp_path / "default" / whole.name
    shutil.copytree(whole, run)
    config = yaml.safe_load((run / "config.yaml").read_text())
    del config["data"]["primary"], config["metrics"]["measures"]
    config |= {"monitor": "val/PCK@0.2", "monitor_mode": "max"}
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    given = ["slices=true", "+measure@measures.PCKt=pck_torso"]
    assert cli.main(["evaluate", f"run={run}", f"output={tmp_path}", *given]) == 0
    again = json.loads((tmp_path / "metrics.json").read_text())
    first = json.loads((whole / "metrics.json").read_text())["metrics"]
    assert {name: again["metrics"][name] for name in first} == first
    assert again["primary"] == "val/PCK@0.2" and "val/PCKt@0.2" in again["metrics"] and again["slices"]
    resume(run, "trainer.max_epochs=5")
    assert json.loads((run / "metrics.json").read_text())["primary"] == "val/PCK@0.2"
    assert len(list(csv.DictReader((run / "history.csv").open()))) == 5


def test_predictions_of_a_run_are_drawn_and_written(whole: Path, tmp_path: Path) -> None:
    import cv2
    import numpy as np

    source = tmp_path / "in"
    source.mkdir()
    cv2.imwrite(str(source / "a.png"), np.full((50, 80, 3), 128, np.uint8))
    (source / "torn.jpg").write_bytes(b"\xff\xd8\xff no picture")
    code = cli.main(["predict", f"run={whole}", f"source={source}", f"output={tmp_path / 'out'}", "min_score=0.0"])
    assert code == 1  # one picture could not be read, and is named
    assert (tmp_path / "out/a.jpg").is_file()
    results = json.loads((tmp_path / "out/predictions.json").read_text())
    assert results and all(len(r["keypoints"]) == 51 and r["image_id"] == 1 for r in results)


def test_what_cannot_be_resumed_says_what_there_is(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train", f"resume={whole}", "trainer.max_epoch=9"]) == 2
    assert "trainer.max_epoch" in capsys.readouterr().err
    assert cli.main(["train", f"resume={whole.parent / 'nowhere'}"]) == 2
    assert "no such folder" in capsys.readouterr().err


def test_a_loss_on_an_output_that_nobody_emits_is_an_error_before_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = cli.main(["train", *SMALL, f"runs={tmp_path}", "+term@loss.pafs=l1"])
    said = capsys.readouterr().err
    assert code == 2 and "loss term 'pafs' reads output 'pafs'" in said and "center" in said
    assert not list(tmp_path.iterdir())


def test_ctrl_c_keeps_the_state_and_says_how_to_go_on(whole: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "armature", "train", *SMALL, f"runs={tmp_path}", "trainer.max_epochs=500"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, stdout=subprocess.DEVNULL)
    deadline = time.time() + 100
    while not list(tmp_path.glob("default/*/history.csv")) and time.time() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    found = re.search(r"armature train resume=(\S+)", said)
    assert found and (Path(found[1]) / "checkpoints/last.ckpt").is_file()
    segments = json.loads((Path(found[1]) / "provenance.json").read_text())["segments"]
    assert segments[-1]["status"] == "interrupted"
