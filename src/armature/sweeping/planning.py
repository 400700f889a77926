"""From a command line to the settings of a sweep, everything tried before the folder is made."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf, open_dict

from armature import config_folders
from armature.building import build
from armature.cli import Request
from armature.configuration import compose
from armature.errors import ConfigError, UserError
from armature.reports.scores import lower_is_better
from armature.sweeping import space as spaces
from armature.sweeping.settings import Settings

if TYPE_CHECKING:
    from armature.launching import Slurm

#: Groups and keys of a sweep besides those that conf/sweep.yaml itself has; ``name`` and ``seed`` are training's too.
_OWN = ("sweep", "sampler", "pruner", "launcher", "resume", "name", "seed")
#: Where run folders go is the sweep's.
_REFUSED = {"runs": "trials are written into the sweep's own folder; sweeps=FOLDER says where that is made"}


def check_installed() -> None:
    """Passes if Optuna is here.

    Raises:
        UserError: it is not; says how to get it.
    """
    if importlib.util.find_spec("optuna") is None:
        raise UserError("a sweep needs Optuna, which is not installed: pip install 'armature[sweep]'")


def own_keys() -> set[str]:
    """The keys of ``armature sweep`` that are not the trainings'."""
    written = OmegaConf.load(config_folders.project() / "sweep.yaml")
    return {str(key) for key in written if key != "defaults"} | set(_OWN)


def root(override: str) -> str:
    """``optimizer`` of ``+optimizer.lr=1`` and of ``optimizer@a.b=adam``."""
    return override.partition("=")[0].lstrip("+~").split("@")[0].split(".")[0]


def train_overrides(config: DictConfig, overrides: Iterable[str]) -> list[str]:
    """What all trials are told: the sweep's ``train`` list, then whatever of the command line is not the sweep's own.

    Raises:
        ConfigError: ``runs``, which the sweep decides.
    """
    own, shared = own_keys(), [*config.train]
    for override in overrides:
        if root(override) in _REFUSED:
            raise ConfigError(f"'{override}': {_REFUSED[root(override)]}")
        if root(override) not in own:
            shared.append(override)
    return shared


def settle(config: DictConfig, overrides: Sequence[str], request: Request) -> Settings:
    """The settings that a composed config of ``conf/sweep.yaml`` means.

    Raises:
        ConfigError: a search space that cannot be read, a trial that would not compose, settings that contradict.
    """
    shared = train_overrides(config, overrides)
    plain: dict[str, Any] = OmegaConf.to_container(config)  # type: ignore[assignment]
    folders = [str(Path(folder).expanduser().resolve()) for folder in request.config_dirs]
    space = spaces.parse(plain["space"] or {}, plain["when"], folders)
    training = _tried(shared, space, folders, config.program is not None)
    objectives = plain["objectives"] or {training.monitor: _mode(training)}
    _check(plain, objectives)
    if config.program is None:
        _check_history(plain, training)
    options = [part for folder in folders for part in ("--config-dir", folder)]
    options += [part for prefix in request.allow for part in ("--allow", prefix)]
    return Settings(
        name=plain["name"],
        train=shared,
        options=options,
        config_dirs=folders,
        objectives=objectives,
        monitor=training.monitor,
        trials=_count(plain, space),
        max_epochs=int(training.trainer.max_epochs or 1),
        wandb=bool((training.get("logger") or {}).get("wandb")),
        space=plain["space"],
        when=plain["when"] or {},
        **{key: plain[key] for key in ("seed", "seeds", "sampler", "pruner", "lag", "retries")},
        **{key: plain[key] for key in ("grace", "storage", "program", "cost")},
    )


def changes(overrides: Sequence[str], config: DictConfig) -> dict[str, Any]:
    """What a sweep that goes on takes from the command line: ``trials``, ``retries``, ``grace``.

    Raises:
        ConfigError: something that would make it another sweep.
    """
    keys = [root(override) for override in overrides]
    for key in keys:
        if key not in ("resume", "workers", "launcher", "trials", "retries", "grace"):
            raise ConfigError(
                f"'{key}' cannot change when a sweep goes on: trials would not compare; "
                "what can: workers, launcher, trials, retries, grace"
            )
    return {key: config[key] for key in ("trials", "retries", "grace") if key in keys}


def launcher(settings: Settings, overrides: Sequence[str]) -> Slurm | None:
    """The cluster on which workers are to run, None for this machine.

    A worker is one task, whatever number of devices its trials use: it starts their processes itself.

    Raises:
        ConfigError: trials of several nodes, which a worker cannot start.
    """
    from armature.launching import Slurm

    chosen = [override for override in overrides if root(override) == "launcher"]
    composed = compose("train", [*settings.train, *chosen], settings.config_dirs)
    found = build(composed.launcher) if "launcher" in composed else None
    if not isinstance(found, Slurm):
        return None
    if found.nodes > 1:
        raise ConfigError(f"launcher.nodes={found.nodes}: a trial of a sweep runs on one node; workers=N adds nodes")
    cores = found.cpus_per_task * found.tasks_per_node if found.cpus_per_task else None
    return replace(found, tasks_per_node=1, gres=found.devices, cpus_per_task=cores)


def training(settings: Settings) -> DictConfig:
    """The config that the trials vary."""
    composed = compose("train", settings.train, settings.config_dirs)
    with open_dict(composed):
        composed.pop("launcher", None)
    return composed


def _tried(shared: Sequence[str], space: spaces.Space, folders: Sequence[str], foreign: bool) -> DictConfig:
    """The config of a trial; every parameter was set in some composed config."""
    composed = compose("train", shared, folders)
    if not foreign:
        for overrides in space.examples():
            compose("train", [*shared, *overrides], folders)
    return composed


def _check_history(plain: Mapping[str, Any], training: DictConfig) -> None:
    """Passes if a pruner, where there is one, will find what trainings say of their epochs."""
    written = [str(one.get("_target_", "")) for one in (training.get("logger") or {}).values() if one]
    if "no_pruner" not in plain["pruner"]["_target_"] and not any(name.endswith(".History") for name in written):
        raise ConfigError(
            "a pruner reads history.csv, which these trainings do not write: logger=both or csv, or pruner=none"
        )


def _mode(training: DictConfig) -> str:
    return training.monitor_mode or ("min" if lower_is_better(training.monitor) else "max")


def _count(plain: Mapping[str, Any], space: spaces.Space) -> int:
    from armature.sweeping.sampling import Grid

    if plain["trials"] < 1:
        raise ConfigError(f"trials={plain['trials']}: at least one")
    return min(plain["trials"], len(space.grid())) if isinstance(build(plain["sampler"]), Grid) else plain["trials"]


def _check(plain: Mapping[str, Any], objectives: Mapping[str, str]) -> None:
    from armature.sweeping.outcome import COSTS

    for name, mode in objectives.items():
        if mode not in ("max", "min"):
            raise ConfigError(f"objectives: {name} is to be 'max' or 'min'; found '{mode}'")
        if name.startswith("cost/") and name not in COSTS:
            raise ConfigError(f"objectives: no cost '{name}'; there are {', '.join(COSTS)}")
    if len(objectives) > 1:
        if "no_pruner" not in plain["pruner"]["_target_"]:
            raise ConfigError("several objectives cannot be pruned, because no epoch tells all of them: pruner=none")
        if "cmaes" in plain["sampler"]["_target_"]:
            raise ConfigError("CMA-ES has one objective; sampler=nsga2, tpe or random take several")
    if plain["lag"] is not None and plain["lag"] < 1:
        raise ConfigError(f"lag={plain['lag']}: at least 1, or null")
    build(plain["pruner"])
