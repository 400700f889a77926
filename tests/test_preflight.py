"""Pre-flight: what it finds before a run is queued, and that it changes nothing."""

import dataclasses
import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from armature import cli
from armature.configuration import compose
from armature.preflight import preflight, surroundings, table, trial
from armature.preflight.estimate import Estimate, together
from armature.preflight.findings import duration, size

TINY = ["trainer=debug", "trainer.max_epochs=3", "data.train.length=50", "data.val.length=12", "data.batch_size=4"]
TINY += ["data.workers=0", "data.canvas=[64,64]", "logger=csv", "pictures=0", "optimizer=adamw", "trainer.precision=32"]
TINY += ["flip_test=false", "trainer.limit_train_batches=null"]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Nobody is logged in, and the runs would be made in a place of their own."""
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NETRC", str(tmp_path / "home" / "netrc"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


def flight(*more):
    return preflight(compose("train", [*TINY, *more]))


def failed(found):
    return [finding.check for finding in found.failed]


def test_a_config_that_is_right(tmp_path, capsys):
    found = flight("trainer.accumulate_grad_batches=2")
    assert found.passed and found.summary() == "", found.summary()
    checks = [finding.check for finding in found.findings]
    assert checks == ["config", "network", "data", "skeleton", "first step", "monitor", "memory", "disk", "time", "W&B"]
    estimate = found.facts["estimate"]
    # 50 images are 12 whole batches of 4, 6 steps of 2 batches, 3 epochs
    assert (estimate["batches"], estimate["steps"], estimate["epochs"], estimate["validations"]) == (12, 18, 3, 3)
    assert list((tmp_path / "work").iterdir()) == [], "nothing is written"
    plain = json.loads(json.dumps(found.plain()))
    assert plain["passed"] is True and len(plain["findings"]) == len(checks)
    table.show(found)
    assert "ready to train" in capsys.readouterr().out


@pytest.mark.slow
def test_bytes_of_the_optimizer_and_the_average():
    """AdamW keeps two numbers for each weight and a step count for each tensor; the average all tensors once more."""
    from armature import assembly

    config = compose("train", TINY)
    module = assembly.assemble(config)
    weights = sum(p.numel() for p in [*module.model.parameters(), *module.loss.parameters()])
    tensors = len([*module.model.parameters(), *module.loss.parameters()])
    kept = module.model.state_dict()
    buffers = sum(b.numel() * b.element_size() for name, b in module.model.named_buffers() if name in kept)
    facts = preflight(config).facts["trial"]
    assert facts["optimizer"] == 2 * 4 * weights + 4 * tensors
    assert facts["weights"] == facts["average"] == 4 * sum(p.numel() for p in module.model.parameters()) + buffers
    without = preflight(compose("train", [*TINY, "average=none"])).facts["trial"]
    assert without["average"] == 0 and without["checkpoint"] < facts["checkpoint"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("override", "check", "said"),
    [
        ("monitor=val/AP_50", "monitor", "did you mean val/AP50?"),
        ("optimizer.lr=1e30", "first step", "losses after"),
        ("trainer.max_epochs=0", "time", "nothing would be learned"),
        ("term@loss.joint=l1", "network", "joint"),
        ("logger=both", "W&B", "no API key"),
    ],
)
def test_what_fails(override, check, said, monkeypatch):
    more = ["logger.wandb.mode=online"] if override == "logger=both" else []
    more += ["trainer.gradient_clip_val=null"] if override.startswith("optimizer") else []
    more = [f"+{override}" if override.startswith("term@") else override, *more]
    found = flight(*more)
    assert check in failed(found) and not found.passed, found.plain()["findings"]
    assert said in found.summary(), found.summary()


def test_data_that_is_not_there(tmp_path):
    found = preflight(compose("train", ["data=coco", f"data.root={tmp_path / 'nowhere'}", "logger=none"]))
    assert failed(found) == ["data"] and "nowhere" in found.summary()
    assert [f.check for f in found.findings] == ["config", "data", "network", "W&B"], "no step without data"


def test_skeletons_that_disagree():
    config = compose("train", TINY)
    names = config.metrics.skeleton.keypoints
    names[5], names[6] = names[6], names[5]
    found = preflight(config)
    assert "skeleton" in failed(found)
    assert "left_shoulder / right_shoulder" in found.summary() and "metrics" in found.summary()


def test_sigmas_that_are_not_the_datas():
    config = compose("train", TINY)
    config.metrics = {**config.metrics, "sigmas": 0.05}
    (finding,) = [f for f in preflight(config).findings if f.check == "skeleton"]
    assert finding.level == "note" and "not by those of the data" in finding.what


def test_a_step_that_cannot_be_taken(monkeypatch):
    from armature.module import PoseModule

    def fail(self, batch, batch_idx):
        raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB")

    monkeypatch.setattr(PoseModule, "training_step", fail)
    found = flight()
    assert failed(found) == ["first step"] and "out of memory" in found.summary()
    assert "a smaller data.batch_size" in found.summary()


def measured(**changed):
    known = {
        "device": "cpu",
        "precision": "32-true",
        "steps": 3,
        "first": 9.0,
        "load": 0.5,
        "step": 0.25,
        "predict": 0.01,
    }
    known |= {"load_one": 0.04, "peak": 2**30, "workers": 2**29, "cuda": None, "queued": 8, "batch": 2**20}
    known |= {"weights": 100, "optimizer": 200, "average": 100, "checkpoint": 400 * 2**20, "losses": {}, "metrics": ()}
    return trial.Trial(**(known | changed))


def data(**changed):
    known = {"train": range(1000), "val": range(90), "seed": 1, "samples_per_epoch": None, "batch_size": 8}
    return SimpleNamespace(**(known | {"val_batch_size": 16, "workers": 2} | changed))


def config(**trainer):
    from omegaconf import OmegaConf

    known = {"devices": 1, "max_epochs": 10, "accelerator": "cpu", "check_val_every_n_epoch": 2}
    return OmegaConf.create({"trainer": known | trainer, "runs": "runs"})


def test_hours_by_hand():
    # 125 batches an epoch. The loader takes 0.5 s a batch beside steps of 0.25 s: it is waited for half the time.
    found = Estimate.of(config(), data(), measured())
    assert (found.batches, found.steps, found.seconds_per_step, found.loader_share) == (125, 1250, 0.5, 0.5)
    assert found.training == 625.0
    # 5 validations and the last judgement, 90 images; an image is loaded in 0.04 s by each of two, predicted in 0.01
    assert found.validations == 5 and found.validation == pytest.approx(6 * 90 * 0.02)
    assert found.total == pytest.approx(625 + 6 * 90 * 0.02)


def test_without_loader_processes_the_two_take_turns():
    found = Estimate.of(config(), data(workers=0), measured())
    assert found.seconds_per_step == 0.75 and found.loader_share == pytest.approx(2 / 3)
    assert together(0.1, 0.3, 1) == 0.3


def test_processes_share_an_epoch():
    found = Estimate.of(config(devices=2, num_nodes=2, accumulate_grad_batches=3), data(), measured())
    # 250 images each, 31 batches of 8, 11 steps of 3 batches
    assert (found.processes, found.batches, found.steps) == (4, 31, 110)


@pytest.mark.parametrize(
    ("limits", "steps", "epochs"),
    [
        ({"max_steps": 300}, 300, 3),
        ({"max_steps": -1, "limit_train_batches": 10}, 100, 10),
        ({"limit_train_batches": 0.5}, 620, 10),
        ({"max_epochs": None, "max_steps": 7}, 7, 1),
    ],
    ids=str,
)
def test_limits(limits, steps, epochs):
    found = Estimate.of(config(**limits), data(), measured())
    assert (found.steps, found.epochs) == (steps, epochs)


@pytest.mark.slow
def test_estimates_are_lightnings_own(monkeypatch):
    """Against Lightning's count for the same config."""
    config = compose("train", [*TINY, "trainer.accumulate_grad_batches=5", "trainer.max_epochs=2"])
    from armature import assembly
    from armature.building import build

    module, own = assembly.assemble(config), assembly.data(config)
    module.metrics.bind(own.val_records())
    trainer = build(config.trainer)
    counted = []
    monkeypatch.setattr(
        type(module), "on_train_start", lambda self: counted.append(int(self.trainer.estimated_stepping_batches))
    )
    trainer.fit(module, datamodule=own)
    estimate = preflight(config).facts["estimate"]
    assert counted[0] == estimate["steps"] and trainer.global_step == estimate["steps"]


