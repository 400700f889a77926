"""A server that refuses, hangs, returns errors or is slow neither ends nor delays a run; what it misses comes later."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from reading import Offline, offline_runs
from stand_in import KEY, serving

from armature.tracking import WandbLogger, access

HERE = Path(__file__).parent
#: Seconds for the server at the start and at the end of the runs below.
TIMEOUT, FINISH = 4.0, 4.0

SCRIPT = """
import json, sys, time, urllib.request
from pathlib import Path
sys.path[:0] = [{here!r}, {callbacks!r}]
from test_continuity import Continuity, Steps, WandbLogger, fit, fresh

root, url, timeout, finish = Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]), float(sys.argv[4])
mood = lambda name: urllib.request.urlopen(url + "/mood/" + name).close()

def train(name, before, within):
    mood(before)
    logger = WandbLogger(root / name, mode="online", id=name, timeout=timeout, finish_timeout=finish)
    begun = time.monotonic()
    logger.experiment
    seconds = {{"begin": time.monotonic() - begun}}
    module, slowest, send = fresh(), [0.0], logger.log_metrics
    module.on_batch = lambda m, number: mood(within) if (m.current_epoch, number) == (1, 2) else None
    def timed(*args, **kwargs):
        begun = time.monotonic()
        send(*args, **kwargs)
        slowest[0] = max(slowest[0], time.monotonic() - begun)
    logger.log_metrics = timed
    fit(root / name, module, 3, logger=[logger], callbacks=[Steps(), Continuity(logger)], log_every_n_steps=1)
    begun = time.monotonic()
    logger.close()
    seconds["close"], seconds["slowest"] = time.monotonic() - begun, slowest[0]
    mood("well")
    return seconds

def cut_and_resumed():
    "The server is gone while steps 10 to 19 are logged; the run goes on from step 15."
    for mood_then, first, last in (("errors", 10, 20), ("well", 15, 30)):
        logger = WandbLogger(root / "resumed", mode="online", id="resumed", timeout=timeout, finish_timeout=finish)
        for step in range(0 if first == 10 else first, last):
            if step == first:
                mood(mood_then)
            logger.log_metrics({{"step/fit": step}}, step=step)
        logger.close()
        mood("well")

cut_and_resumed()
times = {{"undisturbed": train("undisturbed", "well", "well")}}
for kind in ("errors", "hangs", "slow"):
    times["start_" + kind] = train("start" + kind, kind, kind)
    times["middle_" + kind] = train("middle" + kind, "well", kind)
print(json.dumps(times | {{"end": time.time()}}))
"""


def test_why_a_server_cannot_be_used(monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    with serving() as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        assert access.unreachable() == ""
        server.mood = "errors"
        assert access.unreachable() == "the server answers with error 500"
        server.mood = "hangs"
        begun = time.monotonic()
        assert access.unreachable(0.5) == "the server does not answer (within 0.5 s)"
        assert time.monotonic() - begun < 1.5
        server.mood = "well"
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{unused.getsockname()[1]}")
        assert "cannot be reached (Connection refused)" in access.unreachable()
    monkeypatch.setenv("WANDB_BASE_URL", "http://nowhere.invalid")
    assert "the server" in access.unreachable()
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.invalid")
    assert access.unreachable() == "", "only the client can tell"


def test_names_that_take_long_to_look_up(monkeypatch):
    def slow(*args, **kwargs):
        time.sleep(5)
        raise OSError("no such host")

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    monkeypatch.setenv("WANDB_BASE_URL", "http://somewhere.invalid")
    begun = time.monotonic()
    assert "does not answer" in access.unreachable(0.3)
    assert time.monotonic() - begun < 2


def steps_of(folder):
    (file,) = folder.glob("wandb/*run-*/run-*.wandb")
    return [step for step, _, _ in Offline(file).column("step/fit")]


@pytest.mark.slow
def test_a_run_with_unsent_parts_goes_on_offline(monkeypatch, tmp_path, caplog):
    """W&B takes steps in their order only: what is sent later must not come before."""
    first = WandbLogger(tmp_path)
    first.log_metrics({"val/AP": 0.1, "epoch": 0}, step=9)
    first.close()
    offline_runs(tmp_path)
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setattr(access, "unreachable", lambda: "")
    second = WandbLogger(tmp_path, id=first.id, mode="online")
    second.log_metrics({"val/AP": 0.2, "epoch": 1}, step=19)
    second.close()
    assert len(offline_runs(tmp_path)) == 2
    assert "earlier parts of this run are kept offline" in caplog.text and "armature sync" in caplog.text


@pytest.mark.long
def test_runs_go_on_and_what_was_missed_is_sent_later(tmp_path):
    script = SCRIPT.format(here=str(HERE), callbacks=str(HERE.parent / "callbacks"))
    with serving() as server:
        environment = os.environ | server.environment() | {"OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-c", script, str(tmp_path), server.url, str(TIMEOUT), str(FINISH)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        times = json.loads(done.stdout)
        assert time.time() - times.pop("end") < 15, "nor does the end of the process wait"
        usual = times["undisturbed"]
        print(json.dumps(times, indent=1))
        for name, seconds in times.items():
            # 5 s for the question whether the server answers, then the client's own attempt; some more on busy machines
            assert seconds["begin"] < usual["begin"] + 5 + TIMEOUT + 6, name
            assert seconds["close"] < usual["close"] + FINISH + 6, name
            assert seconds["slowest"] < usual["slowest"] + 1, name
            assert steps_of(tmp_path / name.replace("_", "")) == list(range(18)), "all of it is on the disk"
        assert server.column("resumed", "step/fit") == [(step, step) for step in range(30)]
        cut = ("middleerrors", "middlehangs")
        assert {path.name for path in tmp_path.iterdir() if not list(path.rglob("*.synced"))} >= {*cut, "starterrors"}
        for path in tmp_path.rglob("run-*.wandb"):  # as if they had ended long ago
            os.utime(path, (time.time() - 1000,) * 2)
        sync = [sys.executable, "-m", "armature", "sync", str(tmp_path)]
        done = subprocess.run(sync, env=environment, capture_output=True, text=True)
        assert done.returncode == 0 and "failed" not in done.stdout, done.stdout + done.stderr
        for name in times:
            run = name.replace("_", "")
            assert [step for step, _ in server.column(run, "step/fit")] == list(range(18)), run
            assert [step for step, _ in server.column(run, "val/AP")] == [5, 11, 17], run
