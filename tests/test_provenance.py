from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from armature import provenance
from armature.errors import UserError
from armature.run_folder import read_json, write_json


def _git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    done = subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    _git(tmp_path, "init", "-q", "-b", "trunk")
    (tmp_path / "a.py").write_text("x = 1\n")
    _git(tmp_path, "add", ".")
    _git(tmp_path, "commit", "-qm", "first")
    return tmp_path


def test_a_clean_checkout_is_its_commit(checkout: Path) -> None:
    code = provenance.code(checkout)
    assert code["commit"] == _git(checkout, "rev-parse", "HEAD")
    assert (code["branch"], code["dirty"], code["diff"], code["untracked"]) == ("trunk", False, "", [])


def test_a_changed_checkout_keeps_its_diff(checkout: Path) -> None:
    (checkout / "a.py").write_text("x = 2\n")
    (checkout / "b.py").write_text("")
    code = provenance.code(checkout)
    assert code["dirty"]
    assert "+x = 2" in code["diff"]
    assert code["untracked"] == ["b.py"]
    (checkout / "a.py").write_text("x = 1\n")
    assert provenance.code(checkout)["dirty"], "a new file alone makes it dirty"


def test_a_huge_diff_is_cut_and_says_so(checkout: Path) -> None:
    (checkout / "a.py").write_text("y = 1\n" * provenance.DIFF_LIMIT)
    diff = provenance.code(checkout)["diff"]
    assert len(diff) < provenance.DIFF_LIMIT + 100
    assert "cut at" in diff


def test_outside_a_checkout_and_without_git(
    checkout: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert provenance.code(tmp_path_factory.mktemp("plain")) == {}
    (checkout / "site-packages").mkdir()
    assert provenance.code(checkout / "site-packages") == {}, "somebody else's repository is not ours"
    monkeypatch.setenv("PATH", "")
    assert provenance.code(checkout) == {}


def test_the_facts_of_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    monkeypatch.setenv("WANDB_API_KEY", "secret-of-mine")
    command = ["armature", "train", "name=with space"]
    facts = provenance.collect(command, command[2:], {"seed": 3}, {"train": "abc"})
    assert facts["command"] == "armature train 'name=with space'"
    assert facts["overrides"] == ["name=with space"]
    assert facts["seeds"] == {"seed": 3}
    assert facts["data"] == {"train": "abc"}
    assert facts["environment"]["SLURM_JOB_ID"] == "17"
    assert facts["versions"]["torch"]
    assert facts["hardware"]["cores"] >= 1
    assert facts["hardware"]["memory"] > 2**28
    assert facts["wandb_id"] is None
    assert "secret-of-mine" not in json.dumps(facts)
    (segment,) = facts["segments"]
    assert (segment["status"], segment["end"]) == ("running", None)


def test_a_resumed_run_gets_a_segment_and_keeps_its_beginning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "provenance.json"
    first = provenance.collect(["armature", "train"], [], {"seed": 3})
    write_json(file, first)
    provenance.finish(file, "interrupted", wandb_id="abc")
    monkeypatch.setattr(provenance, "code", lambda: {"commit": "another"})
    provenance.resume(file, ["armature", "train", "resume=x"])
    provenance.finish(file)
    known = read_json(file)
    assert known["command"] == "armature train"
    assert known["code"] == json.loads(json.dumps(first["code"]))
    assert known["wandb_id"] == "abc"
    before, after = known["segments"]
    assert (before["status"], after["status"]) == ("interrupted", "finished")
    assert before["end"] <= after["start"] <= after["end"]
    assert after["command"] == "armature train resume=x"
    assert after["code"] == {"commit": "another"}, "what differs from the beginning is told"
    assert "versions" not in after


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "provenance.json").write_text("{")
    with pytest.raises(UserError, match=r"provenance\.json is not JSON"):
        provenance.resume(tmp_path / "provenance.json", ["armature"])
