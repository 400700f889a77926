"""What ``armature jobs`` reads off run folders and SLURM's answers."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from armature import cli
from armature.launching import listing, queue
from armature.provenance import requeues


def folder(runs: Path, name: str, age: float, **files: object) -> Path:
    run = runs / "study" / name
    run.mkdir(parents=True)
    for file, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content)
        (run / file.replace("_", ".")).write_text(text)
    os.utime(run, (1e9 - age, 1e9 - age))
    return run


def segment(status: str, job: str | None = None, restarts: int = 0, start: str = "2026-01-01T10:00:00") -> dict:
    own = {"slurm": {"job": job, "restarts": restarts, "nodes": "n1"}} if job else {}
    return {"status": status, "start": start, **own}


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    noted = {"job": "7_2", "submitted": "2026-01-01T09:00:00"}
    folder(tmp_path, "queued", 0, slurm_json=noted)
    own = {"segments": [segment("running", "8", 1)], "requeues": 1}
    log = "\nepoch 1\repoch 2\r\x1b[31mepoch 3\x1b[0m\r\n\n"
    folder(tmp_path, "going", 1, config_yaml="", provenance_json=own, slurm_json=noted | {"job": "8"}, slurm_log=log)
    folder(tmp_path, "local", 2, config_yaml="", provenance_json={"segments": [segment("finished")]})
    (tmp_path / ".slurm" / "x").mkdir(parents=True)
    return tmp_path


def test_runs_with_their_job_its_state_and_the_last_line(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "states", lambda jobs: {"8": "RUNNING (n1)", "7_2": "PENDING (Priority)"})
    queued, going, local = listing.entries(runs)
    assert (queued.job, queued.state, queued.status, queued.line) == ("7_2", "PENDING (Priority)", "not begun", "")
    assert (going.job, going.status, going.requeues, going.line) == ("8", "running", 1, "epoch 3")
    assert (local.job, local.state, local.status) == ("", "", "finished")
    assert [listing.is_alive(entry) for entry in (queued, going, local)] == [True, True, False]


def test_a_run_submitted_again_has_its_new_job(tmp_path: Path) -> None:
    own = {"segments": [segment("interrupted", "8")]}
    run = folder(tmp_path, "again", 0, provenance_json=own, slurm_json={"job": "9", "submitted": "2026-01-02T00:00:00"})
    (run / "config.yaml").touch()
    (entry,) = listing.entries(tmp_path)
    assert entry.job == "9"


def test_a_script_written_by_hand_has_slurms_own_log(tmp_path: Path) -> None:
    (tmp_path / "slurm-8.out").write_text("hello\n")
    own = {"segments": [segment("running", "8")], "folder": str(tmp_path)}
    folder(tmp_path / "runs", "hand", 0, config_yaml="", provenance_json=own)
    (entry,) = listing.entries(tmp_path / "runs")
    assert (entry.job, entry.line) == ("8", "hello")


def test_the_table(runs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "states", lambda jobs: {"8": "RUNNING (n1)"})
    assert cli.main(["jobs", f"runs={runs}", "all=false"]) == 0
    head, row = capsys.readouterr().out.splitlines()
    assert head.split() == ["job", "slurm", "run", "says", "run", "last", "line", "of", "the", "log"]
    assert row.split() == ["8", "RUNNING", "(n1)", "running", "(1x", "requeued)", "study/going", "epoch", "3"]
    assert cli.main(["jobs", f"runs={runs}/nowhere"]) == 2
    assert "no such folder" in capsys.readouterr().err


def test_states_without_slurm_are_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert queue.states(["1"]) == {}


def test_requeues_are_counted_over_all_jobs_of_a_run() -> None:
    assert requeues([segment("finished")]) == 0
    # The second start of job 8 never got as far as this program: SLURM has counted it all the same.
    assert requeues([segment("x", "8", 0), segment("x", "8", 2), segment("x"), segment("x", "9", 1)]) == 3
