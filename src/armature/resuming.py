"""Going on with a run: its own config, with a few numbers changed, and only those that may change."""

from __future__ import annotations

import fnmatch
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from armature import configuration, crew, run_folder
from armature.errors import ConfigError, UserError
from armature.run_folder import RunFolder, read_json

#: Groups of which a run that goes on may take another option, and the keys that are taken from it (None: all of them).
EXCHANGEABLE: dict[str, tuple[str, ...] | None] = {
    "trainer": ("accelerator", "devices", "num_nodes", "strategy", "sync_batchnorm", "benchmark"),
    "logger": None,
}
#: Keys that may change when training goes on; every change is noted in provenance.json.
CHANGEABLE = (
    *("trainer.*", "logger", "logger.*", "data.workers", "data.pin_memory", "data.batch_size", "data.val_batch_size"),
    *("data.root", "data.*.root", "data.*.images", "data.*.annotations", "data.*.file", "data.*.folder"),
    *("data.*.labels", "data.*.pictures", "data.needs.*"),
    *("schedule_epochs", "early_stopping", "monitor", "monitor_mode", "pictures", "verify", "expected", "expected.*"),
    *("compile", "channels_last", "checkpoint_seconds", "loss.*.weight", "augment.*", "preflight*", "launcher*"),
)
#: Keys among those that may not, after all; and why each part of a run may not change. The first that fits counts.
REASONS = (
    ("trainer.accumulate_grad_batches", "steps already taken would be counted wrongly"),
    ("trainer.limit_train_batches", "epochs already trained would be counted wrongly"),
    ("model*", "the checkpoint holds the weights of another architecture"),
    ("codec*", "what the network has learned to say belongs to this codec"),
    ("*skeleton*", "the network's keypoints are this skeleton's"),
    ("data.*split*", "images that were trained on would be validated on"),
    ("data.limit*", "images that were trained on would be validated on"),
    ("data.*", "the epochs already trained were of other data"),
    ("optimizer*", "its state is in the checkpoint and would win"),
    ("schedule*", "its state is in the checkpoint and would win"),
    ("average*", "its state is in the checkpoint"),
    ("seed", "the order of the data and every draw follow from it"),
    ("name", "the run's folder has its name"),
    ("runs", "the run's folder is where it is"),
    ("metrics*", "scores before and after could not be compared"),
    ("flip_test", "scores before and after could not be compared"),
)

_MISSING = object()


@dataclass
class Start:
    """How a run begins.

    Attributes:
        folder: of the run that goes on, None for a new one. changed: key -> [before, after] of what is not as it was.
    """

    config: DictConfig
    folder: RunFolder | None = None
    changed: dict[str, list[Any]] = field(default_factory=dict)


def begin(config: DictConfig, overrides: Sequence[str]) -> Start:
    """A new run, or the one that ``resume`` names, or the one that this very command has begun before.

    The last is what a cluster does that starts a job again: ``ARMATURE_RUN_ID`` then names a folder with a run in it.

    Raises:
        ConfigError: no such run; a change that a run which goes on cannot take, by name.
    """
    if config.get("resume"):
        folder, now = merged(config.resume, overrides)
        before = configuration.load(folder.config)
        changed = changes(before, now)
        check_changes(changed, folder)
        check_global_batch(before, now, _processes(folder))
        return Start(now, folder, changed)
    known = run_folder.begun(config.runs, config.name)
    if known is None:
        return Start(config)
    own = configuration.load(known.config)
    if differ := sorted(changes(own, config)):
        warnings.warn(f"{known.path} goes on as it began; now different: {', '.join(differ[:5])}", stacklevel=2)
    return Start(own, known)


def merged(
    path: str | Path, overrides: Sequence[str], ignored: Sequence[str] = ("resume",)
) -> tuple[RunFolder, DictConfig]:
    """A run's folder and its resolved config with overrides applied.

    Args:
        path: a run folder, or anything in it. overrides: ``key=value`` of keys that the config has; ``logger=OPTION``
            and ``trainer=OPTION`` (which takes where a run trains from the option, and leaves how it does).
        ignored: keys that belong to the command line and not to the run.

    Raises:
        ConfigError: no such run, a key that the run does not have, another config group (parts of a run cannot be
            exchanged).
    """
    folder = run_folder.open(path)
    config = configuration.load(folder.config)
    groups = [text for text in overrides if text.partition("=")[0] in EXCHANGEABLE]
    for text in [*groups, *(text for text in overrides if text not in groups)]:
        key, _, value = text.partition("=")
        if key not in ignored:
            _set(config, key, value, folder)
    return folder, config


