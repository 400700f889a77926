"""Weights & Biases: what lies on the disk after an offline run, and that nothing about it can stop or delay a run."""

import json
import logging
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import yaml

from armature import tracking
from armature.callbacks.history import History
from armature.errors import ConfigError
from armature.tracking import PROXIES, WandbLogger, trackers

sys.path.insert(0, str(Path(__file__).parent / "callbacks"))

BLOCK = 32768


@pytest.fixture(autouse=True)
def nobody(monkeypatch, tmp_path):
    """No credentials and no wishes but the test's own."""
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NETRC", str(tmp_path / "home" / "netrc"))


def records(path):
    """The protocol messages in a ``.wandb`` file: a LevelDB log, 7 bytes of header, blocks of 32 KiB."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, at, message = path.read_bytes(), 7, b""
    assert data[:4] == b":W&B"
    while at + 7 <= len(data):
        left = BLOCK - at % BLOCK
        if left < 7:  # too short for a header: padding
            at += left
            continue
        _, length, kind = struct.unpack_from("<IHB", data, at)
        message += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last part
            record = Record()
            record.ParseFromString(message)
            yield record
            message = b""


def values(items):
    found = {}
    for item in items:
        keys = list(item.nested_key) or [item.key]
        inner = found
        for key in keys[:-1]:
            inner = inner.setdefault(key, {})
        inner[keys[-1]] = json.loads(item.value_json)
    return found


class Offline:
    """What an offline run left."""

    def __init__(self, file):
        self.file, self.config, self.summary, self.rows, self.axes, self.exit = file, {}, {}, [], {}, None
        for record in records(file):
            kind = record.WhichOneof("record_type")
            if kind == "run":
                self.run = record.run
                self.config |= values(record.run.config.update)
            elif kind == "config":
                self.config |= values(record.config.update)
            elif kind == "summary":
                self.summary |= values(record.summary.update)
            elif kind == "history":
                self.rows.append(values(record.history.item) | {"_step": record.history.step.num})
            elif kind == "metric":
                self.axes[record.metric.glob_name or record.metric.name] = record.metric.step_metric
            elif kind == "exit":
                self.exit = record.exit.exit_code

    def column(self, name):
        return [(row["_step"], row.get("epoch"), row[name]) for row in self.rows if name in row]


def offline_runs(folder):
    """What lies in ``folder``, once the client has written the ends of the runs."""
    files = sorted(folder.glob("wandb/offline-run-*/run-*.wandb"))
    end = time.monotonic() + 10
    while any(Offline(file).exit is None for file in files) and time.monotonic() < end:
        time.sleep(0.05)
    return [Offline(file) for file in files]


def only_run(folder):
    (run,) = offline_runs(folder)
    return run


def picture(value):
    return np.full((8, 12, 3), value, np.uint8)


def test_an_offline_run_can_be_read_back(tmp_path, capfd):
    folder = tmp_path / "runs" / "some_experiment" / "20260101-000000-abcd"
    logger = WandbLogger(folder, tags=["a"])
    logger.log_hyperparams({"seed": 3, "model": {"backbone": "resnet18", "sizes": [1, 2]}})
    logger.log_metrics({"step/total": 2.5, "step/lr": 0.1}, step=9)
    logger.log_metrics({"val/AP": 0.25, "epoch": 0}, step=19)
    logger.log_pictures("pictures/sample", [picture(0), picture(200)], ["one", "two"], epoch=1, step=19)
    logger.log_metrics({"train/total": 1.5, "epoch": 0}, step=19)
    logger.log_metrics({"val/AP": 0.5, "epoch": 1}, step=39)
    logger.log_summary({"final/AP": 0.75})
    logger.close()
    found = only_run(folder)
    assert found.run.run_id == logger.id == logger.version and found.run.project == "armature"
    assert found.run.display_name == "20260101-000000-abcd" and found.run.run_group == "some_experiment"
    assert found.config["seed"] == 3 and found.config["model"] == {"backbone": "resnet18", "sizes": [1, 2]}
    assert found.column("step/total") == [(9, None, 2.5)]
    assert found.column("val/AP") == [(19, 1, 0.25), (39, 2, 0.5)], "epochs are counted from 1"
    assert found.column("train/total") == [(19, 1, 1.5)]
    (_, epoch, media), *rest = found.column("pictures/sample")
    assert not rest and epoch == 1 and media["count"] == 2 and media["captions"] == ["one", "two"]
    files = [found.file.parent / "files" / name for name in media["filenames"]]
    assert all(file.read_bytes()[:3] == b"\xff\xd8\xff" for file in files)
    assert {name: found.axes[name] for name in ("val/*", "train/*", "throughput/*", "pictures/*")} == dict.fromkeys(
        ("val/*", "train/*", "throughput/*", "pictures/*"), "epoch"
    )
    assert "step/*" not in found.axes, "single steps have W&B's own step, which is the optimizer's"
    assert found.summary["final/AP"] == 0.75 and found.exit == 0
    assert capfd.readouterr() == ("", ""), "nothing in the terminal is W&B's"


def test_a_trained_run(tmp_path):
    """Through Lightning and the project's callbacks: losses by term, rates, all validation metrics, and the config."""
    from tiny_run import fit, fresh

    from armature.callbacks.steps import Steps
    from armature.callbacks.throughput import Throughput

    folder = tmp_path / "run"
    logger = WandbLogger(folder)
    logger.log_hyperparams({"seed": 1})
    own, _ = fit(
        folder,
        fresh(score=[0.25, 0.5, 0.9].__getitem__),
        2,
        logger=[logger],
        callbacks=[Throughput(skip=0), Steps()],
        log_every_n_steps=2,
    )
    own.validate(own.lightning_module, datamodule=own.datamodule, verbose=False)
    logger.close()
    found = only_run(folder)
    assert [(epoch, value) for _, epoch, value in found.column("val/AP")] == [(1, 0.25), (2, 0.5)]
    assert [step for step, _, _ in found.column("val/AP")] == [5, 11]
    assert [step for step, _, _ in found.column("step/fit")] == [1, 3, 5, 7, 9, 11]
    assert [value for _, _, value in found.column("step/lr")] == pytest.approx([0.01 / s for s in (2, 4, 6, 8, 10, 12)])
    assert [epoch for _, epoch, _ in found.column("train/total")] == [1, 2]
    assert [epoch for _, epoch, _ in found.column("throughput/images_per_second")] == [1, 2]
    assert found.config["seed"] == 1


