from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from armature import cli, multirun, verb_help
from armature.errors import ConfigError, Interrupted

HEAVY = {"torch", "hydra", "omegaconf", "numpy", "pytorch_lightning", "rich"}


def _python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("arguments", [["--help"], ["system", "--help"], ["--version"], ["train", "--help"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    code = f"import sys; from armature.cli import main; code = main({arguments})"
    done = _python(f"{code}; print(sorted({HEAVY} & set(sys.modules)), code)")
    assert done.stdout.strip().endswith("[] 0"), done.stdout + done.stderr


def test_help_answers_in_half_a_second() -> None:
    times = []
    for _ in range(3):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "armature", "--help"], check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.5


def test_help_lists_every_verb_with_its_summary(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    shown = capsys.readouterr().out
    for verb, file in verb_help.verbs().items():
        facts = verb_help.constants(file)
        assert facts["SUMMARY"] in shown and verb_help.spoken(verb) in shown, f"{file.name} lacks SUMMARY"
        assert facts["EXAMPLES"], f"{file.name} lacks EXAMPLES"


def test_help_of_a_verb_names_keys_groups_and_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train", "--help"]) == 0
    shown = capsys.readouterr().out
    for word in ("examples:", "seed: 1", "optimizer", "adamw", "backbone", "resnet18", "coco_person"):
        assert word in shown, word
    assert "_self_" not in shown


def test_a_users_folder_adds_options_to_help(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "optimizer").mkdir()
    (tmp_path / "optimizer" / "mine.yaml").write_text("a: 1")
    assert cli.main(["train", "--help", "--config-dir", str(tmp_path)]) == 0
    assert "mine" in capsys.readouterr().out


def test_the_parts_of_a_command_line() -> None:
    words = ["--config-dir", "a", "train", "seed=1", "--config-dir=b", "+x=2", "--allow", "mylab", "-m"]
    request = cli.parse(words)
    assert (request.verb, request.overrides, request.multirun) == ("train", ["seed=1", "+x=2"], True)
    assert request.options() == ["--config-dir", "a", "--config-dir", "b", "--allow", "mylab"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["tarin"], "no verb 'tarin', did you mean 'train'?"),
        (["train", "--confg-dir", "x"], "no option --confg-dir, did you mean '--config-dir'?"),
        (["train", "--allow"], "--allow needs a value"),
        (["seed=1"], "stands where a verb is expected"),
        (["train", "sed=1"], "did you mean 'seed'?"),
        (["train", "seed"], "overrides are written seed=VALUE"),
        (["train", "--config-dir", "/nowhere/at/all"], "no such folder"),
        (["train", "-m", "seed=1,2", "lr=interval(1,2)"], "an interval has no end of values"),
    ],
)
def test_a_users_mistake_is_one_message_and_exit_2(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(words) == 2
    shown = capsys.readouterr()
    assert shown.err.startswith("error: ")
    assert message in shown.err
    assert "Traceback" not in shown.err
    assert not shown.out


def _verb(monkeypatch: pytest.MonkeyPatch, error: BaseException | None) -> list[SimpleNamespace]:
    calls: list[SimpleNamespace] = []

    def run(config: object, overrides: list[str], command: list[str]) -> int:
        calls.append(SimpleNamespace(config=config, overrides=overrides, command=command))
        if error:
            raise error
        return 0

    monkeypatch.setattr("armature.verbs.system.run", run)
    return calls


@pytest.mark.parametrize(
    ("error", "code"),
    [(ConfigError("x"), 2), (KeyboardInterrupt(), 130), (Interrupted("go on with ...", 143), 143), (None, 0)],
)
def test_exit_codes(monkeypatch: pytest.MonkeyPatch, error: BaseException | None, code: int) -> None:
    calls = _verb(monkeypatch, error)
    assert cli.main(["system", "runs=elsewhere"]) == code
    (call,) = calls
    assert call.config.runs == "elsewhere"
    assert call.overrides == ["runs=elsewhere"]
    assert call.command == ["armature", "system", "runs=elsewhere"]


def test_our_own_mistake_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    _verb(monkeypatch, RuntimeError("a bug"))
    with pytest.raises(RuntimeError, match="a bug"):
        cli.main(["system"])


def test_allow_reaches_child_processes_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARMATURE_ALLOW", "first.")
    _verb(monkeypatch, None)
    cli.main(["system", "--allow", "mylab", "--allow", "theirs."])
    assert os.environ["ARMATURE_ALLOW"] == "first.,mylab,theirs."


def test_a_grid_is_run_one_by_one_and_a_failure_stops_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    commands: list[list[str]] = []

    def run(command: list[str], check: bool, env: dict[str, str]) -> SimpleNamespace:
        commands.append(command[3:])
        return SimpleNamespace(returncode=1 if "seed=2" in command else 0)

    monkeypatch.setattr(multirun.subprocess, "run", run)
    assert cli.main(["train", "-m", "seed=1,2", "optimizer=glob(ad*)", "--allow", "mylab"]) == 1
    expected = [[f"seed={seed}", f"optimizer={name}"] for seed in (1, 2) for name in ("adam", "adamw")]
    assert commands == [["--allow", "mylab", "train", *overrides] for overrides in expected]
    assert "2 of 4 runs succeeded" in capsys.readouterr().out


def test_a_grid_stops_when_the_user_interrupts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multirun.subprocess, "run", lambda *_, **__: SimpleNamespace(returncode=130))
    assert cli.main(["train", "-m", "seed=1,2"]) == 130
