"""The job script: what it asks of SLURM, and, run by a shell with stand-ins for SLURM's programs, what it does."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from armature import cli, launching
from armature.configuration import compose
from armature.errors import ConfigError
from armature.launching import Local, Slurm
from armature.launching import script as job_script
from armature.launching.script import Work
from armature.run_folder import RUN_VARIABLE

pytestmark = pytest.mark.slow


def directives(text: str) -> list[str]:
    return [line.removeprefix("#SBATCH ") for line in text.splitlines() if line.startswith("#SBATCH ")]


def dry(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert cli.main(["train", "launcher=slurm", "--dry-run", *words]) == 0
    return capsys.readouterr().out


def test_a_dry_run_prints_the_script_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    text = dry(
        capsys, "trainer=gpu", "trainer.devices=4", "launcher.partition=a100", "launcher.time=12:00:00", "seed=3"
    )
    asked = directives(text)
    for line in ("--partition=a100", "--gres=gpu:4", "--ntasks-per-node=4", "--nodes=1", "--time=12:00:00"):
        assert line in asked
    assert {"--requeue", "--signal=USR1@120", "--open-mode=append", "--job-name=default"} <= set(asked)
    assert not [line for line in asked if line.startswith(("--account", "--qos", "--mem", "--mail", "--array"))]
    assert "set -- train trainer=gpu trainer.devices=4 seed=3\n" in text, (
        "the launcher's own keys are no keys of the run"
    )
    assert not list(tmp_path.iterdir())


def test_every_setting_reaches_the_script(capsys: pytest.CaptureFixture[str]) -> None:
    given = {"account": "me", "qos": "long", "constraint": "quick", "mem": "8G", "mail_user": "me@x", "gres": "gpu:a:1"}
    more = ["flags=[--exclusive,'--comment=two words']", "srun=['--mpi=none']", "modules=[gcc/12,cuda]"]
    more += ["setup=['source /site/env']", "environment={NAME:'a b'}", "grace=30", "requeue=false"]
    text = dry(capsys, *(f"launcher.{k}={v}" for k, v in given.items()), *(f"launcher.{text}" for text in more))
    asked = directives(text)
    for name, value in given.items():
        assert f"--{name.replace('_', '-')}={value}" in asked
    assert {"--exclusive", '--comment="two words"', "--no-requeue", "--signal=USR1@30"} <= set(asked)
    assert "--mail-type=FAIL,REQUEUE,END" in asked
    for line in ("module load gcc/12 cuda", "export NAME='a b'", "source /site/env"):
        assert line in text.splitlines()
    assert "--mpi=none" in text and "scontrol requeue" not in text


@pytest.mark.parametrize(
    ("runtime", "expected"),
    [
        (
            "pyxis",
            "srun --kill-on-bad-exit=1 --container-image=/x.sif --container-mounts=/a:/b,/c:/c python -m armature",
        ),
        (
            "apptainer",
            "srun --kill-on-bad-exit=1 apptainer exec --nv --bind /a:/b --bind /c:/c /x.sif python -m armature",
        ),
    ],
)
def test_a_container_is_entered_on_the_node(runtime: str, expected: str) -> None:
    settings = Slurm(
        container="/x.sif",
        container_runtime=runtime,
        container_mounts=["/a:/b", "/c:/c"],
        accelerator="gpu",
        cpus_per_task=None,
    )
    assert expected in job_script.text(settings, [Work(("train",))], "n", "o")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"time": 43200}, "with the quotes"),
        ({"time": "tomorrow"}, "write '12:00:00'"),
        ({"tasks_per_node": "auto"}, "trainer.devices=4"),
        ({"nodes": 0}, "launcher.nodes=0"),
        ({"throttle": -1}, "launcher.throttle=-1"),
        ({"container_runtime": "docker"}, "known are pyxis, apptainer, singularity"),
        ({"time": "0:02:00", "grace": 120}, "before it begins"),
        ({"flags": "--nice=10"}, "'launcher.flags=[\"--nice=10\"]'"),
        ({"environment": {"A B": 1}}, "'A B' cannot be the name"),
    ],
)
def test_settings_that_sbatch_would_refuse_or_misread(settings: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        Slurm(**settings)


@pytest.mark.parametrize(
    ("time", "seconds"),
    [("90:30", 5430), ("1:00:01", 3601), ("2-0", 172800), ("1-02:30", 95400), ("0-00:00:07", 7), (None, None)],
)
def test_the_time_limit_in_seconds(time: str | None, seconds: int | None) -> None:
    assert Slurm(time=time, grace=1).seconds == seconds


@pytest.mark.parametrize(
    ("mem", "size"),
    [("1500M", 1500 << 20), (1500, 1500 << 20), ("4G", 4 << 30), ("2T", 2 << 40), ("64K", 64 << 10), ("0", None)],
)
def test_the_memory_of_a_job_in_bytes(mem: str | int, size: int | None) -> None:
    assert Slurm(mem=mem).memory == size and Slurm().memory is None


def test_a_grid_is_one_array_for_each_kind_of_job(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", "-m", "launcher=slurm", "launcher.throttle=2", "seed=1,2", "trainer.devices=1,2", "--dry-run"]
    assert cli.main(words) == 0
    one, two = capsys.readouterr().out.split("#!/bin/bash")[1:]
    for text, devices in ((one, 1), (two, 2)):
        assert "--array=0-1%2" in directives(text) and f"--ntasks-per-node={devices}" in directives(text)
        arguments = re.findall(r"set -- (.*) ;;", text)
        assert arguments == [f"train seed={seed} trainer.devices={devices}" for seed in (1, 2)]
    ids = re.findall(rf"export {RUN_VARIABLE}=(\S+);", one + two)
    assert len(set(ids)) == 4


@pytest.mark.parametrize("words", [["train", "seed=1"], ["train", "-m", "seed=1,2"], ["system"]])
def test_dry_run_without_a_job_is_a_mistake(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*words, "--dry-run"]) == 2
    assert "--dry-run" in capsys.readouterr().err


def test_without_sbatch_nothing_is_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert cli.main(["train", "launcher=slurm", f"runs={tmp_path / 'runs'}"]) == 2
    assert "submit from a login node" in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.sbatch")) and not (tmp_path / "runs").exists()


def test_local_is_the_default_and_no_part_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(
        "armature.verbs.train.run", lambda config, overrides, command: seen.append((config, overrides)) or 0
    )
    assert cli.main(["train", "launcher=local", "seed=2"]) == 0
    ((config, overrides),) = seen
    assert "launcher" not in config and overrides == ["seed=2"]


def test_within_a_job_a_run_starts_right_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the launcher is not an override, which the job leaves out, but an experiment's choice."""
    monkeypatch.setenv(job_script.LAUNCHED, "1")
    monkeypatch.setattr("armature.verbs.train.run", lambda config, overrides, command: 7)
    assert cli.main(["train", "launcher=slurm"]) == 7
    assert f"export {job_script.LAUNCHED}=1\n" in job_script.text(Slurm(), [Work(("train",))], "n", "o")


