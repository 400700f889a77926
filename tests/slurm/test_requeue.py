"""What the job script makes of SLURM's signals, on a real SLURM: with a program that only says what it was told."""

from __future__ import annotations

import shutil
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from cluster import Cluster, wait_for

from armature import launching
from armature.errors import UserError
from armature.launching import Slurm, states

pytestmark = [pytest.mark.slurm, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
ENDED = ("COMPLETED", "FAILED", "TIMEOUT", "CANCELLED")

#: Waits for a signal, takes a moment to save, and ends as armature does; started again it ends well.
PROGRAM = """\
#!{python}
import os, signal, sys, time
told = []
for number in (signal.SIGTERM, signal.SIGUSR1):
    signal.signal(number, lambda number, frame: told.append(number))
again = os.environ.get("SLURM_RESTART_COUNT", "0")
print("start", again, os.environ.get("ARMATURE_RUN_ID"), *sys.argv[3:], flush=True)
while again == "0" and not told:
    time.sleep(0.05)
time.sleep(0.5)
print("end", [signal.Signals(number).name for number in told], flush=True)
sys.exit(128 + told[0] if told else 0)
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("program") / "python"
    file.write_text(PROGRAM.format(python=sys.executable))
    file.chmod(0o755)
    return file


@pytest.fixture(autouse=True)
def on_the_cluster(cluster: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("PATH", "SLURM_CONF"):
        monkeypatch.setenv(name, cluster.variables[name])
    monkeypatch.chdir(tmp_path)


def log(folder: Path, number: int = 0) -> str:
    files = [*folder.glob(f"slurm-*_{number}.log")]
    return files[0].read_text() if files else ""


def submit(cluster: Cluster, program: Path, folder: Path, count: int = 1, **settings: object) -> list[str]:
    """Jobs that are running the program."""
    known = Slurm(python=str(program), cpus_per_task=1, mem="100M", **settings)  # type: ignore[arg-type]
    jobs = launching.submit(["work", "a b"], known, count, folder)
    wait_for(lambda: all("start 0" in log(folder, n) for n in range(count)), 30, lambda: log(folder))
    return jobs


def test_the_time_limit(cluster: Cluster, program: Path, tmp_path: Path) -> None:
    """A minute, of which all but five seconds are grace: SLURM looks every half minute or so."""
    (job,) = submit(cluster, program, tmp_path, time="00:01:00", grace=55)
    cluster.wait(job, "COMPLETED", seconds=90)
    told = [line for line in log(tmp_path).splitlines() if line.startswith(("start", "end"))]
    assert told == ["start 0 None work a b", "end ['SIGUSR1']", "start 1 None work a b", "end []"]


def test_preemption_with_a_grace_time(cluster: Cluster, program: Path, tmp_path: Path) -> None:
    """SLURM then takes a job that ends by itself for done; the script queues it again."""
    (job,) = submit(cluster, program, tmp_path, partition="polite", flags=["--exclusive"])
    where = cluster.show(job)["NodeList"]
    urgent = ["--partition=urgent", "--exclusive", f"--nodelist={where}", "--output=/dev/null", "--wrap=sleep 1"]
    cluster.call("sbatch", *urgent)
    cluster.wait(job, "COMPLETED")
    assert log(tmp_path).count("SIGTERM") == 1 and cluster.show(job)["Restarts"] == "1"


def test_a_cancelled_job_stays_cancelled(cluster: Cluster, program: Path, tmp_path: Path) -> None:
    (job,) = submit(cluster, program, tmp_path)
    cluster.call("scancel", job)
    wait_for(lambda: "end" in log(tmp_path), 20, lambda: log(tmp_path))
    cluster.wait(job, "CANCELLED")
    time.sleep(1.5)
    assert cluster.state(job) == "CANCELLED"
    assert "SIGTERM" in log(tmp_path), "it had the time to save"


def test_one_worker_of_an_array_is_requeued_and_the_others_go_on(
    cluster: Cluster, program: Path, tmp_path: Path
) -> None:
    jobs = submit(cluster, program, tmp_path, count=3)
    assert len({job.split("_")[0] for job in jobs}) == 1
    cluster.call("scancel", "--signal=USR1", jobs[1])
    cluster.wait(jobs[1], "COMPLETED")
    assert [states.word(states.ask(jobs).states[job]) for job in jobs] == ["RUNNING", "COMPLETED", "RUNNING"]
    cluster.call("scancel", jobs[0], jobs[2])
    assert log(tmp_path, 1).count("start") == 2 and log(tmp_path, 0).count("start") == 1


def test_sbatch_takes_every_setting(cluster: Cluster, program: Path, tmp_path: Path) -> None:
    given: dict[str, object] = {"partition": "main", "account": "me", "qos": "normal", "constraint": "quick"}
    given |= {"gres": "gpu:1", "mail_user": "me@x", "mail_type": "BEGIN", "throttle": 2, "time": "01:00:00"}
    given |= {"flags": ["--comment=two words"], "setup": ["echo at site $SITE"], "environment": {"SITE": "a b"}}
    (job,) = submit(cluster, program, tmp_path, **given)
    shown = cluster.show(job)
    assert (shown["Features"], shown["Comment"], shown["TimeLimit"]) == ("quick", "two", "01:00:00")
    assert shown["TresPerNode"].endswith("gpu:1")
    assert "at site a b" in log(tmp_path)
    mail = cluster.folder / "log" / "mail.txt"
    wait_for(mail.exists, 20, lambda: "no mail was sent")
    assert "me@x" in mail.read_text()
    cluster.call("scancel", job)


def test_a_refusal_says_what_sbatch_said(cluster: Cluster, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="invalid partition"):
        launching.submit(["work"], Slurm(partition="nowhere"), 1, tmp_path)


@pytest.mark.parametrize("name", ["train", "sweep"])
def test_the_scripts_run_as_they_are(cluster: Cluster, program: Path, tmp_path: Path, name: str) -> None:
    """From a folder without an environment of its own: the one of the submitting shell."""
    variables = cluster.variables["PATH"]
    cluster.variables["PATH"] = f"{program.parent}:{variables}"
    try:
        where = ["--parsable", "--mem=100M", f"--chdir={tmp_path}", "--array=4"]
        word = "seed=$SLURM_ARRAY_TASK_ID" if name == "train" else "sweeps/a b"
        job = cluster.call("sbatch", *where, str(ROOT / "slurm" / f"{name}.sbatch"), word)
    finally:
        cluster.variables["PATH"] = variables
    file = tmp_path / f"slurm-{job}_4.out"
    wait_for(lambda: file.exists() and "start 0" in file.read_text(), 30, lambda: "the script did not start")
    cluster.call("scancel", "--signal=USR1", f"{job}_4")
    cluster.wait(f"{job}_4", *ENDED)
    told = [line for line in file.read_text().splitlines() if line.startswith("start")]
    run = f"slurm-{job}_4" if name == "train" else "None"
    rest = "train seed=4" if name == "train" else "sweep worker sweeps/a b"
    assert told == [f"start {again} {run} {rest}" for again in (0, 1)]
    assert cluster.state(f"{job}_4") == "COMPLETED"


def test_the_scripts_are_sound_bash() -> None:
    bash = shutil.which("bash")
    for file in sorted((ROOT / "slurm").glob("*.sbatch")):
        assert subprocess.run([str(bash), "-n", str(file)], check=False).returncode == 0
    texts = [file.read_text().split("code=$?")[1] for file in sorted((ROOT / "slurm").glob("*.sbatch"))]
    own = launching.script.text(Slurm(), [launching.script.Work(("x",))], "n", "o").split("code=$?")[1]
    shell = [textwrap.dedent("\n".join(line for line in t.splitlines() if not line.startswith("#"))) for t in texts]
    assert {t.strip() for t in shell} == {
        "\n".join(line for line in own.splitlines() if not line.startswith("#")).strip()
    }, "the scripts and the launcher queue again by the same rule"