def test_disk(monkeypatch, tmp_path):
    free = {"bytes": 10 * 2**30}
    monkeypatch.setattr(surroundings.shutil, "disk_usage", lambda path: SimpleNamespace(free=free["bytes"]))
    (fine,) = surroundings.disk(config(), measured())
    assert fine.level == "ok" and "checkpoints of 400 MiB, 1.4 GiB in all; 10.0 GiB free" in fine.what
    assert next(surroundings.disk(config(), measured(), runs=20)).level == "fail"
    free["bytes"] = 2 * 2**30
    assert next(surroundings.disk(config(), measured())).level == "note"
    free["bytes"] = 7 * 2**20  # eight batches of 1 MiB do not fit in shared memory either
    found = list(surroundings.disk(config(), measured()))
    assert [f.check for f in found] == ["disk", "shared memory"] and {f.level for f in found} == {"fail"}
    monkeypatch.setattr(surroundings.os, "access", lambda path, mode: False)
    assert "cannot be written" in next(surroundings.disk(config(), measured())).what


def test_memory_of_all_processes_where_they_will_be():
    from armature.preflight import Room, checks

    def memory(devices, room):
        return next(iter(checks._memory(measured(), config(devices=devices), room)))

    one, several = (memory(n, Room("this machine", 4 * 2**30)) for n in (2, 3))
    assert one.level == "ok" and several.level == "fail", "1.5 GiB each"
    assert "data.batch_size" in several.advice and "launcher" not in several.advice
    job = memory(1, Room("the job", 100 * 2**20))
    assert job.level == "fail" and "more than the 100 MiB of the job" in job.what and "launcher.mem" in job.advice
    unknown = memory(99, Room("the job", None))
    assert unknown.level == "ok" and "not known here" in unknown.what


