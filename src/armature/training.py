"""The Lightning Trainer with the few choices that Lightning leaves open."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from armature import hardware


def trainer(
    callbacks: Sequence[pl.Callback] = (),
    logger: Any = False,
    root: str | Path | None = None,
    precision: str = "auto",
    accelerator: str = "auto",
    threads: int | None = None,
    plugins: Sequence[Any] = (),
    **options: Any,
) -> pl.Trainer:
    """A Trainer whose checkpoints, progress bar and summary are the project's own callbacks.

    Args:
        callbacks, logger, plugins: built objects. root: where Lightning may write; the run folder.
        precision: Lightning's, or ``auto``: bf16 where the hardware multiplies it, float32 elsewhere.
        accelerator: Lightning's. threads: of torch on the CPU; None leaves them alone.
        options: everything else that ``pytorch_lightning.Trainer`` takes.
    """
    for package in ("pytorch_lightning", "lightning_fabric"):  # they set their own level when they are imported
        logging.getLogger(package).setLevel(logging.WARNING)
    if threads:
        torch.set_num_threads(threads)
    chosen = hardware.precision(accelerator) if precision == "auto" else precision
    own: dict[str, Any] = {"enable_checkpointing": False, "enable_progress_bar": False, "enable_model_summary": False}
    own |= {"num_sanity_val_steps": 0, "log_every_n_steps": 10, "use_distributed_sampler": False}
    return pl.Trainer(
        callbacks=list(callbacks),
        logger=logger,
        default_root_dir=str(root) if root else None,
        precision=chosen,  # type: ignore[arg-type]
        accelerator=accelerator,
        plugins=list(plugins) or None,
        **(own | options),
    )
