"""What an experiment reached, by training, by a finished run or by given weights, and what it was expected to reach."""

from __future__ import annotations

import datetime
import os
import shlex
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from armature import configuration, provenance, run_folder
from armature.errors import ConfigError
from armature.reports import expectation
from armature.reports import scores as s
from armature.run_folder import RUN_VARIABLE, RunFolder, read_json

#: Keys of the verb; all others in its config are those of a training.
OWN = ("run", "weights", "experiments", "table")
#: Overrides that change where a result lies, not what it is.
_PLACES = (*OWN, "experiment", "runs", "logger")


def of_training(config: DictConfig, overrides: list[str], command: list[str]) -> dict[str, Any] | None:
    """What a training reaches, done as ``armature train`` does it; None in all processes but the first.

    Raises:
        UserError: as ``armature train``, or the experiment expects nothing.
    """
    from pytorch_lightning.utilities import rank_zero_only

    from armature.verbs import train

    expected = _promised(config)
    own = OmegaConf.masked_copy(config, [str(key) for key in config if key not in OWN])
    train.run(own, [text for text in overrides if _key(text) not in OWN], command)
    if getattr(rank_zero_only, "rank", 0):
        return None
    folder = RunFolder(Path(config.runs).expanduser() / config.name / os.environ[RUN_VARIABLE])
    return _judged(folder, config.name, expected, "trained")


def of_run(config: DictConfig, overrides: Sequence[str]) -> dict[str, Any]:
    """What the finished run ``config.run`` reached, by the experiment named beside it or else by its own config.

    Raises:
        UserError: no such run, or one of another experiment; it is not finished, or nothing is expected of it.
    """
    folder = run_folder.open(config.run)
    if asked := [text for text in overrides if _key(text) not in _PLACES]:
        raise ConfigError(f"'{asked[0]}' is of a training, and run={folder.path} is finished; leave it out")
    trained = configuration.load(folder.config)
    if any(_key(text) == "experiment" for text in overrides):
        if trained.name != config.name:
            raise ConfigError(f"run {folder.path} is of '{trained.name}', not of experiment '{config.name}'")
        trained = config
    return _judged(folder, trained.name, _promised(trained), "a finished run judged")


def _judged(folder: RunFolder, name: str, expected: dict[str, Any], how: str) -> dict[str, Any]:
    """The result of a run from its own files."""
    said, origin = read_json(folder.metrics), read_json(folder.provenance)
    segments = origin["segments"]
    facts = {key: origin[key] for key in ("command", "overrides", "code", "versions", "hardware")}
    spans = [(segment["start"], segment["end"]) for segment in segments if segment.get("end")]
    parsed = [[datetime.datetime.fromisoformat(moment) for moment in span] for span in spans]
    seconds = sum((end - start).total_seconds() for start, end in parsed)
    return _result(name, expected, how, said["metrics"], said["protocol"], facts, segments[-1]["end"], seconds)


def of_weights(config: DictConfig, overrides: list[str], command: list[str]) -> dict[str, Any] | None:
    """What the checkpoint ``config.weights`` reaches on the validation data; None in all processes but the first.

    Raises:
        UserError: the checkpoint is of another network, or the experiment expects nothing.
    """
    from armature import assembly, conclusion
    from armature.building import build

    expected = _promised(config)
    started = time.monotonic()
    module, data = assembly.assemble(config), assembly.data(config)
    assembly.load_weights(module, config.weights)
    metric: Any = module.metrics
    metric.bind(data.val_records())
    trainer = build(config.trainer, root=config.runs)
    metrics = conclusion.judge(module.eval(), data, trainer)
    if not trainer.is_global_zero:
        return None
    facts = {"command": shlex.join(command), "overrides": overrides, "code": provenance.code()}
    facts |= {"versions": provenance.versions(), "hardware": provenance.hardware()}
    how = f"{Path(config.weights).name} evaluated"
    now = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
    return _result(config.name, expected, how, metrics, metric.card(), facts, now, time.monotonic() - started)


def _result(
    name: str,
    expected: dict[str, Any],
    how: str,
    metrics: Mapping[str, Any],
    protocol: Mapping[str, Any],
    facts: dict[str, Any],
    date: str | None,
    seconds: float,
) -> dict[str, Any]:
    """What result.json says. Of code its commit and of hardware no host name: the file is for others to read."""
    facts["overrides"] = [text for text in facts["overrides"] if _key(text) not in _PLACES]
    facts["code"] = {key: facts["code"].get(key) for key in ("commit", "dirty")}
    facts["hardware"] = {key: value for key, value in facts["hardware"].items() if key != "host"}
    compared = expectation.compare(expected, metrics)
    found = {key: compared[key] for key in ("found", "reached", "summary")}
    numbers = {key: value for key, value in metrics.items() if s.parts(key.partition("/")[2])[1] is None}
    result = {"experiment": name, "expected": expected, **found, "how": how, "date": date, "seconds": round(seconds, 1)}
    result |= facts
    return result | {"evidence": _evidence(result), "metrics": numbers, "protocol": dict(protocol)}


def _evidence(result: Mapping[str, Any]) -> str:
    """How, when, how long, on what and with which changes, in one line."""
    hardware = result["hardware"]
    devices = [device["name"] for device in hardware["accelerators"]]
    machine = f"{len(devices)} x {devices[0]}" if devices else f"{hardware['usable_cores']} cores of {hardware['cpu']}"
    parts = [f"{result['how']} {str(result['date'])[:10]}", s.seconds(result["seconds"]), machine]
    changed = [f"with {shlex.join(result['overrides'])}"] if result["overrides"] else []
    return ", ".join(parts + changed)


def _promised(config: DictConfig) -> dict[str, Any]:
    if config.get("expected") is None:
        raise ConfigError(f"'{config.name}' has no `expected` in its config: there is nothing to judge it by")
    plain: Any = OmegaConf.to_container(config.expected)
    expectation.check(plain)
    return plain


def _key(override: str) -> str:
    return override.lstrip("+~").partition("=")[0]