def test_a_gpu_that_is_not_here(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    found = flight("trainer.accelerator=gpu", "trainer.precision=16-mixed", "trainer.devices=4")
    (step,) = [f for f in found.findings if f.check == "first step"]
    assert step.level == "note" and "no GPU here, tried on cpu" in step.what
    assert found.passed and found.facts["estimate"]["processes"] == 4


def test_words():
    assert (size(3 * 2**29), size(5 * 2**20)) == ("1.5 GiB", "5 MiB")
    assert (duration(7200), duration(600), duration(30)) == ("2.0 h", "10 min", "30 s")


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_memory_of_a_process():
    assert 2**20 < trial._resident(os.getpid()) <= trial._peak()


@pytest.mark.slow
def test_the_command_line(capsys, tmp_path):
    assert cli.main(["train", "--preflight", *TINY]) == 0
    assert "ready to train" in capsys.readouterr().out
    assert cli.main(["train", *TINY, "--preflight", "monitor=val/nothing"]) == 2
    assert "to mend first: monitor" in capsys.readouterr().out
    assert cli.main(["evaluate", "--preflight", "run=x"]) == 2
    assert "trains nothing" in capsys.readouterr().err
    assert list((tmp_path / "work").iterdir()) == []
    assert cli.parse(["train", "-m", "--preflight", "seed=1,2"]).options() == ["--preflight"]


@pytest.mark.long
def test_the_estimates_of_a_real_run(tmp_path, monkeypatch):
    """Checkpoint size, steps and seconds against what the run really leaves."""
    monkeypatch.setenv("WANDB_MODE", "disabled")
    more = ["trainer.max_epochs=4", "data.train.length=160", f"runs={tmp_path / 'runs'}"]
    found = flight(*more)
    assert cli.main(["train", *TINY, *more]) == 0
    (run,) = (tmp_path / "runs" / "default").iterdir()
    file = run / "checkpoints" / "last.ckpt"
    assert found.facts["trial"]["checkpoint"] == pytest.approx(file.stat().st_size, rel=0.1)
    assert torch.load(file, weights_only=True)["global_step"] == found.facts["estimate"]["steps"] == 160
    spent = json.loads((run / "metrics.json").read_text())["time"]
    taken = spent["network"] + spent["data"]
    print(f"estimated {found.facts['estimate']['training']:.1f} s, taken {taken:.1f} s")
    assert 0.2 < found.facts["estimate"]["training"] / taken < 5


def test_findings_are_plain():
    found = flight("monitor=val/nothing")
    assert [dataclasses.asdict(f) for f in found.findings] == found.plain()["findings"]
    assert Path("runs").exists() is False