def test_workers_are_an_array_of_the_same_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    launcher = compose("train", ["launcher=slurm", "launcher.throttle=3"]).launcher
    command = [sys.executable, "-m", "armature", "sweep", "worker", "sweeps/a b"]
    assert launching.submit(command, launcher, 4, tmp_path, "search", dry_run=True) == []
    text = capsys.readouterr().out
    assert "set -- sweep worker 'sweeps/a b'\n" in text and "--array=0-3%3" in directives(text)
    assert RUN_VARIABLE not in text
    with pytest.raises(ConfigError, match="launcher=slurm"):
        launching.submit(command, Local(), 4)  # type: ignore[arg-type]


def test_runs_are_tried_before_they_are_queued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tried = []

    def preflight(config: object, overrides: list[str], runs: int, room: object) -> SimpleNamespace:
        tried.append(overrides)
        return SimpleNamespace(passed="optimizer=sgd" not in overrides, summary=lambda: "disk: full")

    monkeypatch.setattr("armature.preflight.preflight", preflight)
    monkeypatch.setattr("armature.launching.queue.available", lambda: None)
    monkeypatch.setattr("armature.launching.queue.sbatch", lambda script: "12")
    words = ["train", "-m", "launcher=slurm", f"runs={tmp_path}", "seed=1,2"]
    assert cli.main([*words, "optimizer=adamw,sgd"]) == 2
    said = capsys.readouterr().err
    assert "disk: full" in said and "launcher.preflight=false" in said
    assert [o[1:] for o in tried] == [["seed=1", "optimizer=adamw"], ["seed=1", "optimizer=sgd"]], "same parts, once"
    assert not list(tmp_path.rglob("*")), "a refused grid leaves nothing behind"
    assert cli.main([*words, "optimizer=adamw,sgd", "launcher.preflight=false"]) == 0
    assert len(tried) == 2 and capsys.readouterr().out.startswith("array 12: 4 runs")
    assert len(list((tmp_path / "default").iterdir())) == 4


