"""The Lightning Trainer with the few choices that Lightning leaves open."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.environments import ClusterEnvironment, LightningEnvironment

from armature import hardware
from armature.ranks import Place
from armature.strategies import DataParallel, Processes
from armature.synced_norms import SyncedNorms


def trainer(
    callbacks: Sequence[pl.Callback] = (),
    logger: Any = False,
    root: str | Path | None = None,
    precision: str = "auto",
    accelerator: str = "auto",
    threads: int | None = None,
    plugins: Sequence[Any] = (),
    strategy: Any = "auto",
    place: Place | None = None,
    port: int = 0,
    **options: Any,
) -> pl.Trainer:
    """A Trainer whose checkpoints, progress bar and summary are the project's own callbacks.

    Args:
        callbacks, logger, plugins: built objects. root: where Lightning may write; the run folder.
        precision: Lightning's, or ``auto``: bf16 where the hardware multiplies it, float32 elsewhere.
        accelerator: Lightning's. threads: of torch on the CPU; None leaves them alone, or where several processes share
            a machine's cores, gives each its part.
        sync_batchnorm: normalise over the batches of all processes.
        strategy: built (``armature.strategies``), or Lightning's name; of no account in a run of one process.
        place: of this process among those of a distributed run, None where it is alone. port: where they meet.
        options: everything else that ``pytorch_lightning.Trainer`` takes.
    """
    for package in ("pytorch_lightning", "lightning_fabric"):  # they set their own level when they are imported
        logging.getLogger(package).setLevel(logging.WARNING)
    _share_cores(threads, place)
    chosen = hardware.precision(accelerator) if precision == "auto" else precision
    own: dict[str, Any] = {"enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
    own |= {"num_sanity_val_steps": 0, "log_every_n_steps": 10, "use_distributed_sampler": False}
    spread, environment = _spread(strategy, place, port, options)
    synced = options.pop("sync_batchnorm", False) and place is not None
    added = [environment, SyncedNorms() if synced else None]
    chosen_plugins = [*plugins, *(plugin for plugin in added if plugin is not None)]
    return pl.Trainer(
        callbacks=list(callbacks),
        logger=logger,
        default_root_dir=str(root) if root else None,
        precision=chosen,  # type: ignore[arg-type]
        accelerator=accelerator,
        plugins=chosen_plugins or None,
        **(own | options | spread),
    )


def _share_cores(threads: int | None, place: Place | None) -> None:
    if threads:
        torch.set_num_threads(threads)
    elif place is not None and "OMP_NUM_THREADS" not in os.environ:
        bound = os.environ.get("SLURM_CPUS_PER_TASK")  # then srun has shared them already
        torch.set_num_threads(int(bound) if bound else max(1, hardware.cores() // place.local_world))


def _spread(
    strategy: Any, place: Place | None, port: int, options: dict[str, Any]
) -> tuple[dict[str, Any], ClusterEnvironment | None]:
    """Lightning's options for the processes there are, and what answers its questions about them.

    It is never left to find out for itself: within a cluster's job it takes every process for one of many.
    """
    devices = options.get("devices", 1)
    if place is None:
        one = devices in (1, "1") and int(options.get("num_nodes", 1)) == 1
        return {"strategy": "auto" if one else strategy}, LightningEnvironment() if one else None
    named = isinstance(devices, (list, tuple)) or (isinstance(devices, str) and "," in devices)
    spread = {"devices": devices if named else place.local_world, "num_nodes": place.nodes}
    # torchrun's own store would serve the keys of an earlier process group again: -m has several, one after another.
    os.environ["TORCHELASTIC_USE_AGENT_STORE"] = "False"
    plain = strategy in ("auto", "ddp")
    return spread | {"strategy": DataParallel() if plain else strategy}, Processes(place, port)
