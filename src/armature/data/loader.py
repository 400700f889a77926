"""The loader: worker processes that stay small, and a position that survives a restart in mid-epoch."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

import cv2
import torch
from torch.utils.data import DataLoader

from armature import hardware
from armature.data.dataset import KeypointDataset, Order, Sample, collate
from armature.structures import Batch

#: More processes than this only take memory: the network is fed long before.
MOST_WORKERS = 12


class Loader(DataLoader[Sample]):
    """A DataLoader over an ``Order`` that can be saved and resumed between two batches.

    Nothing is read before the first batch is asked for, so that the epoch is known by then: Lightning makes
    iterators before it tells the sampler the epoch of a resumed run.
    """

    #: The epoch that was last begun, and how many of its batches have been handed out.
    position = (0, 0)
    #: The position of the run that is resumed, until the next epoch begins.
    resumed: tuple[int, int] | None = None

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        return self._run()

    def _run(self) -> Iterator[Batch]:
        order = self.sampler
        assert isinstance(order, Order)
        epoch, batches = self.resumed or (order.epoch, 0)
        self.resumed = None
        # A state from the end of an epoch belongs to nothing that is still to come.
        done = batches if epoch == order.epoch and batches < len(self) else 0
        self.position, order.skip = (order.epoch, done), done * (self.batch_size or 1)
        for batch in super().__iter__():
            order.skip = 0  # not before: without workers the order is asked for with the first batch
            self.position = (self.position[0], self.position[1] + 1)
            yield batch

    def state_dict(self) -> dict[str, Any]:
        """The epoch and how many of its batches have been handed out."""
        return {"epoch": self.position[0], "batches": self.position[1]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues after the saved batch, if the next epoch is the saved one and was not at its end."""
        self.resumed = (state["epoch"], state["batches"])


def make_loader(
    dataset: KeypointDataset, order: Order, batch_size: int, workers: int, drop_last: bool, pin_memory: bool
) -> Loader:
    """A loader of batches; ``workers`` 0 loads in the calling process."""
    return Loader(
        dataset,
        batch_size=batch_size,
        sampler=order,
        num_workers=workers,
        collate_fn=collate,
        drop_last=drop_last,
        pin_memory=pin_memory,
        worker_init_fn=start_worker,
        persistent_workers=workers > 0,
        prefetch_factor=4 if workers else None,
    )


def count_workers(wanted: int | str, processes: int = 1) -> int:
    """``wanted``, or for "auto" the cores of this machine shared among its training processes, less one each."""
    if wanted != "auto":
        return int(wanted)
    return min(MOST_WORKERS, max(1, hardware.cores() // max(1, processes) - 1))


def start_worker(_: int) -> None:
    """Keeps a loader process to one thread, and alive until its trainer ends it."""
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    if hasattr(signal, "sigwaitinfo"):
        # Some clusters tell every process of a job to go, not only the trainer, which still has a step to finish.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGUSR1})
        threading.Thread(target=_until_told, args=(os.getppid(),), daemon=True).start()


def _until_told(parent: int) -> None:
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != parent:
        pass
    os._exit(0)