def test_a_resumed_run_goes_on_in_the_same_w_and_b_run(tmp_path):
    first = WandbLogger(tmp_path)
    first.log_metrics({"val/AP": 0.1, "epoch": 0}, step=9)
    first.close()
    second = WandbLogger(tmp_path, id=first.id)
    second.log_metrics({"val/AP": 0.2, "epoch": 1}, step=19)
    second.close()
    runs = offline_runs(tmp_path)
    assert {run.run.run_id for run in runs} == {first.id}
    points = sorted(point for run in runs for point in run.column("val/AP"))
    assert points == [(9, 1, 0.1), (19, 2, 0.2)]


def test_a_failed_run_is_marked(tmp_path):
    logger = WandbLogger(tmp_path)
    logger.log_metrics({"val/AP": 0.1, "epoch": 0}, step=1)
    logger.finalize("success")
    assert logger.experiment is not None, "training has ended, but the evaluation is still to come"
    logger.finalize("failed")
    assert logger.experiment is None
    logger.log_metrics({"val/AP": 0.2, "epoch": 1}, step=2)
    assert only_run(tmp_path).exit == 1


@pytest.mark.slow
def test_killed_without_a_word(tmp_path):
    script = f"""
import os
from armature.tracking import WandbLogger
logger = WandbLogger({str(tmp_path)!r})
logger.log_hyperparams({{"seed": 1}})
for step in range(200):
    logger.log_metrics({{"step/total": step}}, step=step)
import time; time.sleep(6)
os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", script])
    (file,) = tmp_path.glob("wandb/offline-run-*/run-*.wandb")
    found = Offline(file)
    assert found.config["seed"] == 1 and len(found.column("step/total")) >= 199


def test_steps_never_go_back(tmp_path):
    """W&B would drop such a row."""
    logger = WandbLogger(tmp_path)
    logger.log_metrics({"a": 1}, step=10)
    logger.log_metrics({"b": 2}, step=4)
    logger.log_metrics({"c": 3})
    logger.close()
    assert [only_run(tmp_path).column(name)[0][0] for name in "abc"] == [10, 10, 10]


@pytest.mark.slow
def test_disabled_does_nothing(tmp_path):
    script = f"""
import sys
from armature.tracking import WandbLogger
logger = WandbLogger({str(tmp_path / "run")!r}, mode="disabled")
logger.log_hyperparams({{"seed": 1}})
logger.log_metrics({{"val/AP": 1}}, step=1)
logger.log_pictures("pictures/sample", [], [], 1)
logger.close()
assert "wandb" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True)
    assert not (tmp_path / "run").exists()


def test_unknown_mode(tmp_path):
    with pytest.raises(ConfigError, match=r"logger\.wandb\.mode=on-line: known modes are auto, online"):
        WandbLogger(tmp_path, mode="on-line")


