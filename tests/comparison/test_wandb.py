"""What ``armature compare ... wandb=PROJECT`` leaves for W&B, read back from an offline run."""

import json
import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "tracking"))

from reading import only_run

from armature.cli import main
from armature.comparison import output

pytestmark = pytest.mark.slow


@pytest.fixture
def compared(make_run, tmp_path, monkeypatch):
    """Three systems, one of them of two seeds; a metric that none of them has."""
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("WANDB_MODE", "offline")
    runs = [make_run(f"good/{seed}", 2.0, seed, config={"name": "good", "noise": 2.0}) for seed in (1, 2)]
    runs += [
        make_run(f"{name}/1", noise, 1, config={"name": name, "noise": noise})
        for name, noise in (("fair", 4.0), ("bad", 9.0))
    ]
    out = tmp_path / "out"
    assert main(["compare", *map(str, runs), f"output={out}", "resamples=50", "pictures=0", "wandb=keypoints"]) == 0
    return out


def table(run, row, name):
    """A logged table as a list of dicts."""
    written = json.loads((run.file.parent / "files" / row[name]["path"]).read_text())
    return [dict(zip(written["columns"], values, strict=True)) for values in written["data"]]


def test_tables_page_and_headline_can_be_read_back(compared, capsys):
    run = only_run(compared)
    assert run.run.project == "keypoints" and run.run.job_type == "compare" and run.run.run_group == "compare"
    assert run.run.display_name == "compare 3 systems" and run.exit == 0
    said = json.loads((compared / "comparison.json").read_text())
    (row,) = [row for row in run.rows if "comparison/ranking" in row]
    ranking = table(run, row, "comparison/ranking")
    assert [(r["system"], r["seeds"]) for r in ranking] == [(s["name"], s["n"]) for s in said["systems"]]
    for line, system in zip(ranking, said["systems"], strict=True):
        for name, number in system["numbers"].items():
            if name in line:
                assert line[name] == number["estimate"] and line[f"{name} low"] == number["low"]
    pairs = table(run, row, "comparison/pairs")
    assert len(pairs) == len(said["comparisons"]) == 3
    for line, pair in zip(pairs, said["comparisons"], strict=True):
        assert {name: pair[name] for name in line} == line
    page = run.file.parent / "files" / row["comparison/page"]["path"]
    # the client puts a style of its own at the head of the page
    assert "<title>" in page.read_text() and page.stat().st_size > 0.9 * (compared / "comparison.html").stat().st_size
    assert run.summary["headline"]


def test_without_a_page_and_without_w_and_b(compared, monkeypatch, tmp_path):
    said = json.loads((compared / "comparison.json").read_text())
    assert "run" in output.send(said, tmp_path / "other", "keypoints", None)
    assert "comparison/page" not in only_run(tmp_path / "other").rows[0]
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert output.send(said, tmp_path / "none", "keypoints", None).startswith("W&B: nothing was sent to 'keypoints'")
    assert not (tmp_path / "none").exists()


def test_a_client_that_fails_does_not_fail_the_comparison(compared, monkeypatch, tmp_path):
    import wandb

    def fail(*args, **kwargs):
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(wandb, "Table", fail)
    said = json.loads((compared / "comparison.json").read_text())
    assert "the disk is full" in output.send(said, tmp_path / "other", "keypoints", None)
