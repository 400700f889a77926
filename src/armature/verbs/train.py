"""``armature train``: a run folder from a config."""

from __future__ import annotations

import torch
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning import seed_everything

from armature import assembly, conclusion, memory, provenance, run_folder
from armature.building import build
from armature.configuration import save_text
from armature.data.datamodule import KeypointData
from armature.errors import Interrupted
from armature.module import PoseModule
from armature.recording import Recording, recording
from armature.reports import expectation
from armature.resuming import merged
from armature.run_folder import RunFolder, write_json, write_text

SUMMARY = "train a network, judge it, and leave a run folder with a report"
EXAMPLES = """
armature train
armature train experiment=coco_mini_overfit
armature train backbone@model.backbone=resnet34 trainer=gpu trainer.max_epochs=40
armature train term@loss.joints=smooth_l1 loss.joints.weight=2
armature train resume=runs/default/RUN trainer.max_epochs=40
armature train -m seed=1,2,3 optimizer=adamw,sgd
"""


def run(config: DictConfig, overrides: list[str], command: list[str]) -> int:
    """Trains and judges one config; 0 when the report is written.

    Raises:
        UserError: what is the user's to mend, before training wherever it can be known before.
        Interrupted: Ctrl-C; the run can be resumed.
    """
    memory.keep_freed()
    torch.set_float32_matmul_precision("high")
    resumed, config = merged(config.resume, overrides) if config.resume else (None, config)
    expectation.check(config.expected)
    seed_everything(config.seed, workers=True, verbose=False)
    module, data = assembly.assemble(config), assembly.data(config)
    module.metrics.bind(data.val_records())  # type: ignore[operator]
    folder = resumed or run_folder.create(config.runs, config.name)
    folder.share()
    watched = _begin(config, overrides, command, folder, data, resumed is not None)
    status = "failed"
    try:
        trainer = build(config.trainer, callbacks=watched.callbacks, logger=watched.loggers, root=folder.path)
        for logger in watched.loggers:
            logger.log_hyperparams(OmegaConf.to_container(config))  # type: ignore[arg-type]
        _announce(folder, module, data, str(trainer.precision), resumed is not None)
        trainer.fit(module, datamodule=data, ckpt_path=folder.last if resumed and folder.last.is_file() else None)
        conclusion.conclude(folder, module, data, trainer, watched, config)
        status = "finished"
    except Interrupted:
        status = "interrupted"
        raise
    finally:
        watched.close(status == "finished")
        if status != "finished":  # conclude has noted that already, for the report
            provenance.finish(folder.provenance, status)
    return 0


def _announce(folder: RunFolder, module: PoseModule, data: KeypointData, precision: str, resumed: bool) -> None:
    """One line on what is about to happen, and where it is written."""
    parameters = sum(p.numel() for p in module.model.parameters()) / 1e6
    counts = data.split_description()
    height, width = data.canvas
    if resumed and not folder.last.is_file():
        print(f"{folder.path} has no checkpoint yet: it begins again")
    print(
        f"{folder.path}: {parameters:.1f} M parameters, {precision}, {counts['train']:,} images to learn from and "
        f"{counts['val']:,} to judge by, canvas {width}x{height}, {data.skeleton.count} keypoints",
        flush=True,
    )


def _begin(
    config: DictConfig, overrides: list[str], command: list[str], folder: RunFolder, data: KeypointData, resumed: bool
) -> Recording:
    """Config and provenance on the disk before anything is computed; the watchers."""
    if resumed:
        known = provenance.resume(folder.provenance, command)
    else:
        facts = {"fingerprint": data.fingerprint(), "split": data.split_description(), "skipped": len(data.skipped)}
        known = provenance.collect(command, overrides, {"seed": config.seed}, facts)
    plain = OmegaConf.to_container(config)
    watched = recording(config, plain, folder, known.get("wandb_id"))  # type: ignore[arg-type]
    write_text(folder.config, save_text(config))
    write_json(folder.provenance, known | {"wandb_id": watched.wandb.id if watched.wandb else None})
    return watched