def test_who_is_logged_in(monkeypatch, tmp_path):
    assert not tracking.logged_in() and tracking._automatic() == "offline"
    netrc = Path(tmp_path / "home" / "netrc")
    netrc.parent.mkdir()
    netrc.write_text("machine api.wandb.ai\n  login user\n  password " + "k" * 40 + "\n")
    netrc.chmod(0o600)
    assert tracking.logged_in() and tracking._automatic() == "online"
    settings = tmp_path / "home" / ".config" / "wandb" / "settings"
    settings.parent.mkdir(parents=True)
    settings.write_text("[default]\nmode = offline\n")
    assert tracking._automatic() == "offline", "the user said: wandb offline"
    settings.write_text("[default]\nbase_url = https://wandb.example.org\n")
    assert not tracking.logged_in()
    settings.unlink()
    monkeypatch.setenv("WANDB_BASE_URL", "https://wandb.example.org")
    assert not tracking.logged_in(), "credentials for another server"
    netrc.write_text("this is { no netrc")
    assert not tracking.logged_in()
    monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
    assert tracking.logged_in()
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert tracking._automatic() == "offline"


def log_one(logger):
    begun = time.monotonic()
    logger.log_metrics({"val/AP": 0.5, "epoch": 0}, step=1)
    logger.close()
    return time.monotonic() - begun


def test_online_without_a_key_does_not_ask(tmp_path, caplog, capfd):
    assert log_one(WandbLogger(tmp_path, mode="online")) < 10
    assert only_run(tmp_path).column("val/AP") == [(1, 1, 0.5)]
    assert [r.levelno for r in caplog.records if r.name == tracking.__name__] == [logging.WARNING]
    assert "no API key" in caplog.text and "wandb sync" in caplog.text
    assert capfd.readouterr().out == ""


def test_no_network_is_one_line_and_no_delay(tmp_path, caplog, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{unused.getsockname()[1]}")
        assert log_one(WandbLogger(tmp_path)) < 10
    assert only_run(tmp_path).column("val/AP") == [(1, 1, 0.5)]
    assert [r.levelno for r in caplog.records if r.name == tracking.__name__] == [logging.WARNING]
    assert "cannot be reached" in caplog.text


@pytest.mark.slow
def test_a_server_that_never_answers(tmp_path):
    """It takes connections and says nothing: the run starts after the time limit, and ends.

    In a process of its own, because the client remembers its server.
    """
    script = f"""
import time
from armature.tracking import WandbLogger
begun = time.monotonic()
logger = WandbLogger({str(tmp_path)!r}, timeout=3.0)
logger.log_metrics({{"val/AP": 0.5, "epoch": 0}}, step=1)
logger.close()
print(round(time.monotonic() - begun))
"""
    server = socket.create_server(("127.0.0.1", 0))
    held = []
    threading.Thread(target=lambda: [held.append(server.accept()) for _ in range(99)], daemon=True).start()
    environment = {
        "WANDB_BASE_URL": f"http://127.0.0.1:{server.getsockname()[1]}",
        "WANDB_API_KEY": "local-" + "k" * 40,
    }
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", script], env=os.environ | environment, capture_output=True, text=True, check=True
    )
    assert time.monotonic() - begun < 25, "the end of the process waits for nobody either"
    assert held and 3 <= int(done.stdout) < 30
    assert only_run(tmp_path).column("val/AP") == [(1, 1, 0.5)]
    assert done.stderr.count("\n") == 1 and "this run is kept offline" in done.stderr


def test_a_failing_client_does_not_stop_the_run(tmp_path, caplog):
    logger = WandbLogger(tmp_path)
    run = logger.experiment

    def fail(*args, **kwargs):
        raise RuntimeError("the service has died")

    run.log = fail
    logger.log_metrics({"a": 1}, step=1)
    logger.log_metrics({"a": 2}, step=2)
    assert caplog.text.count("the service has died") == 1


def test_the_config_group(tmp_path):
    conf = Path(__file__).parent.parent / "conf" / "logger"
    parts = {name: yaml.safe_load((conf / f"{name}.yaml").read_text()) for name in ("csv", "wandb", "both", "none")}
    assert parts["none"] == {} and parts["both"] == {"defaults": ["csv", "wandb"]}
    loggers, callbacks = trackers(parts["csv"] | parts["wandb"], tmp_path, id="abc")
    (wandb_logger,), (history,) = loggers, callbacks
    assert isinstance(history, History) and history.path == tmp_path / "history.csv"
    assert wandb_logger.id == "abc" and wandb_logger.folder == tmp_path and wandb_logger.mode == "auto"
    assert trackers({}, tmp_path) == trackers(None, tmp_path) == ([], [])
    with pytest.raises(ConfigError, match=r"logger\.csv"):
        trackers({"csv": {"_target_": "torch.nn.Identity"}}, tmp_path)
    own = {"lightning": {"_target_": "pytorch_lightning.loggers.CSVLogger", "save_dir": str(tmp_path)}}
    assert len(trackers(own, tmp_path)[0]) == 1
