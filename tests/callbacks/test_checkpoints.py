"""best.ckpt and last.ckpt: what is in them, when they change, and what a full disk does to them."""

import errno
import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))

from tiny_run import Data, fit, fresh

from armature.callbacks import checkpoint_io
from armature.callbacks.checkpoint_io import AtomicCheckpointIO, link_or_copy
from armature.callbacks.checkpoints import CheckpointError, Checkpoints
from armature.errors import ConfigError

pytestmark = pytest.mark.slow


def load(path):
    return torch.load(path, weights_only=True)


def weights(path):
    return load(path)["state_dict"]


def equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_best_is_the_best_epoch_and_last_the_last(tmp_path):
    scores = [0.1, 0.5, 0.3]
    _, kept = fit(tmp_path, fresh(score=scores.__getitem__))
    assert load(kept.best)["epoch"] == 1 and load(kept.last)["epoch"] == 2
    assert load(kept.last)["armature_config"] == {"seed": 1}
    assert sorted(p.name for p in kept.folder.iterdir()) == ["best.ckpt", "last.ckpt"]


def test_smaller_is_better_where_asked(tmp_path):
    _, kept = fit(tmp_path, fresh(score=[3.0, 1.0, 2.0].__getitem__), mode="min")
    assert load(kept.best)["epoch"] == 1


@pytest.mark.parametrize(
    "scores, best", [([math.nan, 0.1, math.nan], 1), ([0.2, math.nan, 0.1], 0), ([math.nan] * 3, 0)]
)
def test_nan_is_never_better(tmp_path, scores, best):
    _, kept = fit(tmp_path, fresh(score=scores.__getitem__))
    assert load(kept.best)["epoch"] == best


def test_best_in_the_middle_of_an_epoch(tmp_path):
    _, kept = fit(tmp_path, fresh(score=lambda epoch: -epoch), val_check_interval=0.5)
    assert load(kept.best)["global_step"] == 3


def test_without_validation_the_best_is_the_last(tmp_path):
    _, kept = fit(tmp_path, fresh(), limit_val_batches=0)
    assert equal(weights(kept.best), weights(kept.last))


def test_a_monitor_nobody_measures(tmp_path):
    with pytest.raises(ConfigError, match=r"'val/AR'.*did you mean 'val/AP'"):
        fit(tmp_path, fresh(), monitor="val/AR")


def test_unknown_mode(tmp_path):
    with pytest.raises(ConfigError, match="'max' or 'min'"):
        Checkpoints(tmp_path, mode="mx")


def test_last_is_written_rarely_but_at_the_end(tmp_path):
    _, kept = fit(tmp_path, fresh(score=lambda epoch: -epoch), epochs=4, every_seconds=1e9)
    assert load(kept.best)["epoch"] == 0  # the first epoch was written because it was the best
    assert load(kept.last)["global_step"] == 24


@pytest.mark.parametrize("every", [0.0, 1e9])
@pytest.mark.parametrize("first", [1, 2])
def test_two_runs_equal_one(tmp_path, first, every):
    whole, _ = fit(tmp_path / "whole", fresh(seen=tmp_path / "a.txt"), 4, every_seconds=every)
    fit(tmp_path / "parts", fresh(seen=tmp_path / "b.txt"), first, every_seconds=every)
    parts, _ = fit(tmp_path / "parts", fresh(seen=tmp_path / "b.txt"), 4, resume=True, every_seconds=every)
    assert whole.global_step == parts.global_step == 24
    assert (tmp_path / "a.txt").read_text() == (tmp_path / "b.txt").read_text()
    a, b = (load(tmp_path / run / "checkpoints" / "last.ckpt") for run in ("whole", "parts"))
    assert equal(a["state_dict"], b["state_dict"])
    assert a["lr_schedulers"] == b["lr_schedulers"]
    assert equal(weights(tmp_path / "whole/checkpoints/best.ckpt"), weights(tmp_path / "parts/checkpoints/best.ckpt"))


class FullDisk:
    """Stands in for a file on a disk with room for so many bytes."""

    def __init__(self, file, room):
        self.file, self.room = file, room

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.file.close()

    def __getattr__(self, name):
        return getattr(self.file, name)

    def write(self, data):
        self.room -= len(data)
        if self.room < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return self.file.write(data)