# ------------------------------------------------------------------------------------------ the script, run by bash


def played(tmp_path: Path, text: str, code: int, state: str = "RUNNING", task: int = 0) -> tuple[int, list[str]]:
    """(exit code, calls) of a script whose program ends with ``code`` while squeue says ``state``."""
    folder = tmp_path / "programs"
    folder.mkdir(exist_ok=True)
    log = folder / "calls"
    programs = {
        "srun": f'echo "${RUN_VARIABLE} ${{@: -1}}" >> {log}; exit {code}',
        "squeue": f"echo '{state}'",
        "scontrol": f'echo "scontrol $*" >> {log}',
    }
    for name, body in programs.items():
        (folder / name).write_text(f"#!/bin/bash\n{body}\n")
        (folder / name).chmod(0o755)
    log.write_text("")
    variables = {**os.environ, "PATH": f"{folder}:/usr/bin:/bin", "SLURM_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": str(task)}
    variables.pop(RUN_VARIABLE, None)
    done = subprocess.run([shutil.which("bash") or "bash"], input=text, text=True, env=variables, check=False)
    return done.returncode, log.read_text().splitlines()


@pytest.mark.parametrize(
    ("code", "state", "again"),
    [
        (0, "RUNNING None", False),
        (1, "RUNNING None", False),  # a mistake would be made again
        (138, "RUNNING None", True),
        (143, "RUNNING None", True),
        (143, "COMPLETING None", False),  # scancel, or SLURM has queued it again by itself
        (143, "COMPLETING TimeLimit", True),
        (143, "", False),
    ],
)
def test_a_job_queues_itself_again_only_if_it_was_told_to_go(
    tmp_path: Path, code: int, state: str, again: bool
) -> None:
    text = job_script.text(Slurm(), [Work(("train", "seed=1"), tmp_path / "run")], "n", "o")
    ended, calls = played(tmp_path, text, code, state)
    assert ended == code
    assert calls == ["run seed=1", *(["scontrol requeue 7"] if again else [])]


def test_a_job_that_gains_nothing_three_times_in_a_row_is_not_queued_for_ever(tmp_path: Path) -> None:
    run = tmp_path / "run"
    text = job_script.text(Slurm(), [Work(("train",), run)], "n", "o")
    (run / "checkpoints").mkdir(parents=True)

    def codes(count: int) -> list[int]:
        return [played(tmp_path, text, 138, "RUNNING None")[0] for _ in range(count)]

    assert codes(3) == [138, 138, 1]
    assert codes(2) == [138, 138]
    save = 'touch -d @$RANDOM "$run/checkpoints/last.ckpt"; code=138'
    saving = text.replace("code=$?", save)
    assert played(tmp_path, saving, 138, "RUNNING None")[0] == 138, "a checkpoint is a gain"
    assert codes(2) == [138, 138]
    assert played(tmp_path, text, 143, "RUNNING None") == (143, ["run train", "scontrol requeue 7"])
    assert codes(1) == [138], "who is pre-empted is not to blame"


def test_every_job_of_an_array_has_its_own_arguments_and_run(tmp_path: Path) -> None:
    hard = ["a='b c'", 'x=$HOME "quoted"', "y=[1,2]; echo no"]
    works = [Work(("train", text), tmp_path / f"run{n}") for n, text in enumerate(hard)]
    text = job_script.text(Slurm(), works, "n", "o", array=True)
    for task, argument in enumerate(hard):
        assert played(tmp_path, text, 0, task=task)[1] == [f"run{task} {argument}"]
