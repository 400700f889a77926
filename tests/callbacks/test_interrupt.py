"""Ctrl-C: what is kept, what is said, and that a resumed run is the run that was never stopped."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))

from tiny_run import Data, fit, fresh

from armature.errors import Interrupted

SCRIPT = str(Path(__file__).parent / "tiny_run.py")


def interrupt_at(module, epoch, batch=None, val_batch=None, times=1):
    """The user presses Ctrl-C while ``module`` works on a batch."""

    def press(module, batch_idx):
        if module.current_epoch == epoch and batch_idx == (val_batch if batch is None else batch):
            for _ in range(times):
                os.kill(os.getpid(), signal.SIGINT)

    setattr(module, "on_batch" if batch is not None else "on_val_batch", press)
    return module


def state(folder):
    return torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)


def same(a, b):
    return all(torch.equal(a["state_dict"][name], value) for name, value in b["state_dict"].items())


def history(folder):
    """Rows without the wall clock."""
    lines = (folder / "history.csv").read_text().splitlines()
    return [line.split(",")[:2] + line.split(",")[3:] for line in lines]


CASES = [
    {"epoch": 0, "batch": 0},
    {"epoch": 0, "batch": 3},
    {"epoch": 1, "batch": 2},
    {"epoch": 1, "batch": 5},  # the last of the epoch: its validation is still to come
    {"epoch": 1, "val_batch": 0},
    {"epoch": 1, "val_batch": 1},
    {"epoch": 1, "val_batch": 2},  # the last: the next batch is the first of the next epoch
    {"epoch": 2, "batch": 5},
]


@pytest.mark.slow
@pytest.mark.parametrize("every", [0.0, 1e9])
@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(f"{k}{v}" for k, v in case.items()))
def test_interrupted_and_resumed_equals_uninterrupted(tmp_path, case, every):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    one, _ = fit(whole, fresh(seen=tmp_path / "a.txt"), 3, every_seconds=every)
    with pytest.raises(Interrupted, match=f"armature train resume={parts}") as stop:
        fit(parts, interrupt_at(fresh(seen=tmp_path / "b.txt"), **case), 3, every_seconds=every)
    assert stop.value.code == 130
    two, _ = fit(parts, fresh(seen=tmp_path / "b.txt"), 3, resume=True, every_seconds=every)
    a, b = ((tmp_path / name).read_text().splitlines() for name in ("a.txt", "b.txt"))
    assert [x for x in a if x.startswith("batch")] == [x for x in b if x.startswith("batch")]
    assert same(state(whole), state(parts))
    assert history(whole) == history(parts)
    assert one.fit_loop.epoch_loop._batches_that_stepped == two.fit_loop.epoch_loop._batches_that_stepped


@pytest.mark.parametrize("options", [{"accumulate_grad_batches": 3}, {"val_check_interval": 0.5}])
@pytest.mark.parametrize("batch", [0, 2, 3])
def test_with_accumulation_and_validation_in_between(tmp_path, options, batch):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    one, _ = fit(whole, fresh(seen=tmp_path / "a.txt"), 2, **options)
    with pytest.raises(Interrupted):
        fit(parts, interrupt_at(fresh(seen=tmp_path / "b.txt"), 1, batch), 2, **options)
    two, _ = fit(parts, fresh(seen=tmp_path / "b.txt"), 2, resume=True, **options)
    a, b = ((tmp_path / name).read_text().splitlines() for name in ("a.txt", "b.txt"))
    assert [x for x in a if x.startswith("batch")] == [x for x in b if x.startswith("batch")]
    assert same(state(whole), state(parts))
    assert one.fit_loop.epoch_loop._batches_that_stepped == two.fit_loop.epoch_loop._batches_that_stepped


def test_a_validation_that_was_left_is_done_again_from_the_start(tmp_path):
    seen = tmp_path / "seen.txt"
    with pytest.raises(Interrupted, match="validation after epoch 2"):
        fit(tmp_path, interrupt_at(fresh(seen=seen), 1, val_batch=1), 2)
    seen.write_text("")
    fit(tmp_path, fresh(seen=seen), 2, resume=True)
    assert seen.read_text().splitlines() == ["val 1 0 1", "val 1 2 3", "val 1 4 5"]


def test_the_second_one_stops_at_once(tmp_path):
    module = interrupt_at(fresh(), 1, 2, times=2)
    with pytest.raises(Interrupted, match="stopped at once"):
        fit(tmp_path, module, 3)
    assert state(tmp_path)["epoch"] == 0, "nothing is written on the way out"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_cluster_that_repeats_itself_changes_nothing(tmp_path, number):
    """It may also do so while the run puts its things away; only a second Ctrl-C is in a hurry."""
    before = {n: signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGUSR1)}

    def press(module, batch_idx):
        if module.current_epoch == 1 and batch_idx == 2:
            for _ in range(3):
                os.kill(os.getpid(), number)

    module = fresh()
    module.on_batch = press
    try:
        with pytest.raises(Interrupted, match="stopped in epoch 2, batch 3") as stop:
            fit(tmp_path, module, 3)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.1)
    finally:
        for n, handler in before.items():
            signal.signal(n, handler)
    assert stop.value.code == 128 + number
    assert state(tmp_path)["global_step"] == 6 + 3


def test_handlers_are_put_back(tmp_path):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    fit(tmp_path / "a", fresh(), 1)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    with pytest.raises(Interrupted):
        fit(tmp_path / "b", interrupt_at(fresh(), 0, 2), 1)
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1)


def start(folder, *arguments):
    folder.mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, SCRIPT, str(folder), *arguments], stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def wait_for(path, lines):
    end = time.monotonic() + 60
    while not path.exists() or len(path.read_text().splitlines()) < lines:
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.long
@pytest.mark.parametrize(
    "number, code",
    [
        (signal.SIGTERM, 143),
        pytest.param(signal.SIGINT, 130, marks=pytest.mark.long),
        pytest.param(signal.SIGUSR1, 138, marks=pytest.mark.long),
    ],
)
def test_a_process_that_gets_a_signal(tmp_path, number, code):
    folder = tmp_path / "run"
    process = start(folder, "0.2", "3")
    wait_for(folder / "seen.txt", 2)
    os.killpg(process.pid, number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == code, said
    assert f"armature train resume={folder}" in said and "Traceback" not in said
    assert subprocess.run([sys.executable, SCRIPT, str(folder), "0", "3", "resume"]).returncode == 0
    fit(tmp_path / "whole", fresh(), 3)
    assert same(state(tmp_path / "whole"), state(folder))


@pytest.mark.long
def test_two_processes_of_which_one_is_told(tmp_path):
    """Both stop at the same place, and a resume ends where an uninterrupted run does."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert start(whole, "0", "3", "two").wait(60) == 0
    process = start(parts, "0.1", "3", "two")
    wait_for(parts / "seen.txt", 4)
    os.kill(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert start(parts, "0", "3", "two", "resume").wait(60) == 0
    assert same(state(whole), state(parts))
    for a, b in zip(history(whole), history(parts), strict=True):
        assert [float(x) for x in a[2:]] == pytest.approx([float(x) for x in b[2:]]) if a[0] != "epoch" else a == b


def test_loader_processes_survive(tmp_path):
    """Ctrl-C in a terminal reaches the loader's processes too; the step that is under way must still end."""

    class Workers(Data):
        def train_dataloader(self):
            loader = super().train_dataloader()
            return type(loader)(loader.dataset, batch_size=2, sampler=loader.sampler, num_workers=1)

    def press(module, batch_idx):
        if batch_idx == 1:
            children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
            for _ in range(3):  # whatever the user does: the main process decides
                for child in children:
                    os.kill(int(child), signal.SIGINT)
                time.sleep(0.1)

    if not Path("/proc/self/task").exists():
        pytest.skip("needs /proc")
    module = fresh()
    module.on_batch = press
    fit(tmp_path, module, 1, data=Workers())
    assert state(tmp_path)["global_step"] == 6
