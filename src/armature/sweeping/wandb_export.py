"""A search space as a sweep definition of Weights & Biases, which then runs ``armature train`` itself."""

from __future__ import annotations

from typing import Any

import yaml

from armature.errors import ConfigError
from armature.sweeping import space as spaces
from armature.sweeping.settings import Settings
from armature.sweeping.space import Parameter

#: Our samplers by W&B's names of methods.
_METHODS = {"tpe": "bayes", "random": "random", "grid": "grid"}


def definition(settings: Settings) -> str:
    """The YAML for ``wandb sweep``.

    W&B's agent fills ``${args_no_hyphens}`` with ``key=value``, which is what ``armature`` reads; its default,
    ``--key=value``, is not.

    Raises:
        ConfigError: what W&B has no word for: conditions, several objectives, other samplers, means over seeds.
    """
    space = spaces.parse(settings.space, settings.when, settings.config_dirs)
    _check(settings)
    ((metric, mode),) = settings.objectives.items()
    document: dict[str, Any] = {
        "name": settings.name,
        "program": (settings.program or ["armature"])[0],
        "method": _method(settings),
        "metric": {"name": metric, "goal": {"max": "maximize", "min": "minimize"}[mode]},
        "run_cap": settings.trials,
        "command": ["${env}", *_program(settings), *settings.train, "${args_no_hyphens}"],
        "parameters": {p.key: _parameter(p) for p in space.parameters},
    }
    if "no_pruner" not in settings.pruner["_target_"]:
        shortest = int(settings.pruner.get("shortest", settings.pruner.get("warmup", 0) + 1))
        document["early_terminate"] = {"type": "hyperband", "min_iter": shortest}
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)


def _program(settings: Settings) -> list[str]:
    # The agent replaces macros; a literal "armature" is found on its PATH.
    return settings.program or ["armature", *settings.options, "train"]


def _method(settings: Settings) -> str:
    name = settings.sampler["_target_"].rpartition(".")[2]
    if name not in _METHODS:
        raise ConfigError(f"W&B has no sampler like {name}; sampler=tpe (bayes), random or grid")
    return _METHODS[name]


def _check(settings: Settings) -> None:
    if settings.when:
        raise ConfigError(f"W&B has no conditions: {', '.join(settings.when)}; export a space without 'when'")
    if len(settings.objectives) > 1:
        raise ConfigError(f"W&B has one objective; this sweep has {', '.join(settings.objectives)}")
    if settings.seeds:
        raise ConfigError("W&B has no means over seeds; make the seed a parameter: space={seed: choice(1, 2, 3)}")


def _parameter(p: Parameter) -> dict[str, Any]:
    if p.choices:
        return {"values": list(p.choices)}
    ends = {"min": int(p.low), "max": int(p.high)} if p.whole else {"min": float(p.low), "max": float(p.high)}
    if p.log and p.whole:  # W&B's own would come as "8.0"
        return {"values": _spread(int(p.low), int(p.high))}
    if p.log:
        return {"distribution": "log_uniform_values", **ends}
    if p.whole and (p.step or 1) == 1:
        return {"distribution": "int_uniform", **ends}
    if p.step is not None:
        return {"values": p.values()}
    return {"distribution": "uniform", **ends}


def _spread(low: int, high: int, count: int = 16) -> list[int]:
    """Whole numbers at about equal ratios."""
    return sorted({round(low * (high / low) ** (i / (count - 1))) for i in range(count)})
