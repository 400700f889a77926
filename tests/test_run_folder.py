from __future__ import annotations

import errno
import json
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from armature import run_folder
from armature.errors import ConfigError, UserError


@pytest.fixture(autouse=True)
def _no_shared_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(run_folder.RUN_VARIABLE, "")
    monkeypatch.delenv(run_folder.RUN_VARIABLE)


def test_runs_that_start_together_never_share_a_folder(tmp_path: Path) -> None:
    made: list[run_folder.RunFolder] = []
    threads = [threading.Thread(target=lambda: made.append(run_folder.create(tmp_path, "e"))) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({folder.path for folder in made}) == 32
    assert all(folder.path.is_dir() and folder.path.parent == tmp_path / "e" for folder in made)
    assert {folder.experiment for folder in made} == {"e"}


def test_a_taken_id_is_drawn_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter(["aaaa"] * 9 + ["bbbb"])  # the clock may tick meanwhile, hence "at least two ids"
    monkeypatch.setattr(run_folder.secrets, "token_hex", lambda n: next(drawn))
    ids = {run_folder.create(tmp_path, "e").id for _ in range(2)}
    assert len(ids) == 2


def test_processes_of_one_run_and_a_requeued_job_share_its_folder(tmp_path: Path) -> None:
    first = run_folder.create(tmp_path, "e")
    first.share()
    assert os.environ[run_folder.RUN_VARIABLE] == first.id
    assert run_folder.create(tmp_path, "e") == first
    os.environ[run_folder.RUN_VARIABLE] = "slurm-17"
    assert run_folder.create(tmp_path, "e").path == tmp_path / "e" / "slurm-17"


@pytest.mark.parametrize("name", ["../out", "a/b", "", ".hidden", "a b", "/abs"])
def test_names_that_leave_the_root_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="cannot be a folder"):
        run_folder.create(tmp_path / "runs", name)
    os.environ[run_folder.RUN_VARIABLE] = name or "../x"
    with pytest.raises(ConfigError, match=run_folder.RUN_VARIABLE):
        run_folder.create(tmp_path / "runs", "fine")


def test_a_root_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("")
    with pytest.raises(ConfigError, match="runs="):
        run_folder.create(tmp_path / "runs", "e")


def test_a_run_is_opened_by_its_folder_or_by_a_file_in_it(tmp_path: Path) -> None:
    folder = run_folder.create(tmp_path, "e")
    run_folder.write_yaml(folder.config, {"a": 1})
    run_folder.write_text(folder.best, "")
    assert run_folder.open(folder.path) == folder
    assert run_folder.open(folder.best).path == folder.path


def test_what_is_no_run_names_the_newest_ones(tmp_path: Path) -> None:
    folders = [run_folder.create(tmp_path, "e") for _ in range(2)]
    for age, folder in enumerate(folders):
        run_folder.write_yaml(folder.config, {})
        os.utime(folder.config, (100 - age, 100 - age))
        os.utime(folder.path, (100 - age, 100 - age))
    for wrong in (tmp_path / "e" / "typo", tmp_path / "e"):
        with pytest.raises(ConfigError) as caught:
            run_folder.open(wrong)
        text = str(caught.value)
        assert str(wrong) in text
        assert 0 < text.index(str(folders[0].path)) < text.index(str(folders[1].path))


def test_writers_leave_only_the_file(tmp_path: Path) -> None:
    run_folder.write_json(tmp_path / "deep" / "m.json", {"AP": 0.5, "name": "é"})
    run_folder.write_yaml(tmp_path / "deep" / "c.yaml", {"b": 1, "a": [1, 2]})
    assert sorted(os.listdir(tmp_path / "deep")) == ["c.yaml", "m.json"]
    assert (tmp_path / "deep" / "c.yaml").read_text().startswith("b: 1")
    assert run_folder.read_json(tmp_path / "deep" / "m.json") == {"AP": 0.5, "name": "é"}


def test_json_of_numbers_that_are_none_and_of_other_kinds(tmp_path: Path) -> None:
    values = {"a": float("nan"), "b": np.float32(0.5), "c": torch.tensor(3), "d": (1, np.nan), 5: tmp_path}
    run_folder.write_json(tmp_path / "m.json", values)
    text = (tmp_path / "m.json").read_text()
    assert json.loads(text) == {"a": None, "b": 0.5, "c": 3, "d": [1, None], "5": str(tmp_path)}
    with pytest.raises(ValueError, match="JSON compliant"):
        run_folder.write_json(tmp_path / "m.json", {"a": float("inf")})
    assert (tmp_path / "m.json").read_text() == text


def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "last.ckpt"
    run_folder.write_text(file, "old")

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def half(path: Path) -> None:
        path.write_text("ne")
        full()

    with pytest.raises(UserError, match=r"last\.ckpt could not be written: No space left on device"):
        run_folder.write(file, half)
    monkeypatch.setattr(run_folder.os, "fsync", full)
    with pytest.raises(UserError, match="No space left"):
        run_folder.write_text(file, "new")
    assert file.read_text() == "old"
    assert os.listdir(tmp_path) == ["last.ckpt"]


def test_nothing_is_named_before_it_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    real_sync, real_replace = os.fsync, os.replace
    monkeypatch.setattr(run_folder.os, "fsync", lambda d: (events.append("sync"), real_sync(d))[1])
    monkeypatch.setattr(run_folder.os, "replace", lambda a, b: (events.append("rename"), real_replace(a, b))[1])
    run_folder.write_text(tmp_path / "x", "y")
    assert events == ["sync", "rename", "sync"]


def test_an_interrupted_writer_leaves_no_rubbish(tmp_path: Path) -> None:
    def interrupted(path: Path) -> None:
        path.write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_folder.write(tmp_path / "x", interrupted)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("text", [None, "{", "[1, 2"])
def test_reading_what_is_no_json(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "p.json").write_text(text)
    with pytest.raises(UserError, match=r"p\.json"):
        run_folder.read_json(tmp_path / "p.json")
