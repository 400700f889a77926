"""What a run needs besides itself: disk space, an account at W&B, processes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from armature.preflight.findings import FAIL, NOTE, Finding, size
from armature.tracking import access

if TYPE_CHECKING:
    from armature.preflight.trial import Trial

#: Checkpoint files at the same time: best, last, and the one that is being written.
_CHECKPOINTS = 3
#: Pictures, predictions, history, report and W&B's files of a run, roughly.
_REST = 200 * 2**20


def local_processes(config: DictConfig) -> int:
    """Training processes on one machine, by the config."""
    devices = config.trainer.get("devices", 1)
    if isinstance(devices, int):
        return max(1, devices) if devices >= 0 else _all_devices(config)
    if isinstance(devices, str):
        return _all_devices(config) if devices == "auto" else len([d for d in devices.split(",") if d])
    return max(1, len(devices or [0]))


def busy() -> bool:
    """Whether more wants to run on this machine than it has processors."""
    return hasattr(os, "getloadavg") and os.getloadavg()[0] > (os.cpu_count() or 1) + 1


def disk(config: DictConfig, measured: Trial, runs: int = 1) -> Iterator[Finding]:
    """Space for the checkpoints of so many runs where run folders are made."""
    folder = Path(config.runs).expanduser().absolute()
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not os.access(there, os.W_OK):
        yield Finding("disk", f"{there} cannot be written", FAIL, "runs=FOLDER chooses another")
        return
    needed, free = runs * (_CHECKPOINTS * measured.checkpoint + _REST), shutil.disk_usage(there).free
    what = f"checkpoints of {size(measured.checkpoint)}, {size(needed)} in all"
    what += f" for {runs} runs" if runs > 1 else ""
    what += f"; {size(free)} free in {folder}"
    level = FAIL if needed > free else NOTE if needed > 0.5 * free else "ok"
    yield Finding("disk", what, level, "" if level == "ok" else "free some, or runs=FOLDER")
    yield from _shared_memory(config, measured)


def wandb(config: DictConfig) -> Iterator[Finding]:
    """Whether a run will be seen at W&B while it goes on; asks nobody for anything."""
    part: Any = (config.get("logger") or {}).get("wandb")
    if part is None:
        yield Finding("W&B", "not used (logger=csv or none)")
        return
    asked = part.get("mode", "auto")
    mode = access.automatic() if asked == "auto" else asked
    if mode in ("offline", "disabled"):
        why = "" if asked != "auto" else " (WANDB_MODE)" if os.environ.get("WANDB_MODE") else ", nobody is logged in"
        later = "; armature sync sends it later" if mode == "offline" else ""
        yield Finding("W&B", f"{mode}{why}{later}")
    elif not access.logged_in():
        level = FAIL if asked == "online" else NOTE
        yield Finding(
            "W&B", "online is asked for, but there is no API key", level, "wandb login, or logger.wandb.mode=auto"
        )
    elif problem := access.unreachable(3.0):
        advice = "on a node that reaches it the run is online, elsewhere armature sync sends it later"
        yield Finding("W&B", f"logged in, but from here {problem}", NOTE, advice)
    else:
        yield Finding("W&B", f"online, logged in at {access.server()}")


def _shared_memory(config: DictConfig, measured: Trial) -> Iterator[Finding]:
    """Loader processes hand batches over in it; where it is full, they die of a bus error."""
    shared = Path("/dev/shm")
    if not shared.is_dir() or not measured.workers:
        return
    needed, free = local_processes(config) * measured.queued * measured.batch, shutil.disk_usage(shared).free
    if needed > free:
        what = f"{size(needed)} of batches on their way, {size(free)} free in {shared}"
        yield Finding("shared memory", what, FAIL, "data.workers=0, or give the container more (--shm-size)")


def _all_devices(config: DictConfig) -> int:
    import torch

    if str(config.trainer.get("accelerator")) in ("gpu", "cuda", "auto") and torch.cuda.is_available():
        return torch.cuda.device_count()
    return 1
