"""``armature train``: a run folder from a config."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning import seed_everything

from armature import assembly, conclusion, crew, hardware, memory, provenance, ranks, resuming, run_folder
from armature.building import build
from armature.callbacks.herald import Herald
from armature.configuration import save_text
from armature.crew import Crew
from armature.data.datamodule import KeypointData
from armature.errors import Interrupted
from armature.module import PoseModule
from armature.only_writer import only_writer
from armature.ranks import Place
from armature.recording import Recording, recording
from armature.reports import expectation
from armature.resuming import Start
from armature.run_folder import RunFolder, write_json, write_text

SUMMARY = "train a network, judge it, and leave a run folder with a report"
EXAMPLES = """
armature train
armature train experiment=coco_mini_overfit
armature train backbone@model.backbone=resnet34 trainer=gpu trainer.max_epochs=40
armature train term@loss.joints=smooth_l1 loss.joints.weight=2
armature train resume=runs/default/RUN trainer.max_epochs=40
armature train init=runs/torchvision/RUN architecture=keypoint_rcnn
armature train trainer=ddp trainer.devices=2
torchrun --nproc-per-node=2 -m armature train trainer=ddp trainer.devices=2
armature train -m seed=1,2,3 optimizer=adamw,sgd
armature train launcher=slurm launcher.time=12:00:00 trainer=gpu --dry-run
"""
#: May run as one of several processes, of which ``run`` is the first and ``follow`` any other.
DISTRIBUTED = True
#: Steps below which a network from scratch finds nothing, and from which on it finds one animal on a still ground.
_FEW, _ENOUGH = 300, 500
#: May become a job of a cluster: launcher=slurm.
LAUNCHED = True


def run(config: DictConfig, overrides: list[str], command: list[str]) -> int:
    """Trains and judges one config; 0 when the report is written.

    Raises:
        UserError: what is the user's to mend, before training wherever it can be known before.
        Interrupted: Ctrl-C, or another process of the run is lost; the run can be resumed.
    """
    with crew.joined() as others:
        return _lead(others, config, overrides, command)


def follow() -> int:
    """Takes part in the run of another process, which says what it is; writes nothing and shows nothing."""
    with crew.following() as line:
        given = line.given()
        place = ranks.found()
        config = OmegaConf.create(given["config"])
        assert isinstance(config, DictConfig) and place is not None
        ranks.quieten()
        folder = RunFolder(Path(given["folder"]))
        module, data = _prepared(config)
        watched = recording(config, OmegaConf.to_container(config), folder, given["wandb_id"])  # type: ignore[arg-type]
        watched.callbacks.insert(0, Herald(lambda error: crew.report(line, error)))
        _start(config, module, given["checkpoint"])
        trainer = _trainer(config, watched, folder, place, given["port"])
        trainer.fit(module, datamodule=data, ckpt_path=given["checkpoint"])
        _conclude(config, folder, module, data, trainer, watched, place, given["port"])
    return 0


def _lead(others: Crew, config: DictConfig, overrides: list[str], command: list[str]) -> int:
    start = resuming.begin(config, overrides)
    config = start.config
    expectation.check(config.get("expected"))
    place = others.gather(config.trainer)
    module, data = _prepared(config)
    if start.folder is not None:
        resuming.check_data(start.folder, data.fingerprint())
    folder = start.folder or run_folder.create(config.runs, config.name)
    folder.share()
    with only_writer(folder):
        folder.tidy()
        return _train(others, start, folder, module, data, place, overrides, command)


def _train(
    others: Crew,
    start: Start,
    folder: RunFolder,
    module: PoseModule,
    data: KeypointData,
    place: Place | None,
    overrides: list[str],
    command: list[str],
) -> int:
    config = start.config
    watched = _begin(config, overrides, command, folder, data, start, place)
    others.warn_before_end(lambda: provenance.finish(folder.provenance, "failed"))
    status = "failed"
    try:
        checkpoint = str(folder.last) if start.folder and folder.last.is_file() else None
        _start(config, module, checkpoint)
        port = others.give(_handed_over(config, folder, checkpoint, watched))
        watched.callbacks.insert(0, Herald(others.failing))
        trainer = _trainer(config, watched, folder, place, port)
        for logger in watched.loggers:
            logger.log_hyperparams(OmegaConf.to_container(config))  # type: ignore[arg-type]
        _announce(folder, module, data, trainer, start.folder is not None)
        _doubt(config, data, trainer)
        trainer.fit(module, datamodule=data, ckpt_path=checkpoint)
        _conclude(config, folder, module, data, trainer, watched, place, port)
        status = "finished"
    except Interrupted:
        status = "interrupted"
        raise
    finally:
        watched.close(status == "finished")
        if status != "finished":  # conclude has noted that already, for the report
            provenance.finish(folder.provenance, status)
    return 0


def _prepared(config: DictConfig) -> tuple[PoseModule, KeypointData]:
    """Network and data of a config, alike in every process."""
    memory.keep_freed()
    torch.set_float32_matmul_precision("high")
    seed_everything(config.seed, workers=True, verbose=False)
    module, data = assembly.assemble(config), assembly.data(config)
    module.metrics.bind(data.val_records())  # type: ignore[operator]
    return module, data


def _start(config: DictConfig, module: PoseModule, checkpoint: str | None) -> None:
    """The weights that ``init`` names, unless a checkpoint of the run itself is about to be loaded."""
    if config.get("init") and checkpoint is None:
        from armature.weights import initial

        print(f"init={config.init}: {initial.start_from(module, config.init)}", flush=True)


def _trainer(config: DictConfig, watched: Recording, folder: RunFolder, place: Place | None, port: int) -> pl.Trainer:
    built = {"callbacks": watched.callbacks, "logger": watched.loggers, "root": folder.path}
    return build(config.trainer, **built, place=place, port=port)


def _conclude(
    config: DictConfig,
    folder: RunFolder,
    module: PoseModule,
    data: KeypointData,
    trainer: pl.Trainer,
    watched: Recording,
    place: Place | None,
    port: int,
) -> None:
    """Judges what was kept; a network that was trained in pieces is put together for that."""
    if hasattr(trainer.strategy, "shard"):
        whole, module = config.copy(), assembly.assemble(config)
        module.metrics.bind(data.val_records())  # type: ignore[operator]
        whole.trainer.strategy = "ddp"
        trainer = _trainer(whole, watched, folder, place, port)
    conclusion.conclude(folder, module, data, trainer, watched, config)


def _handed_over(config: DictConfig, folder: RunFolder, checkpoint: str | None, watched: Recording) -> dict[str, Any]:
    """What the other processes need in order to compose, choose and look up nothing themselves."""
    same = config.copy()
    if same.trainer.precision == "auto":  # their processors may differ
        same.trainer.precision = hardware.precision(same.trainer.accelerator)
    wandb_id = watched.wandb.id if watched.wandb else None
    told = {"config": save_text(same), "folder": str(folder.path.absolute()), "checkpoint": checkpoint}
    return told | {"wandb_id": wandb_id}


def _announce(folder: RunFolder, module: PoseModule, data: KeypointData, trainer: pl.Trainer, resumed: bool) -> None:
    """One line on what is about to happen, and where it is written."""
    parameters = sum(p.numel() for p in module.model.parameters()) / 1e6
    counts = data.split_description()
    height, width = data.canvas
    if resumed and not folder.last.is_file():
        print(f"{folder.path} has no checkpoint yet: it begins again")
    if data.decoded is not None:
        print(data.decoded.describe())
    many = f", {trainer.world_size} processes" if trainer.world_size > 1 else ""
    print(
        f"{folder.path}: {parameters:.1f} M parameters, {trainer.precision}, {counts['train']:,} images to learn from "
        f"and {counts['val']:,} to judge by, canvas {width}x{height}, {data.skeleton.count} keypoints{many}",
        flush=True,
    )


def _doubt(config: DictConfig, data: KeypointData, trainer: pl.Trainer) -> None:
    """Says where a training from scratch is too short to find anything, which its result would not say."""
    if config.get("init") or config.get("resume") or trainer.limit_train_batches != 1.0 or not trainer.max_epochs:
        return
    images = data.samples_per_epoch or data.split_description()["train"]
    each = max(1, images // (data.batch_size * trainer.world_size))
    if 0 < (steps := each * trainer.max_epochs) < _FEW:
        many = math.ceil(_ENOUGH / each)
        print(f"note: {steps} steps in all; from scratch that finds little or nothing. trainer.max_epochs={many} makes")
        print(f"      {each * many:,}, and init=RUN starts from weights that know something", flush=True)


def _begin(
    config: DictConfig,
    overrides: list[str],
    command: list[str],
    folder: RunFolder,
    data: KeypointData,
    start: Start,
    place: Place | None,
) -> Recording:
    """Config and provenance on the disk before anything is computed; the watchers."""
    segment: dict[str, Any] = {"processes": place.world if place else 1}
    segment |= {"launcher": place.launcher, "nodes": place.nodes} if place else {}
    if start.folder is not None and folder.provenance.is_file():
        changed = {"changed": start.changed} if start.changed else {}
        known = provenance.resume(folder.provenance, command, **segment, **changed)
    else:
        facts = {"fingerprint": data.fingerprint(), "split": data.split_description(), "skipped": len(data.skipped)}
        known = provenance.collect(command, overrides, {"seed": config.seed}, facts)
        known["segments"][-1] |= segment
    plain = OmegaConf.to_container(config)
    watched = recording(config, plain, folder, known.get("wandb_id"))  # type: ignore[arg-type]
    write_text(folder.config, save_text(config))
    write_json(folder.provenance, known | {"wandb_id": watched.wandb.id if watched.wandb else None})
    return watched
