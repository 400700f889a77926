"""``armature sync`` by the real client against a stand-in server: once each, in order, whatever fails."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "tracking"))

from reading import offline_runs
from stand_in import serving

from armature.configuration import compose
from armature.errors import UserError
from armature.tracking import WandbLogger
from armature.tracking.access import PROXIES
from armature.verbs import sync


@pytest.fixture(autouse=True)
def nobody(monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.startswith("WANDB_")] + list(PROXIES):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NETRC", str(tmp_path / "home" / "netrc"))


def offline(folder, id, *pieces):
    """A run whose every piece (first step, last step) was one start."""
    for first, last in pieces:
        logger = WandbLogger(folder, id=id, mode="offline")
        for step in range(first, last):
            logger.log_metrics({"step/total": step}, step=step)
        logger.log_metrics({"val/AP": last, "epoch": last}, step=last - 1)
        logger.close()
        offline_runs(folder)
        if (first, last) != pieces[-1]:
            time.sleep(1.1)  # the client names parts by the second


def armature_sync(environment, *arguments):
    command = [sys.executable, "-m", "armature", "sync", *map(str, arguments)]
    begun = time.monotonic()
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True)
    return done, time.monotonic() - begun


@pytest.mark.long
def test_each_part_is_sent_once_and_a_failure_stops_nobody_else(tmp_path):
    runs = tmp_path / "runs"
    offline(runs / "one" / "a", "aaaa1111", (0, 10), (7, 15))
    offline(runs / "one" / "b", "bbbb2222", (0, 5), (5, 8))
    offline(runs / "two" / "c", "cccc3333", (0, 4))
    with serving() as server:
        # a compute node's settings must not keep the login node from sending
        environment = server.environment() | {"WANDB_MODE": "offline"}
        server.refused.add("bbbb2222")
        done, _ = armature_sync(environment, runs, "timeout=25")
        assert done.returncode == 1, done.stdout + done.stderr
        said = done.stdout.splitlines()
        assert sum(line.startswith("sent: ") for line in said) == 3
        (failed,) = [line for line in said if line.startswith("failed: ")]
        (held,) = [line for line in said if line.startswith("held back: ")]
        assert "one/b/wandb/offline-run-" in failed and "not done within 25 s" in failed
        assert "one/b/wandb/offline-run-" in held
        assert said[-1] == "3 sent, 1 failed, 1 held back"
        assert [step for step, _ in server.column("aaaa1111", "step/total")] == list(range(15))
        assert server.column("aaaa1111", "val/AP") == [(9, 10), (14, 15)]
        assert server.runs["cccc3333"]["jobType"] == "train" and server.runs["cccc3333"]["groupName"] == "two"
        server.refused.clear()
        done, _ = armature_sync(environment, runs / "one", "dry_run=true")
        assert done.stdout.count("would send") == 2 and done.stdout.splitlines()[-1] == "2 to send, 2 sent before"
        done, _ = armature_sync(environment, runs)
        assert done.returncode == 0 and done.stdout.splitlines()[-1] == "3 sent before, 2 sent"
        for run, count in (("aaaa1111", 15), ("bbbb2222", 8), ("cccc3333", 4)):
            assert [step for step, _ in server.column(run, "step/total")] == list(range(count)), run
        requests = len(server.calls)
        done, seconds = armature_sync(environment, runs)
        assert done.returncode == 0 and done.stdout.strip() == "0 to send, 5 sent before"
        assert len(server.calls) == requests and seconds < 25


def verb(*folders, **keys):
    listed = ",".join(map(str, folders))
    return sync.run(compose("sync", [f"runs=[{listed}]", *(f"{k}={v}" for k, v in keys.items())]), [], [])


def test_a_run_that_is_going_on_is_left_alone(tmp_path, monkeypatch, capsys):
    logger = WandbLogger(tmp_path / "run", mode="offline")
    logger.log_metrics({"val/AP": 0.5, "epoch": 0}, step=1)
    with serving() as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        assert verb(tmp_path) == 0
    logger.close()
    said = capsys.readouterr().out
    assert "running: " in said and "has not ended" in said and said.endswith("1 running\n")


def test_what_keeps_everything_from_being_sent(tmp_path, monkeypatch):
    with pytest.raises(UserError, match="no folder"):
        verb(tmp_path / "nowhere")
    assert verb(tmp_path) == 0, "nothing there is nothing to do"
    offline(tmp_path / "run", "aaaa1111", (0, 3))
    with pytest.raises(UserError, match="1 to send, but there is no W&B API key: wandb login"):
        verb(tmp_path)
    with serving() as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        server.mood = "errors"
        with pytest.raises(UserError, match="the server answers with error 500"):
            verb(tmp_path)
