"""Runs that nobody has trained: the smallest thing that predicts, with random weights."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from pytorch_lightning import seed_everything

from armature import assembly
from armature.configuration import compose, save_text

sys.path.insert(0, str(Path(__file__).parent))

#: A canvas small enough for tests; a multiple of every stride.
SMALL = ["data.canvas=[128,128]", "data.val.length=6", "data.workers=0", "trainer.precision=32-true", "logger=none"]


@pytest.fixture(scope="session")
def make_run(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Writes a run folder for an architecture; the same overrides give the same folder."""
    made: dict[tuple[str, ...], Path] = {}

    def make(architecture: str = "centernet_tiny", *overrides: str) -> Path:
        key = (architecture, *overrides)
        if key not in made:
            seed_everything(1, verbose=False)
            folder = tmp_path_factory.mktemp("runs") / "experiment" / "run"
            config = compose("train", [f"architecture={architecture}", *SMALL, *overrides])
            (folder / "checkpoints").mkdir(parents=True)
            (folder / "config.yaml").write_text(save_text(config))
            module = assembly.assemble(config)
            state = {"state_dict": module.state_dict(), "epoch": 0, "global_step": 0}
            torch.save(state, folder / "checkpoints" / "best.ckpt")
            made[key] = folder
        return made[key]

    return make