@pytest.fixture
def disk(monkeypatch):
    """Makes checkpoint files fail after ``disk["room"]`` bytes; None: never."""
    state = {"room": None}

    def opened(path, mode):
        file = open(path, mode)  # noqa: SIM115
        return file if state["room"] is None else FullDisk(file, state["room"])

    monkeypatch.setattr(checkpoint_io, "open", opened, raising=False)
    return state


@pytest.mark.parametrize("room", [0, 100, 1500])
def test_a_full_disk_leaves_the_old_file(tmp_path, disk, room):
    path, io = tmp_path / "last.ckpt", AtomicCheckpointIO()
    io.save_checkpoint({"x": torch.ones(1000)}, path)
    disk["room"] = room
    with pytest.raises(OSError, match="No space left") as caught:
        io.save_checkpoint({"x": torch.zeros(1000)}, path)
    assert caught.value.errno == errno.ENOSPC
    assert load(path)["x"].sum() == 1000
    assert [p.name for p in tmp_path.iterdir()] == ["last.ckpt"]


@pytest.mark.long
def test_the_system_itself_refuses(tmp_path):
    """A real error of the kernel in the middle of the write, in a process whose files may have 20 kB at most."""
    script = f"""
import resource, torch, sys
from pathlib import Path
from armature.callbacks.checkpoint_io import AtomicCheckpointIO
io, path = AtomicCheckpointIO(), Path({str(tmp_path)!r}) / "last.ckpt"
io.save_checkpoint({{"x": torch.ones(1000)}}, path)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    io.save_checkpoint({{"x": torch.ones(100_000)}}, path)
except OSError as error:
    print(type(error).__name__, error.errno)
print(torch.load(path, weights_only=True)["x"].sum().item(), [p.name for p in path.parent.iterdir()])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == [f"OSError {errno.EFBIG}", "1000.0 ['last.ckpt']"]


def test_training_goes_on_when_the_disk_is_full_for_a_while(tmp_path, disk, caplog):
    def fill(module, batch_idx):
        disk["room"] = 1000 if module.current_epoch == 1 else None

    module = fresh(score=[0.1, 0.9, 0.3, 0.2].__getitem__)
    module.on_batch = fill
    _, kept = fit(tmp_path, module, epochs=4)
    assert load(kept.last)["epoch"] == 3
    assert load(kept.best)["epoch"] == 2, "epoch 1 was better but could not be kept; what can be kept counts"
    assert "last.ckpt was not written: No space left on device" in caplog.text
    assert "MB free" in caplog.text and "untouched" in caplog.text
    assert kept.score == 0.3


def test_the_run_stops_after_several_failures(tmp_path, disk):
    def fill(module, batch_idx):
        disk["room"] = 1000 if module.current_epoch >= 1 else None

    module = fresh()
    module.on_batch = fill
    with pytest.raises(CheckpointError, match="3 checkpoints in a row were not written: No space left on device"):
        fit(tmp_path, module, epochs=9)
    assert load(tmp_path / "checkpoints" / "last.ckpt")["epoch"] == 0


def test_a_trained_model_that_cannot_be_kept_is_an_error(tmp_path, disk):
    module = fresh()
    module.on_batch = lambda module, batch_idx: disk.update(room=1000)
    with pytest.raises(CheckpointError, match="the trained model could not be kept"):
        fit(tmp_path, module, epochs=1)


def test_link_or_copy_replaces(tmp_path, monkeypatch):
    old, new = tmp_path / "last.ckpt", tmp_path / "best.ckpt"
    old.write_text("new"), new.write_text("old")
    link_or_copy(old, new)
    link_or_copy(old, new)  # they are the same file now
    assert new.read_text() == "new" and sorted(p.name for p in tmp_path.iterdir()) == ["best.ckpt", "last.ckpt"]
    new.unlink(), new.write_text("old")

    def refuse(*args):
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(checkpoint_io.os, "link", refuse)
    link_or_copy(old, new)
    assert new.read_text() == "new" and new.stat().st_ino != old.stat().st_ino


def test_data_of_a_finished_epoch_is_not_repeated(tmp_path):
    """Each epoch sees every row once, resumed or not."""
    fit(tmp_path, fresh(seen=tmp_path / "seen.txt"), 1, data=Data(8))
    fit(tmp_path, fresh(seen=tmp_path / "seen.txt"), 2, resume=True, data=Data(8))
    lines = [line.split() for line in (tmp_path / "seen.txt").read_text().splitlines() if line.startswith("batch")]
    for epoch in ("0", "1"):
        assert sorted(int(i) for line in lines if line[1] == epoch for i in line[3:]) == list(range(8))
