"""history.csv: what is in a row, and what happens to rows through a resume."""

import csv
import math
import os
import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))

from tiny_run import fit, fresh

from armature.callbacks import history
from armature.callbacks.history import History
from armature.callbacks.throughput import Throughput


def rows(folder):
    with open(folder / "history.csv", newline="") as file:
        return list(csv.DictReader(file))


def recorded(module):
    """``module``, and the list into which it puts the loss of every step."""
    losses, step = [], module.training_step

    def training_step(batch, batch_idx):
        loss = step(batch, batch_idx)
        losses.append(loss.item())
        return loss

    module.training_step = training_step
    return module, losses


def test_a_row_an_epoch(tmp_path):
    module, losses = recorded(fresh(score=[0.25, 0.5, math.nan].__getitem__))
    fit(tmp_path, module, 3, callbacks=[Throughput(skip=0)])
    found = rows(tmp_path)
    first = ["epoch", "step", "seconds", "lr", "train/fit", "train/total", "val/AP", "val/error/mean"]
    assert list(found[0]) == [*first, "throughput/images_per_second", "throughput/data_wait"]
    assert [(row["epoch"], row["step"]) for row in found] == [("1", "6"), ("2", "12"), ("3", "18")]
    assert [row["val/AP"] for row in found] == ["0.25", "0.5", ""], "not a number is an empty cell"
    for number, row in enumerate(found):
        mean = sum(losses[6 * number : 6 * number + 6]) / 6
        assert float(row["train/fit"]) == pytest.approx(mean, rel=1e-6)
        assert float(row["train/total"]) == pytest.approx(2 * mean, rel=1e-6)
        assert float(row["lr"]) == pytest.approx(0.01 / (6 * number + 6)), "the rate of the epoch's last step"
    assert 0 < float(found[0]["seconds"]) < float(found[1]["seconds"]) < float(found[2]["seconds"])


def test_no_validation_no_values(tmp_path):
    fit(tmp_path, fresh(score=lambda epoch: 0.5), 4, check_val_every_n_epoch=2)
    assert [row["val/AP"] for row in rows(tmp_path)] == ["", "0.5", "", "0.5"]


def test_a_resumed_run_continues_the_file(tmp_path):
    fit(tmp_path, fresh(), 2)
    first = rows(tmp_path)
    with open(tmp_path / "history.csv", "a") as file:  # as if the run had been killed after epochs that were not kept
        file.write("3,18,9,,,,,\n4,24,9,,,,,\n")
    fit(tmp_path, fresh(), 3, resume=True)
    found = rows(tmp_path)
    assert found[:2] == first and [row["epoch"] for row in found] == ["1", "2", "3"]
    assert float(found[2]["seconds"]) > float(found[1]["seconds"]) and found[2]["train/fit"]


def test_a_new_run_begins_anew(tmp_path):
    (tmp_path / "history.csv").write_text("epoch,step\n1,5\n")
    fit(tmp_path, fresh(), 1)
    assert [row["step"] for row in rows(tmp_path)] == ["6"]


def test_columns_may_grow(tmp_path):
    module = fresh()
    end = module.on_validation_epoch_end

    def more():
        end()
        if module.current_epoch == 1:
            module.log("val/AR", 0.5)

    module.on_validation_epoch_end = more
    fit(tmp_path, module, 2)
    assert [row["val/AR"] for row in rows(tmp_path)] == ["", "0.5"]


def test_a_torn_or_empty_file_is_read_as_far_as_it_goes(tmp_path):
    path = tmp_path / "history.csv"
    path.write_text("epoch,step,lr\n1,6,0.1\n2,12\n,\n3")
    assert history._read(path) == [
        {"epoch": "1", "step": "6", "lr": "0.1"},
        {"epoch": "2", "step": "12"},
        {"epoch": "3"},
    ]
    path.write_text("")
    assert history._read(path) == []


def test_a_full_disk_costs_no_row(tmp_path, monkeypatch, caplog):
    real, full = os.fsync, {"now": False}

    def fsync(handle):
        if full["now"] and "history" in os.readlink(f"/proc/self/fd/{handle}"):
            raise OSError(28, "No space left on device")
        real(handle)

    if not Path("/proc/self/fd").exists():
        pytest.skip("needs /proc")
    monkeypatch.setattr(os, "fsync", fsync)
    module = fresh()
    module.on_batch = lambda module, batch_idx: full.update(now=module.current_epoch == 1)
    fit(tmp_path, module, 3)
    assert [row["epoch"] for row in rows(tmp_path)] == ["1", "2", "3"]
    assert "history.csv was not written: No space left on device" in caplog.text


def test_state_is_plain(tmp_path):
    own = History(tmp_path)
    own._sums = {"train/fit": torch.tensor(3.0, dtype=torch.float64)}
    other = History(tmp_path)
    other.load_state_dict(own.state_dict())
    assert other._sums["train/fit"] == 3.0
    torch.save(own.state_dict(), tmp_path / "state.pt")
    torch.load(tmp_path / "state.pt", weights_only=True)
