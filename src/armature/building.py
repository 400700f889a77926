"""From a config node with ``_target_`` to the object it describes: the only place where configs become calls.

The grammar is Hydra's: ``_target_``, ``_partial_``, ``_args_``, ``_recursive_``; nested nodes are built first. Values
arrive as plain dicts and lists. What may be called is decided by an allowlist before anything is imported, because a
config may come out of a checkpoint that somebody else made.
"""

from __future__ import annotations

import difflib
import functools
import importlib
import inspect
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from omegaconf import OmegaConf

from armature.errors import ConfigError, UserError

#: Environment variable with more prefixes, separated by commas; ``--allow`` writes it, so that child processes know.
ALLOW_VARIABLE = "ARMATURE_ALLOW"

#: Packages, or the parts of them that networks, losses, optimizers and data are built of. No package as a whole: each
#: has corners that start processes (torch.distributed, torch.utils.collect_env), read pickles or write files.
ALLOWED = (
    "armature.",
    "torch.nn.",
    "torch.optim.",
    "torchvision.models.",
    "torchvision.ops.",
    "timm.layers.",
    "timm.optim.",
    "kornia.augmentation.",
    "kornia.filters.",
    "kornia.losses.",
    "pytorch_lightning.callbacks.",
    "torchmetrics.",
)

#: Where functions of the allowed parts come from, besides these parts themselves.
HOMES = ("torch._C._nn.",)

#: Allowed by name, but they run commands, start processes, fetch or send, or write files: never the part of a model.
DENIED = (
    *(f"armature.{part}" for part in ("bench", "building", "cli", "comparison", "conclusion", "configuration", "cost")),
    *(f"armature.{part}" for part in ("crew", "demo", "exporting", "lifeline", "multirun", "predicting", "preflight")),
    *(f"armature.{part}" for part in ("provenance", "ranks", "recording", "reports", "reproduction", "restoring")),
    *(f"armature.{part}" for part in ("resuming", "run_folder", "skeleton_file", "sweeping", "verbs", "weights")),
    "armature.callbacks.checkpoint_io",
    "armature.checking",
    "armature.data.formats",
    "armature.data.labels",
    "armature.data.recognising",
    "armature.data.tars",
    "armature.evaluation.coco_json",
    "armature.launching",
    "armature.showing",
    "armature.suites.page",
    "armature.suites.probing",
    "armature.suites.running",
    "armature.tracking.sending",
    # Of packages of which somebody may allow more.
    "pytorch_lightning.cli",
    "timm.create_model",
    *(f"torch.{part}" for part in ("classes", "distributed", "hub", "jit.load", "load", "multiprocessing", "package")),
    *(f"torch.{part}" for part in ("ops.load_library", "save", "serialization", "utils.collect_env")),
    *(f"torch.{part}" for part in ("utils.cpp_extension", "utils.model_zoo")),
)

#: Parts of those that are nothing of the kind.
HARMLESS = ("armature.launching.settings", "armature.predicting.tiling", "armature.sweeping.sampling")

_KEYS = ("_target_", "_partial_", "_args_", "_recursive_", "_convert_")


def build(config: Any, *args: Any, **kwargs: Any) -> Any:
    """The object that a config describes; None for None, dicts and lists of built objects for nodes without a target.

    Args:
        config: a node of a composed config, or the same as plain dicts and lists.
        args, kwargs: handed to the outermost target besides (and instead of) what the config says.

    Raises:
        ConfigError: a target that is not allowed, does not exist, or does not take these parameters; names the key.
        UserError: whatever a constructor raised of that kind, unchanged.
    """
    plain, key = _plain(config)
    check_targets(plain, key)
    return _build(plain, key, args, kwargs)


def allowed_prefixes() -> tuple[str, ...]:
    """The prefixes a ``_target_`` may have: the built-in ones and what the user named."""
    named = (part.strip() for part in os.environ.get(ALLOW_VARIABLE, "").split(","))
    return ALLOWED + tuple(part if part.endswith(".") else part + "." for part in named if part)


def check_targets(config: Any, key: str = "") -> None:
    """Passes in silence if every ``_target_`` under ``config`` is allowed by name; imports nothing.

    Raises:
        ConfigError: names the key, the target and the allowed prefixes.
    """
    for where, node in targets(config, key):
        _check_name(node["_target_"], where)


