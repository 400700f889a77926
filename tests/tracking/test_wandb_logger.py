"""Weights & Biases: what lies on the disk after an offline run, and that nothing about it can stop or delay a run."""

import logging
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import yaml
from reading import Offline, offline_runs, only_run

from armature.callbacks.history import History
from armature.errors import ConfigError
from armature.tracking import WandbLogger, access, continuity, trackers, wandb_logger


def picture(value):
    return np.full((8, 12, 3), value, np.uint8)


@pytest.mark.slow
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
    assert found.run.job_type == "train" and list(found.run.tags) == ["a"]
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


def test_a_run_of_a_sweep_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("ARMATURE_SWEEP", "learning_rates")
    logger = WandbLogger(tmp_path / "learning_rates" / "trial_3", tags=["cluster"], job_type="evaluate")
    logger.log_hyperparams({"seed": 3})
    logger.close()
    found = only_run(tmp_path / "learning_rates" / "trial_3")
    assert list(found.run.tags) == ["cluster", "sweep:learning_rates"] and found.run.job_type == "evaluate"
    assert found.run.run_group == "learning_rates" and found.run.display_name == "trial_3"
    assert found.config["sweep"] == "learning_rates" and found.config["seed"] == 3
    monkeypatch.setenv("ARMATURE_SWEEP", "x" * 90)
    long = WandbLogger(tmp_path / "long")
    long.log_metrics({"a": 1.0}, step=1)
    long.close()
    assert [len(tag) for tag in only_run(tmp_path / "long").run.tags] == [64], "W&B takes no longer ones"


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


@pytest.mark.long
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
    assert not access.logged_in() and access.automatic() == "offline"
    netrc = Path(tmp_path / "home" / "netrc")
    netrc.parent.mkdir()
    netrc.write_text("machine api.wandb.ai\n  login user\n  password " + "k" * 40 + "\n")
    netrc.chmod(0o600)
    assert access.logged_in() and access.automatic() == "online"
    settings = tmp_path / "home" / ".config" / "wandb" / "settings"
    settings.parent.mkdir(parents=True)
    settings.write_text("[default]\nmode = offline\n")
    assert access.automatic() == "offline", "the user said: wandb offline"
    settings.write_text("[default]\nbase_url = https://wandb.example.org\n")
    assert not access.logged_in()
    settings.unlink()
    monkeypatch.setenv("WANDB_BASE_URL", "https://wandb.example.org")
    assert not access.logged_in(), "credentials for another server"
    netrc.write_text("this is { no netrc")
    assert not access.logged_in()
    monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
    assert access.logged_in()
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert access.automatic() == "offline"


def log_one(logger):
    begun = time.monotonic()
    logger.log_metrics({"val/AP": 0.5, "epoch": 0}, step=1)
    logger.close()
    return time.monotonic() - begun


def test_online_without_a_key_does_not_ask(tmp_path, caplog, capfd):
    assert log_one(WandbLogger(tmp_path, mode="online")) < 10
    assert only_run(tmp_path).column("val/AP") == [(1, 1, 0.5)]
    assert [r.levelno for r in caplog.records if r.name == wandb_logger.__name__] == [logging.WARNING]
    assert "no API key" in caplog.text and "armature sync" in caplog.text
    assert capfd.readouterr().out == ""


def test_no_network_is_one_line_and_no_delay(tmp_path, caplog, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{unused.getsockname()[1]}")
        assert log_one(WandbLogger(tmp_path)) < 10
    assert only_run(tmp_path).column("val/AP") == [(1, 1, 0.5)]
    assert [r.levelno for r in caplog.records if r.name == wandb_logger.__name__] == [logging.WARNING]
    assert "cannot be reached" in caplog.text


@pytest.mark.long
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
print(round(time.monotonic() - begun), time.time())
"""
    server = socket.create_server(("127.0.0.1", 0))
    held = []
    threading.Thread(target=lambda: [held.append(server.accept()) for _ in range(99)], daemon=True).start()
    environment = {
        "WANDB_BASE_URL": f"http://127.0.0.1:{server.getsockname()[1]}",
        "WANDB_API_KEY": "local-" + "k" * 40,
    }
    done = subprocess.run(
        [sys.executable, "-c", script], env=os.environ | environment, capture_output=True, text=True, check=True
    )
    taken, ended = done.stdout.split()
    assert time.time() - float(ended) < 15, "the end of the process waits for nobody either"
    assert held and 3 <= int(taken) < 30
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


def test_the_config_group(tmp_path, monkeypatch):
    conf = Path(__file__).parents[2] / "conf" / "logger"
    parts = {name: yaml.safe_load((conf / f"{name}.yaml").read_text()) for name in ("csv", "wandb", "both", "none")}
    assert parts["none"] == {} and parts["both"] == {"defaults": ["csv", "wandb"]}
    loggers, callbacks = trackers(parts["csv"] | parts["wandb"], tmp_path, id="abc")
    (logger,), (history, kept) = loggers, callbacks
    assert isinstance(history, History) and history.path == tmp_path / "history.csv"
    assert logger.id == "abc" and logger.folder == tmp_path and logger.mode == "auto"
    assert isinstance(kept, continuity.Continuity) and kept.logger is logger
    assert trackers({}, tmp_path) == trackers(None, tmp_path) == ([], [])
    with pytest.raises(ConfigError, match=r"logger\.csv"):
        trackers({"csv": {"_target_": "torch.nn.Identity"}}, tmp_path)
    own = {"lightning": {"_target_": "pytorch_lightning.loggers.CSVLogger", "save_dir": str(tmp_path)}}
    with pytest.raises(ConfigError, match="not allowed"):  # it writes wherever a config says
        trackers(own, tmp_path)
    monkeypatch.setenv("ARMATURE_ALLOW", "pytorch_lightning.loggers")
    assert len(trackers(own, tmp_path)[0]) == 1