def changes(before: DictConfig, after: DictConfig) -> dict[str, list[Any]]:
    """Dotted key -> [before, after] of every leaf that differs; None where there is none."""
    old, new = _leaves(OmegaConf.to_container(before)), _leaves(OmegaConf.to_container(after))
    keys = [key for key in {**old, **new} if key != "resume"]
    return {key: [old.get(key), new.get(key)] for key in keys if old.get(key, _MISSING) != new.get(key, _MISSING)}


def check_changes(changed: Mapping[str, Any], folder: RunFolder) -> None:
    """Lets only those changes pass that leave a run the same run.

    Raises:
        ConfigError: names the first key that cannot change, and why.
    """
    for key, (before, after) in changed.items():
        reason = next((why for pattern, why in REASONS if fnmatch.fnmatch(key, pattern)), "it would be another run")
        if key.startswith("trainer.") and key not in (pattern for pattern, _ in REASONS):
            continue
        if key.startswith("trainer.") or not any(fnmatch.fnmatch(key, pattern) for pattern in CHANGEABLE):
            raise ConfigError(
                f"{key} cannot change when {folder.path} goes on ({before} -> {after}): {reason}. Start a new run; "
                "what can change are epochs, devices, workers, loggers and the like"
            )


def check_global_batch(before: DictConfig, after: DictConfig, processes: int | None = None) -> None:
    """Lets the number of processes change only together with the batch of each.

    Args:
        processes: with which the run has trained so far; None is what its config says.

    Raises:
        ConfigError: another global batch; says what would keep it.
    """
    then = processes or _world(before)
    now, size = _world(after), int(before.data.batch_size)
    if size * then == int(after.data.batch_size) * now:
        return
    keep = (
        f"data.batch_size={size * then // now}"
        if size * then % now == 0
        else f"a number of devices that divides {size * then}"
    )
    raise ConfigError(
        f"the global batch cannot change when a run goes on: it was {size} x {then} processes, and would be "
        f"{after.data.batch_size} x {now}; keep it with {keep}"
    )


def check_data(folder: RunFolder, fingerprint: str) -> None:
    """Lets a run go on only with the images and the split it began with.

    Raises:
        ConfigError: they are not the same.
    """
    known = read_json(folder.provenance).get("data", {}).get("fingerprint") if folder.provenance.is_file() else None
    if known is not None and known != fingerprint:
        raise ConfigError(
            f"{folder.path} cannot go on: its data or its split is not what it was (fingerprint {known[:12]}, now "
            f"{fingerprint[:12]}); bring the files back, or start a new run"
        )


def _processes(folder: RunFolder) -> int | None:
    try:
        return read_json(folder.provenance)["segments"][-1].get("processes")
    except (UserError, KeyError, IndexError, TypeError):
        return None


def _world(config: DictConfig) -> int:
    from armature import ranks

    place = ranks.found()
    return crew.count(config.trainer, place) * int(config.trainer.get("num_nodes") or 1)


def _leaves(data: Any, prefix: str = "") -> dict[str, Any]:
    """Dotted key -> value; an empty mapping is a leaf."""
    if not isinstance(data, dict) or not data:
        return {prefix: data}
    flat: dict[str, Any] = {}
    for key, value in data.items():
        flat |= _leaves(value, f"{prefix}.{key}" if prefix else str(key))
    return flat


def _set(config: DictConfig, key: str, value: str, folder: RunFolder) -> None:
    if key in EXCHANGEABLE and not value.startswith(("[", "{")):
        _exchange(config, key, value)
        return
    before = OmegaConf.select(config, key, default=_MISSING)
    if before is _MISSING or key.startswith(("+", "~")):
        raise ConfigError(
            f"run {folder.path} has no key '{key}'; a run that goes on takes key=value of its {folder.config}"
        )
    if OmegaConf.is_config(before) and not value.startswith(("[", "{")):
        raise ConfigError(f"'{key}={value}': the parts of a run cannot be exchanged when it goes on; start a new one")
    OmegaConf.update(config, key, OmegaConf.from_dotlist([f"value={value}"]).value)


def _exchange(config: DictConfig, group: str, option: str) -> None:
    """Another option of a group whose options only say where a run trains, or where its numbers go."""
    chosen = configuration.compose("train", [f"{group}={option}"]).get(group)
    keys = EXCHANGEABLE[group]
    if keys is None or chosen is None:
        OmegaConf.update(config, group, chosen, merge=False, force_add=True)
        return
    for key in keys:
        if key in chosen:
            OmegaConf.update(config, f"{group}.{key}", chosen[key], merge=False, force_add=True)
        else:
            config[group].pop(key, None)
