from __future__ import annotations

import os
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from armature import provenance
from armature.verbs import system


def _run(runs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> tuple[int, str]:
    monkeypatch.setenv("COLUMNS", "300")
    code = system.run(OmegaConf.create({"runs": str(runs)}), [], [])
    return code, capsys.readouterr().out


def test_a_sound_machine(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    code, shown = _run(tmp_path / "new" / "runs", capsys, monkeypatch)
    assert code == 0
    assert "ready to train" in shown
    for topic in ("torch", "processor", "memory", "accelerator", "W&B", "runs", "GiB free"):
        assert topic in shown
    assert not (tmp_path / "new").exists(), "looking leaves nothing behind"
    assert os.listdir(tmp_path) == []


def test_a_missing_package_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provenance, "versions", lambda: {"python": "3", "kornia": ""})
    code, shown = _run(tmp_path, capsys, monkeypatch)
    assert code == 1
    assert "pip install kornia" in shown
    assert "to mend before training: kornia" in shown


def test_a_folder_that_cannot_be_written_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(system, "_writable", lambda folder: folder != tmp_path)
    code, shown = _run(tmp_path / "runs", capsys, monkeypatch)
    assert code == 1
    assert f"{tmp_path} cannot be written; runs=FOLDER chooses another" in shown


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"WANDB_MODE": "offline"}, "offline by WANDB_MODE"),
        ({"WANDB_API_KEY": "x"}, "logged in: "),
        ({}, "not logged in: "),
    ],
)
def test_what_wandb_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: str
) -> None:
    for name in ("WANDB_MODE", "WANDB_API_KEY", "WANDB_BASE_URL", "WANDB_IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    (finding,) = system._wandb()
    assert expected in finding.what
