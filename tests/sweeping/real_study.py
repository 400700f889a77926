"""A small sweep of real trainings: twelve learning rates, pruned by halves, of which one crashes where a test wants."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from armature.sweeping import folder
from armature.sweeping.folder import SweepFolder
from smallest import RUN

SMALL = [
    *RUN,
    "data.batch_size=8",
    "data.train.length=24",
    "data.val.length=9",
    "trainer=debug",
    "pictures=0",
    "logger=csv",
    "monitor=val/error/mean",  # AP is 0 in so few steps
]
STUDY = ["sweep=learning_rate", "sampler=tpe", "sampler.startup=4", "lag=4", "trials=12"]
STUDY += ["pruner=halving", "pruner.reduction=2", *SMALL, "trainer.max_epochs=4"]
#: Where ``crashing`` is found, one thread, and no network.
VARIABLES = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parent), "WANDB_MODE": "offline"}


def crash(file: Path) -> list[str]:
    """The trial whose number the file has fails once."""
    return ["+logger.crash._target_=crashing.CrashOnce", f"+logger.crash.file={file}"]


def newest(root: Path) -> SweepFolder:
    return folder.open(max(root.glob("*/*/sweep.yaml"), key=lambda p: p.stat().st_mtime).parent)


def begun(sweep: SweepFolder, but: int) -> dict[str, Any] | None:
    """A worker in the middle of a trial that has a checkpoint and is not number ``but``."""
    for file in sorted((sweep.path / "claims").glob("*.001.json")):
        claim, number = json.loads(file.read_text()), int(file.name[:4])
        if claim["state"] == "running" and number != but and sweep.run(number).last.is_file():
            return claim | {"trial": number}
    return None
