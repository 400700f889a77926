"""What ``armature jobs`` reads off run folders and SLURM's answers."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from armature import cli
from armature.launching import listing, states
from armature.launching.states import Answer
from armature.provenance import requeues


def folder(runs: Path, name: str, experiment: str = "study", **files: object) -> Path:
    run = runs / experiment / name
    run.mkdir(parents=True)
    for file, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content)
        (run / file.replace("_", ".")).write_text(text)
    return run


def segment(status: str, job: str | None = None, restarts: int = 0, start: str = "2026-01-01T10:00:00") -> dict:
    own = {"slurm": {"job": job, "restarts": restarts, "nodes": "n1"}} if job else {}
    return {"status": status, "start": start, **own}


def noted(job: str, submitted: str = "2026-01-01T09:00:00", **more: object) -> dict:
    return {"job": job, "submitted": submitted, **more}


def slurm_says(monkeypatch: pytest.MonkeyPatch, silence: str = "", **known: str) -> None:
    answer = Answer({job.removeprefix("j"): state for job, state in known.items()}, silence)
    monkeypatch.setattr(states, "ask", lambda jobs: answer)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    own = {"segments": [segment("finished")]}
    folder(tmp_path, "20260101-080000-aaaa", config_yaml="", provenance_json=own)
    folder(tmp_path, "20260101-070000-bbbb", slurm_json=noted("7_2"))  # resumed: queued later than its name says
    own = {"segments": [segment("running", "8", 1)], "requeues": 1}
    log = "\nepoch 1\repoch 2\r\x1b[31mepoch 3\x1b[0m\r\n\n"
    record = noted("8", "2026-01-01T09:00:01")
    folder(tmp_path, "20260101-090001-cccc", config_yaml="", provenance_json=own, slurm_json=record, slurm_log=log)
    (tmp_path / ".slurm" / "x").mkdir(parents=True)
    return tmp_path


def test_runs_with_their_job_its_state_and_the_last_line(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slurm_says(monkeypatch, j8="RUNNING (n1)", j7_2="PENDING (Priority)")
    local, queued, going = listing.listed(runs).entries
    assert (queued.job, queued.state, queued.status, queued.line) == ("7_2", "PENDING (Priority)", "not begun", "")
    assert (going.job, going.status, going.requeues, going.line) == ("8", "running", 1, "epoch 3")
    assert (local.job, local.state, local.status) == ("", "", "finished")
    assert [listing.is_alive(entry) for entry in (queued, going, local)] == [True, True, False]


def test_the_newest_are_those_queued_last_in_the_order_of_their_jobs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slurm_says(monkeypatch)
    for age, job in enumerate(("9_10", "9_2", "9_1", "10")):
        os.utime(folder(tmp_path, f"20260101-090000-{age}", slurm_json=noted(job)), (1e9 + age, 1e9 + age))
    old = folder(tmp_path, "20251231-000000-dddd", config_yaml="", provenance_json={"segments": [segment("finished")]})
    os.utime(old, (2e9, 2e9))  # looked at yesterday: that makes it no newer
    by_hand = folder(tmp_path, "slurm-3", config_yaml="", provenance_json={"segments": [segment("finished", "3")]})
    os.utime(by_hand, (1, 1))
    assert [e.job for e in listing.listed(tmp_path).entries] == ["", "9_1", "9_2", "9_10", "10", "3"]
    assert [e.job for e in listing.listed(tmp_path, last=2).entries] == ["10", "3"]


def test_a_run_submitted_again_has_its_new_job(tmp_path: Path) -> None:
    own = {"segments": [segment("interrupted", "8")]}
    record = noted("9", "2026-01-02T00:00:00")
    folder(tmp_path, "again", config_yaml="", provenance_json=own, slurm_json=record)
    (entry,) = listing.listed(tmp_path).entries
    assert entry.job == "9"


def test_a_script_written_by_hand_has_slurms_own_log(tmp_path: Path) -> None:
    (tmp_path / "slurm-8.out").write_text("hello\n")
    own = {"segments": [segment("running", "8")], "folder": str(tmp_path)}
    folder(tmp_path / "runs", "hand", config_yaml="", provenance_json=own)
    (entry,) = listing.listed(tmp_path / "runs").entries
    assert (entry.job, entry.line) == ("8", "hello")


@pytest.mark.parametrize(
    ("state", "said", "shown"),
    [
        ("RUNNING (n1)", "running", "running"),
        ("CANCELLED", "running", "cancelled"),
        ("OUT_OF_MEMORY (n1, 0:125)", "running", "out of memory"),
        ("FAILED (n1, NonZeroExitCode 1:0)", "running", "died"),
        ("PENDING (BeginTime)", "running", "waits to go on"),
        ("", "running", "was running"),
        ("CANCELLED", "interrupted", "interrupted"),
        ("COMPLETED", "finished", "finished"),
        ("PENDING (Priority)", None, "not begun"),
        ("FAILED (n2, JobLaunchFailure 0:53)", None, "never began"),
        ("", None, "never began"),
    ],
)
def test_a_run_that_could_not_say_how_it_ended_is_told_by_its_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str, said: str | None, shown: str
) -> None:
    own = {"config_yaml": "", "provenance_json": {"segments": [segment(said, "8")]}} if said else {}
    folder(tmp_path, "run", slurm_json=noted("8"), **own)
    slurm_says(monkeypatch, **({"j8": state} if state else {}))
    assert listing.listed(tmp_path).entries[0].status == shown
    slurm_says(monkeypatch, "squeue: no controller")
    assert listing.listed(tmp_path).entries[0].status == (said or "not begun"), "nothing is known of its end then"


def test_a_finished_run_shows_the_metric_that_decides(tmp_path: Path) -> None:
    done = {"config_yaml": "", "provenance_json": {"segments": [segment("finished")]}, "slurm_log": "report  here\n"}
    judged = {"metrics": {"val/AP": 0.4102, "val/error/mean": 3.0}}
    folder(tmp_path, "20260101-000001-a", **done, metrics_json=judged)
    folder(tmp_path, "20260101-000002-b", **done, metrics_json=judged | {"primary": "val/error/mean"})
    folder(tmp_path, "20260101-000003-c", **done, metrics_json={"metrics": {"val/AP": None}})
    assert [e.line for e in listing.listed(tmp_path).entries] == ["AP 0.410", "error/mean 3.00 px", "report  here"]


def test_a_job_that_failed_without_a_log_says_where_to_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder(tmp_path, "run", slurm_json=noted("28"))
    slurm_says(monkeypatch, j28="FAILED (n2, JobLaunchFailure 0:53)")
    assert listing.listed(tmp_path).entries[0].line == f"no log: can the node see {tmp_path}/study?"
    slurm_says(monkeypatch, j28="RUNNING (n2)")
    assert listing.listed(tmp_path).entries[0].line == ""


def test_runs_of_an_experiment_show_in_what_they_differ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slurm_says(monkeypatch)
    for number, choice in enumerate((["architecture=one", "seed=1"], ["architecture=two", "seed=1", "+extra=3"])):
        own = {"overrides": ["name=study", "trainer.max_epochs=3", *choice], "segments": [segment("finished")]}
        folder(tmp_path, f"20260101-00000{number}-a", config_yaml="", provenance_json=own)
    queued = noted("5_0", overrides=["architecture=two", "trainer.max_epochs=9", "trainer.max_epochs=3", "seed=2"])
    folder(tmp_path, "20260101-000002-a", slurm_json=queued)
    folder(tmp_path, "20260101-000003-a", slurm_json=noted("6"))  # by an older program, which did not write them down
    folder(tmp_path, "20260101-000004-a", "alone", slurm_json=noted("7", overrides=["seed=5"]))
    expected = ["architecture=one seed=1", "architecture=two seed=1 extra=3", "architecture=two seed=2", "", ""]
    assert [e.differs for e in listing.listed(tmp_path).entries] == expected
    last = listing.listed(tmp_path, name="study", last=2).entries[0]
    assert last.differs == expected[2], "what is not shown counts as well"


def test_workers_of_sweeps_are_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = tmp_path / "sweeps" / "lr" / "20260101-000000-a" / "jobs"
    jobs.mkdir(parents=True)
    (jobs / "10.json").write_text(json.dumps({"jobs": ["10_0", "10_1"], "submitted": "2026-01-01T09:00:00"}))
    (jobs / "slurm-10_0.log").write_text("trial 0: begins\n")
    slurm_says(monkeypatch, j10_0="RUNNING (n1)", j10_1="FAILED (n2, 0:53)")
    first, second = listing.listed(tmp_path / "runs", tmp_path / "sweeps").entries
    assert (first.job, first.status, first.line) == ("10_0", "worker of a sweep", "trial 0: begins")
    assert (second.state, second.line) == ("FAILED (n2, 0:53)", f"no log: can the node see {jobs}?")
    assert listing.listed(tmp_path / "runs", tmp_path / "sweeps", "other").entries == []
    assert cli.main(["jobs", f"runs={tmp_path}/runs", f"sweeps={tmp_path}/sweeps"]) == 2, "a folder that was named"
    monkeypatch.chdir(tmp_path)
    assert cli.main(["jobs"]) == 0
    table, note = capsys.readouterr().out.rsplit("\n", 2)[:2]
    assert note == "what the trials do: armature sweep status sweeps/lr/20260101-000000-a" and "10_1" in table


def test_the_table(runs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    slurm_says(monkeypatch, j8="RUNNING (n1)")
    assert cli.main(["jobs", f"runs={runs}", "all=false"]) == 0
    head, row = capsys.readouterr().out.splitlines()
    assert (
        head == "job  slurm         run says               run                         result, or last line of the log"
    )
    assert row == "8    RUNNING (n1)  running (1x requeued)  study/20260101-090001-cccc  epoch 3"
    slurm_says(monkeypatch, "squeue: Unable to contact slurm controller")
    assert cli.main(["jobs", f"runs={runs}"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == (
        "- under slurm: SLURM could not be asked: squeue: Unable to contact slurm controller"
    )
    slurm_says(monkeypatch)
    assert cli.main(["jobs", f"runs={runs}"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith("SLURM does not remember the job; it is over")


def test_a_narrow_terminal_gives_the_last_column_lines_of_its_own(
    runs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    slurm_says(monkeypatch, j8="RUNNING (n1)")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    for columns, lines in ((80, 4), (120, 2)):
        monkeypatch.setenv("COLUMNS", str(columns))
        assert cli.main(["jobs", f"runs={runs}", "all=false"]) == 0
        shown = capsys.readouterr().out.splitlines()
        assert len(shown) == lines and max(map(len, shown)) <= columns and shown[-1].endswith("  epoch 3")


def test_no_table_says_why(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    slurm_says(monkeypatch)
    assert cli.main(["jobs", f"runs={runs}", "name=stu"]) == 0
    assert capsys.readouterr().out == f"no runs in {runs} are named 'stu'; there are: study\n"
    assert cli.main(["jobs", f"runs={runs}", "all=false"]) == 0
    assert "newest 3 runs" in capsys.readouterr().out
    assert cli.main(["jobs", f"runs={runs}/nowhere"]) == 2
    assert "no such folder" in capsys.readouterr().err
    (fresh := tmp_path / "fresh").mkdir()
    monkeypatch.chdir(fresh)
    assert cli.main(["jobs"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"nothing has run here yet: there are no runs in {fresh}/runs") and "armature train" in said


def test_requeues_are_counted_over_all_jobs_of_a_run() -> None:
    assert requeues([segment("finished")]) == 0
    # The second start of job 8 never got as far as this program: SLURM has counted it all the same.
    assert requeues([segment("x", "8", 0), segment("x", "8", 2), segment("x"), segment("x", "9", 1)]) == 3
