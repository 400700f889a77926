"""Who may work on a trial: one process at a time, and the next when that one is dead."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import pytest

from armature.sweeping.claims import Watch, born, is_alive

RACE = """
import sys, pathlib
from armature.sweeping.claims import Watch
watch = Watch(pathlib.Path(sys.argv[1]), 60)
sys.stdin.readline()
print(sum(watch.take(number, None) is not None for number in range(200)))
"""


def test_of_several_processes_exactly_one_gets_each_trial(tmp_path: Path) -> None:
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACE, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    time.sleep(0.5)
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    won = [int(racer.communicate()[0]) for racer in racers]
    assert sum(won) == 200
    assert len(list(tmp_path.glob("*.001.json"))) == 200 and len(list(tmp_path.iterdir())) == 200


def test_a_trial_is_held_by_a_living_process_and_free_after_its_death(tmp_path: Path) -> None:
    watch = Watch(tmp_path, 60)
    claim = watch.take(7, None)
    assert claim is not None and not watch.is_free(watch.latest(7))
    dead = subprocess.Popen(["true"])
    dead.wait()
    claim.say(pid=dead.pid)
    assert watch.is_free(watch.latest(7))
    claim.say(pid=os.getpid(), born="1")  # the number is in use again, by another process
    assert watch.is_free(watch.latest(7))


def test_a_claim_knows_its_job_and_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("SLURM")]:
        monkeypatch.delenv(name)
    watch = Watch(tmp_path, 60)
    here = watch.take(1, None)
    assert here is not None and here.job == "" and here.host == platform.node()
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    monkeypatch.setenv("SLURMD_NODENAME", "n2")
    assert watch.take(2, None)
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "11")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "1")
    assert watch.take(3, None)
    known = [watch.latest(number) for number in (1, 2, 3)]
    assert [(claim.job, claim.host) for claim in known if claim] == [
        ("", platform.node()),
        ("12", "n2"),
        ("11_1", "n2"),
    ]


def test_work_is_counted_to_the_end_or_the_last_sign_of_life(tmp_path: Path) -> None:
    watch = Watch(tmp_path, 60)
    now = time.time()
    attempts = [
        ({"state": "released", "start": now - 1000}, now - 900),  # by an older program, which wrote no end
        ({"state": "running", "start": now - 800}, now - 750),  # died
        ({"state": "released", "start": now - 700, "end": now - 690}, now),
        ({"state": "running", "start": now - 30}, now - 5),
    ]
    for number, (said, changed) in enumerate(attempts, 1):
        (file := tmp_path / f"0007.{number:03d}.json").write_text(json.dumps(said))
        os.utime(file, (changed, changed))
    (tmp_path / "0008.001.json").write_text(json.dumps({"state": "finished", "start": now, "end": now + 1}))
    assert [claim.seconds(60) for claim in watch.attempts(7)] == pytest.approx([100, 50, 10, 30], abs=1)


def test_on_another_machine_silence_means_death_by_ones_own_clock(tmp_path: Path) -> None:
    watch = Watch(tmp_path, 0.3)
    claim = watch.take(7, None)
    assert claim is not None
    claim.say(place="elsewhere")
    os.utime(claim.path, (0, 0))  # the other machine's clock is decades off
    assert not watch.is_free(watch.latest(7))
    time.sleep(0.2)
    os.utime(claim.path, (5, 5))  # a sign of life
    assert not watch.is_free(watch.latest(7))
    time.sleep(0.2)
    assert not watch.is_free(watch.latest(7))
    time.sleep(0.25)
    assert watch.is_free(watch.latest(7))


def test_one_who_was_only_thought_dead_learns_it(tmp_path: Path) -> None:
    watch = Watch(tmp_path, 60)
    first = watch.take(7, None)
    assert first is not None and first.touch()
    second = watch.take(7, first)
    assert second is not None and second.attempt == 2
    assert not first.touch() and second.touch()
    assert watch.take(7, first) is None
    assert watch.deaths(7) == 1
    first.say(state="released")
    assert watch.deaths(7) == 0


def test_a_trial_that_was_given_back_is_free(tmp_path: Path) -> None:
    watch = Watch(tmp_path, 60)
    claim = watch.take(7, None)
    assert claim is not None
    claim.say(state="released")
    assert watch.is_free(watch.latest(7))
    assert json.loads(claim.path.read_text())["state"] == "released"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="birth times are read from /proc")
def test_a_process_that_ended_and_was_not_collected_is_not_alive() -> None:
    process = subprocess.Popen(["true"])
    since = born(process.pid)
    deadline = time.monotonic() + 5
    while is_alive(process.pid, since) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not is_alive(process.pid, since)
    process.wait()
    assert is_alive(os.getpid(), born(os.getpid()))