def targets(config: Any, key: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every node with a ``_target_`` under a plain config, with its dotted key, outermost first."""
    if isinstance(config, Mapping):
        if "_target_" in config:
            yield key, config
        for name, value in config.items():
            yield from targets(value, f"{key}.{name}" if key else str(name))
    elif isinstance(config, (list, tuple)):
        for index, value in enumerate(config):
            yield from targets(value, f"{key}[{index}]")


def locate(target: str, key: str = "") -> Callable[..., Any]:
    """The callable that a dotted name stands for.

    Raises:
        ConfigError: it is not allowed, does not exist (close names are suggested), or cannot be called.
    """
    _check_name(target, key)
    found, path = _import(target, key)
    for part in target[len(path) + 1 :].split(".") if target != path else ():
        if not hasattr(found, part):
            names = difflib.get_close_matches(part, [n for n in dir(found) if not n.startswith("_")], 1, 0.6)
            raise ConfigError(f"{_at(key)}_target_ '{target}': '{path}' has no '{part}'{_did_you_mean(names)}")
        found, path = getattr(found, part), f"{path}.{part}"
    if not callable(found):
        raise ConfigError(f"{_at(key)}_target_ '{target}' is a {type(found).__name__}, which cannot be called")
    _check_home(found, target, key)
    return found


def bind(function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], partial: bool = False) -> str:
    """What is wrong with calling ``function`` so, in words; "" if it fits (or if it has no readable signature)."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return ""
    try:
        (signature.bind_partial if partial else signature.bind)(*args, **kwargs)
    except TypeError as error:
        names = [n for n, p in signature.parameters.items() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
        close = [m for k in kwargs if k not in names for m in difflib.get_close_matches(k, names, 1, 0.6)]
        return f"{error}{_did_you_mean(close)}; its parameters: {_parameters(signature)}"
    return ""


def _plain(config: Any) -> tuple[Any, str]:
    if not OmegaConf.is_config(config):
        return config, ""
    return OmegaConf.to_container(config, resolve=True), config._get_full_key(None) or ""


def _build(config: Any, key: str, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None) -> Any:
    if isinstance(config, (list, tuple)):
        return [_build(value, f"{key}[{index}]") for index, value in enumerate(config)]
    if not isinstance(config, Mapping):
        return config
    if "_target_" not in config:
        built = {name: _build(value, f"{key}.{name}" if key else str(name)) for name, value in config.items()}
        return built | dict(kwargs or {})
    recursive = config.get("_recursive_", True)
    given = {n: v for n, v in config.items() if n not in _KEYS and n not in (kwargs or {})}
    inner = {n: _build(v, f"{key}.{n}" if key else str(n)) if recursive else v for n, v in given.items()}
    first = args or tuple(_build(config.get("_args_", []), f"{key}._args_"))
    return _call(config, key, first, inner | dict(kwargs or {}))


def _call(config: Mapping[str, Any], key: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    target, partial = config["_target_"], bool(config.get("_partial_", False))
    function = locate(target, key)
    missing = [name for name, value in kwargs.items() if isinstance(value, str) and value == "???"]
    if missing:
        raise ConfigError(f"{_at(key)}{target}: no value for {', '.join(missing)}")
    problem = bind(function, args, kwargs, partial)
    if problem:
        raise ConfigError(f"{_at(key)}{target}: {problem}")
    if partial:
        return functools.partial(function, *args, **kwargs)
    try:
        return function(*args, **kwargs)
    except UserError:
        raise
    except (TypeError, ValueError, ImportError) as error:
        raise ConfigError(f"{_at(key)}{target} failed: {error}") from error


def _check_name(target: Any, key: str) -> None:
    if not isinstance(target, str):
        raise ConfigError(f"{_at(key)}_target_ must be a dotted name; found {target!r}")
    private = any(part.startswith("_") for part in target.split("."))
    if private or not target.startswith(allowed_prefixes()) or _denied(target):
        raise ConfigError(
            f"{_at(key)}_target_ '{target}' is not allowed; allowed are {', '.join(allowed_prefixes())} without their "
            f"private and file-handling parts. Your own code: --allow PREFIX or {ALLOW_VARIABLE}=PREFIX,..."
        )


def _check_home(found: Any, target: str, key: str) -> None:
    """Refuses what an allowed module merely imported: ``torch.os.system`` lives in ``posix``."""
    home = getattr(found, "__module__", None) or getattr(type(found), "__module__", "")
    name = getattr(found, "__qualname__", "")
    if not f"{home}.{name}".startswith((*allowed_prefixes(), *HOMES)) or _denied(f"{home}.{name}"):
        raise ConfigError(f"{_at(key)}_target_ '{target}' is really '{home}.{name}', which is not allowed")
    if inspect.isfunction(found) and "." in name:
        # With an object that the config builds as its first argument it would do what that object can do: save, say.
        raise ConfigError(
            f"{_at(key)}_target_ '{target}' is a method, which is not allowed; name a class or a function"
        )


def _denied(name: str) -> bool:
    def within(parts: tuple[str, ...]) -> bool:
        return any(name == part or name.startswith(part + ".") for part in parts)

    return within(DENIED) and not within(HARMLESS)


def _import(target: str, key: str) -> tuple[Any, str]:
    """The longest importable module of a dotted name, and its name."""
    parts = target.split(".")
    for count in range(len(parts), 0, -1):
        name = ".".join(parts[:count])
        try:
            return importlib.import_module(name), name
        except ModuleNotFoundError as error:
            if error.name is None or not (name == error.name or name.startswith(error.name + ".")):
                raise ConfigError(f"{_at(key)}_target_ '{target}' needs the package '{error.name}'") from error
    raise ConfigError(f"{_at(key)}_target_ '{target}': no module '{parts[0]}'; is its folder on PYTHONPATH?")


def _parameters(signature: inspect.Signature) -> str:
    shown = (str(p.replace(annotation=inspect.Parameter.empty)) for p in signature.parameters.values())
    return ", ".join(shown) or "none"


def _did_you_mean(names: list[str]) -> str:
    return f", did you mean {' or '.join(repr(n) for n in names)}?" if names else ""


def _at(key: str) -> str:
    return f"config key '{key}': " if key else ""
