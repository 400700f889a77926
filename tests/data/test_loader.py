"""The loader: as many workers as one likes, and a position that survives a restart."""

from __future__ import annotations

import multiprocessing
import signal
import subprocess
import time
from collections.abc import Callable
from multiprocessing.connection import Connection

import pytest
import torch

from armature.data.datamodule import KeypointData
from armature.data.dataset import KeypointDataset, Order
from armature.data.geometry import RandomAffine
from armature.data.loader import Loader, count_workers, make_loader, start_worker
from armature.structures import Batch


def loader(source: object, workers: int = 0, epoch: int = 0) -> Loader:
    order = Order(len(source), True, seed=7)  # type: ignore[arg-type]
    order.set_epoch(epoch)
    return make_loader(KeypointDataset(source, (32, 32), RandomAffine()), order, 2, workers, True, False)  # type: ignore[arg-type]


def ids(batches: list[Batch]) -> list[list[int]]:
    return [b.image_ids.tolist() for b in batches]


@pytest.mark.parametrize("workers", [1, 2])
def test_the_number_of_workers_changes_nothing(workers: int, dots: Callable) -> None:
    alone, helped = loader(dots(7)), loader(dots(7), workers)
    for epoch in range(2):
        for each in (alone, helped):
            each.sampler.set_epoch(epoch)  # type: ignore[attr-defined]
        a, b = list(alone), list(helped)
        assert len(a) == len(b) == 3
        for x, y in zip(a, b):
            assert torch.equal(x.images, y.images)
            assert torch.equal(x.instances.keypoints, y.instances.keypoints)
            assert y.images.is_contiguous(memory_format=torch.channels_last)


def test_workers_stay_with_one_thread(dots: Callable) -> None:
    made = loader(dots(4), 1)
    made.collate_fn = lambda samples: torch.get_num_threads()
    assert set(made) == {1}


def test_a_restart_in_mid_epoch_goes_on_where_it_was(dots: Callable) -> None:
    whole = loader(dots(9), epoch=3)
    expected = ids(list(whole))
    interrupted = loader(dots(9), epoch=3)
    batches = iter(interrupted)
    seen = ids([next(batches), next(batches)])
    state = interrupted.state_dict()
    resumed = loader(dots(9), epoch=3)
    resumed.load_state_dict(state)
    rest = iter(resumed)
    seen += ids([next(rest)])
    # And once more, from the middle of the resumed epoch.
    again = loader(dots(9), epoch=3)
    again.load_state_dict(resumed.state_dict())
    seen += ids(list(again))
    assert seen == expected
    assert ids(list(again)) == expected


def test_a_state_from_the_end_of_an_epoch_skips_nothing(dots: Callable) -> None:
    finished = loader(dots(6))
    everything = ids(list(finished))
    same = loader(dots(6))
    same.load_state_dict(finished.state_dict())
    assert ids(list(same)) == everything
    following = loader(dots(6), epoch=1)
    following.load_state_dict({"epoch": 0, "batches": 1})
    assert len(list(following)) == 3


def test_nothing_is_read_before_the_first_batch_is_asked_for(dots: Callable) -> None:
    made = loader(dots(6))
    batches = iter(made)
    made.sampler.set_epoch(5)  # type: ignore[attr-defined]
    assert ids(list(batches)) == ids(list(loader(dots(6), epoch=5)))


def test_workers_can_be_counted_or_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert count_workers(3) == 3
    assert count_workers(0) == 0
    for cores, processes, expected in [(1, 1, 1), (2, 1, 1), (16, 4, 3), (64, 1, 12)]:
        monkeypatch.setattr("os.sched_getaffinity", lambda _, n=cores: set(range(n)), raising=False)
        assert count_workers("auto", processes) == expected


@pytest.mark.skipif(not hasattr(signal, "sigwaitinfo"), reason="needs a system that tells who sent a signal")
def test_only_its_trainer_ends_a_loader_process() -> None:
    def work(ready: Connection) -> None:
        start_worker(0)
        ready.send(True)
        time.sleep(60)

    ours, theirs = multiprocessing.Pipe()
    worker = multiprocessing.get_context("fork").Process(target=work, args=(theirs,), daemon=True)
    worker.start()
    assert ours.poll(30)
    for name in ("TERM", "USR1", "TERM"):
        subprocess.run(["kill", f"-{name}", str(worker.pid)], check=True)
    worker.join(0.5)
    assert worker.is_alive()
    worker.terminate()
    worker.join(10)
    assert worker.exitcode == 0


def test_batches_are_pinned_and_workers_stay_where_that_is_asked_for(dots: Callable) -> None:
    module = KeypointData(train=dots(4), val=dots(4), canvas=(32, 32), workers=1, batch_size=2, pin_memory=True)
    for loader in (module.train_dataloader(), module.val_dataloader()):
        assert loader.pin_memory and loader.persistent_workers and loader.num_workers == 1
    alone = KeypointData(train=dots(4), canvas=(32, 32), workers=0, batch_size=2).train_dataloader()
    assert not alone.persistent_workers and alone.pin_memory == torch.cuda.is_available()
