"""``armature reproduce``: trained, evaluated and judged; exit codes, result.json and the line of the table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from armature import cli, config_folders
from armature.reports import ledger

pytestmark = pytest.mark.slow

#: An experiment of a user, in a folder of their own: a few drawn pictures, a network of a few kernels.
EXPERIMENT = """# @package _global_
defaults:
  - override /logger: csv
name: {name}
expected: {expected}
pictures: 0
flip_test: false
model: {{backbone: {{name: test_resnet}}, head_channels: 8, neck: {{width: 8}}}}
data:
  canvas: [64, 64]
  batch_size: 8
  workers: 0
  train: {{length: 8}}
  val: {{length: 3}}
trainer: {{precision: 32-true, threads: 1, max_epochs: 2}}
"""
EASY = {"metric": "val/error/mean", "value": 10, "tolerance": 500, "source": "a test", "protocol": "no flip test"}
HARD = {"metric": "val/AP", "value": 0.9, "tolerance": 0.1, "source": "a test"}


@pytest.fixture(autouse=True)
def _fresh_run_id(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ARMATURE_RUN_ID", raising=False)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three experiments: one that expects little, one that expects much, one that expects nothing."""
    folder = tmp_path_factory.mktemp("reproduce")
    (folder / "conf" / "experiment").mkdir(parents=True)
    for name, expected in (("easy", EASY), ("hard", HARD), ("silent", None)):
        text = EXPERIMENT.format(name=name, expected=json.dumps(expected))
        (folder / "conf" / "experiment" / f"{name}.yaml").write_text(text)
    return folder


def reproduce(place: Path, *overrides: str) -> int:
    own = [f"experiments={place / 'experiments'}", f"runs={place / 'runs'}"]
    return cli.main(["reproduce", "--config-dir", str(place / "conf"), *own, *overrides])


def result(place: Path, name: str) -> dict[str, Any]:
    return json.loads((place / "experiments" / name / "result.json").read_text())


@pytest.fixture(scope="module")
def trained(place: Path) -> Path:
    """The run folder of a training that reaches what it should."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("ARMATURE_RUN_ID", raising=False)
        assert reproduce(place, "experiment=easy", "trainer.max_epochs=1", "backbone@model.backbone=resnet18") == 0
    (run,) = (place / "runs" / "easy").iterdir()
    return run


def test_a_training_that_reaches_it_leaves_a_run_and_a_result(place: Path, trained: Path) -> None:
    found = result(place, "easy")
    metrics = json.loads((trained / "metrics.json").read_text())
    assert found["reached"] is True and found["found"] == metrics["metrics"]["val/error/mean"]
    assert found["expected"] == EASY and found["how"] == "trained" and found["protocol"] == metrics["protocol"]
    assert found["overrides"] == ["trainer.max_epochs=1", "backbone@model.backbone=resnet18"]
    assert "reproduce" in found["command"] and found["seconds"] > 0 and found["date"].startswith("20")
    assert found["versions"]["torch"] and found["hardware"]["cpu"] and "host" not in found["hardware"]
    assert set(found["code"]) == {"commit", "dirty"} and not any("/nose" in name for name in found["metrics"])
    config = yaml.safe_load((trained / "config.yaml").read_text())
    assert not {"run", "weights", "experiments", "table"} & set(config) and config["expected"] == EASY


def test_the_table_has_its_line(place: Path, trained: Path) -> None:
    (line,) = (row for row in (place / "experiments" / "README.md").read_text().splitlines() if "[easy]" in row)
    assert "| 10 ± 500 |" in line and "| reached |" in line and "a test; no flip test" in line
    assert "trained 20" in line and "with trainer.max_epochs=1" in line


def test_a_finished_run_is_judged_without_training(place: Path, trained: Path) -> None:
    before = result(place, "easy")
    assert reproduce(place, f"run={trained}") == 0
    again = result(place, "easy")
    assert again["how"] == "a finished run judged"
    for name in ("found", "command", "date", "seconds", "metrics"):
        assert again[name] == before[name]
    assert len(list((place / "runs" / "easy").iterdir())) == 1


def test_weights_are_evaluated_and_what_is_missed_exits_with_3(
    place: Path, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = f"weights={trained / 'checkpoints' / 'best.ckpt'}"
    assert reproduce(place, "experiment=hard", weights, "backbone@model.backbone=resnet18") == 3
    assert "missed by" in capsys.readouterr().out
    found = result(place, "hard")
    metrics = json.loads((trained / "metrics.json").read_text())["metrics"]
    assert found["reached"] is False and found["how"] == "best.ckpt evaluated"
    assert found["found"] == metrics["val/AP"] and found["metrics"]["val/error/mean"] == metrics["val/error/mean"]
    assert "hard" not in {p.name for p in (place / "runs").iterdir()}
    assert "| missed by " in (place / "experiments" / "README.md").read_text()


def test_what_was_not_measured_is_not_reached(place: Path, trained: Path) -> None:
    config = yaml.safe_load((trained / "config.yaml").read_text())
    run = place / "unmeasured" / "easy" / "run"
    run.mkdir(parents=True)
    config["expected"] = HARD | {"metric": "val/nosuch"}
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    for name in ("metrics.json", "provenance.json"):
        (run / name).write_text((trained / name).read_text())
    assert cli.main(["reproduce", f"run={run}", f"experiments={place / 'elsewhere'}"]) == 3
    found = json.loads((place / "elsewhere" / "easy" / "result.json").read_text())
    assert found["reached"] is None and "not measured" in found["summary"]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["experiment=silent"], "'silent' has no `expected`"),
        (["experiment=easy", "run=RUN", "weights=x"], "one of run=FOLDER and weights=FILE"),
        (["experiment=easy", "resume=RUN"], "armature train resume"),
        (["experiment=hard", "run=RUN"], "is of 'easy', not of experiment 'hard'"),
        (["run=RUN", "trainer.max_epochs=3"], "'trainer.max_epochs=3' is of a training"),
        (["run=nowhere"], "no such folder"),
        (["experiment=hard", "weights=nowhere.ckpt"], "nowhere.ckpt cannot be read"),
    ],
)
def test_mistakes_are_named(
    overrides: list[str], message: str, place: Path, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(p for p in place.rglob("*") if p.is_file())
    assert reproduce(place, *(text.replace("RUN", str(trained)) for text in overrides)) == 2
    assert message in capsys.readouterr().err
    assert sorted(p for p in place.rglob("*") if p.is_file()) == before


def test_the_table_alone_says_what_is_missing_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ARMATURE_DATA", str(tmp_path / "empty"))
    monkeypatch.setattr("armature.provenance.accelerators", lambda: [])
    assert cli.main(["reproduce", "table=true", f"experiments={tmp_path}"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "not run: needs data `coco` and a GPU" in said and "data not present" in said and "no GPU" in said
    table = ledger.markdown(ledger.rows(config_folders.project(), tmp_path))
    assert table in (tmp_path / "README.md").read_text()
