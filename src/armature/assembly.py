"""From a resolved config to the objects of a run, in the order in which mistakes are cheapest to find."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from torch import nn

from armature import config_folders
from armature.architectures.protocol import check
from armature.building import build
from armature.data import absent
from armature.data.datamodule import KeypointData
from armature.errors import ConfigError
from armature.module import PoseModule

#: The canvas on which model, codec and losses are tried before training: small, and a multiple of every stride.
_TRIAL = (128, 128)


def assemble(config: DictConfig) -> PoseModule:
    """The module of a config, tried on two synthetic images; needs no data.

    Raises:
        ConfigError: something cannot be built, or model, codec and losses do not fit together.
    """
    skeleton = build(config.skeleton)
    model, codec, loss = build(config.model), build(config.codec), build(config.loss)
    check(model, codec, loss, skeleton.count, _TRIAL, lambda: known_losses(config.skeleton))
    metrics = build(config.metrics)
    metrics.protocol.update(codec.protocol, flip_test=config.flip_test, **_test_protocol(config))
    return PoseModule(
        model,
        codec,
        loss,
        metrics=metrics,
        optimizer=build(config.optimizer),
        schedule=build(config.schedule),
        augmentation=build(config.get("augment") or None),
        average=build(config.get("average") or None),
        flip_test=config.flip_test,
        channels_last=config.channels_last,
        compile=config.compile,
        schedule_epochs=config.schedule_epochs,
        multi_scale=build(config.get("multi_scale") or None),
        proposals=build(config.get("proposals") or None),
    )


def _test_protocol(config: DictConfig) -> dict[str, str]:
    """What the protocol card says of how the test was done, where that is not the plain way."""
    said = {}
    if config.get("multi_scale"):
        said["multi_scale"] = str(list(config.multi_scale.scales))
    if config.get("proposals"):
        said["box_source"] = f"results file {config.proposals.file}"
    return said


def known_losses(skeleton: DictConfig) -> dict[str, nn.Module]:
    """Every loss of conf/term with its own defaults, by name."""
    folder = config_folders.project() / "term"
    terms = {file.stem: OmegaConf.load(file) for file in sorted(folder.glob("*.yaml"))}
    whole = OmegaConf.create({"skeleton": skeleton, "terms": terms})
    return {name: build(whole.terms[name]).fn for name in terms}


def data(config: DictConfig) -> KeypointData:
    """The data of a config, every picture checked.

    Raises:
        ConfigError, DataError: it is not there, cannot be built, or pictures or annotations are bad.
    """
    absent.check(config.data)
    built = build(config.data)
    if not isinstance(built, KeypointData):
        raise ConfigError(f"config key 'data' must build a KeypointData; found {type(built).__name__}")
    built.prepare()
    return built


def load_weights(module: PoseModule, checkpoint: str | Path) -> dict[str, Any]:
    """The checkpoint, after its weights went into the module, all of them and no others.

    Raises:
        ConfigError: the file cannot be read as a checkpoint, or belongs to another network; names the first tensors.
    """
    try:
        saved = torch.load(checkpoint, map_location="cpu", weights_only=True)
    except Exception as error:  # missing, torn, or carrying more than plain data
        raise ConfigError(f"checkpoint {checkpoint} cannot be read: {error}") from error
    found = module.load_state_dict(saved["state_dict"], strict=False)
    if found.missing_keys or found.unexpected_keys:
        lacks, extra = found.missing_keys[:3], found.unexpected_keys[:3]
        raise ConfigError(f"checkpoint {checkpoint} is of another network: it lacks {lacks} and has {extra} too many")
    return saved
