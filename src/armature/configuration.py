"""Everything between the command line and a composed config: search path, composition, and what went wrong."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from armature import config_folders, override_hints
from armature.data.nearby import absent
from armature.errors import ConfigError, DataError, UserError


def compose(verb: str, overrides: Sequence[str] = (), config_dirs: Sequence[str | Path] = ()) -> DictConfig:
    """The config of one verb, interpolations resolved; nothing is written and no logging is touched.

    Args:
        verb: name of a file in ``conf/``.
        overrides: ``key=value`` in Hydra's grammar.
        config_dirs: the user's own folders, searched after the project's.

    Raises:
        ConfigError: an unknown key, group or option (with the nearest that exist), a malformed override, a value
            that must be given and is not, an interpolation that leads nowhere.
    """
    folders = _checked(config_dirs)
    overrides = [_absent(override, folders) for override in overrides]
    parsed = [_parse(override, verb, folders) for override in overrides]
    _check_single(parsed)
    _check_options(parsed, folders)
    try:
        config = _compose(verb, overrides, folders)
        missing = _missing(config)
        if missing:
            raise ConfigError(f"armature {verb} needs {' '.join(f'{key}=VALUE' for key in missing)}")
        _check_canvas(config)
        plain = OmegaConf.to_container(config, resolve=True)
    except (HydraException, OmegaConfBaseException) as error:
        raise _told(error) or ConfigError(_explain(error, verb, parsed, folders)) from error
    resolved = OmegaConf.create(plain, flags={"struct": True})
    assert isinstance(resolved, DictConfig)
    return resolved


def expand(overrides: Sequence[str], config_dirs: Sequence[str | Path] = ()) -> list[list[str]]:
    """Every combination of the lists, ranges and globs in ``overrides``: one list of overrides per run.

    Raises:
        ConfigError: a malformed override, or an interval, which has no finite list of values.
    """
    options = _Options(_checked(config_dirs))
    grid: list[list[str]] = [[]]
    for text in overrides:
        values = _values(text, options)
        grid = [[*run, value] for run in grid for value in values]
    return grid


def save_text(config: DictConfig) -> str:
    """The YAML of a resolved config, keys in their order."""
    return OmegaConf.to_yaml(config, resolve=True)


def load(path: str | Path) -> DictConfig:
    """A config that a run left behind.

    Raises:
        ConfigError: the file is missing or no YAML; names it.
    """
    try:
        config = OmegaConf.load(path)
    except Exception as error:  # OSError, yaml's and OmegaConf's own
        raise ConfigError(f"{path}: cannot be read as a config: {error}") from error
    if not isinstance(config, DictConfig):
        raise ConfigError(f"{path}: a config is a mapping; found a {type(config).__name__}")
    return config


def _missing(config: DictConfig) -> list[str]:
    """Keys without a value, but not those that only refer to one."""
    plain = OmegaConf.to_container(config, resolve=False)
    return [key for key, value in _leaves(plain) if value == "???"]


def _values(text: str, options: _Options) -> list[str]:
    override = _parse(text)
    override.config_loader = options  # type: ignore[assignment]
    if not override.is_sweep_override():
        return [text]
    if not override.is_discrete_sweep():
        raise ConfigError(f"override '{text}': -m takes lists, range() and glob(); an interval has no end of values")
    return [f"{override.get_key_element()}={value}" for value in override.sweep_string_iterator()]


class _Options:
    """As much of a Hydra config loader as ``glob()`` asks of one; knows the user's folders too."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._groups = config_folders.groups(folders)

    def get_group_options(self, group_name: str, results_filter: Any = None) -> list[str]:
        return self._groups.get(group_name, [])


def _compose(verb: str, overrides: Sequence[str], folders: Sequence[Path]) -> DictConfig:
    search = [f"hydra.searchpath=[{','.join(f'file://{folder}' for folder in folders)}]"] if folders else []
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(config_folders.project()), job_name="armature", version_base="1.3"):
        return hydra_compose(verb, [*search, *overrides])


def _parse(text: str, verb: str = "", folders: Sequence[Path] = ()) -> Override:
    try:
        return OverridesParser.create().parse_override(text)
    except HydraException as error:
        if verb and "=" not in text and (meant := _meant(text, verb, folders)):
            raise ConfigError(meant) from error
        hint = "" if "=" in text else f"; overrides are written {text}=VALUE"
        raise ConfigError(f"override '{text}' cannot be read{hint}: {_first_line(error)}") from error


def _meant(word: str, verb: str, folders: Sequence[Path]) -> str:
    known = _known_keys(verb, [], folders)
    return override_hints.bare_word(word, [*known, *config_folders.groups(folders)] if known else [])


def _checked(config_dirs: Sequence[str | Path]) -> list[Path]:
    folders = [Path(folder).expanduser().resolve() for folder in config_dirs]
    for folder in folders:
        if not folder.is_dir():
            raise ConfigError(f"--config-dir {folder}: no such folder")
    return folders


def _absent(text: str, folders: Sequence[Path]) -> str:
    """``logger=null`` as ``logger=none``, which is the option that stands for nothing; Hydra knows no null here.

    Raises:
        ConfigError: the group has no such option.
    """
    key, equals, value = text.partition("=")
    options = config_folders.groups(folders).get(key.partition("@")[0])
    if not equals or value != "null" or not options:
        return text
    if "none" not in options:
        raise ConfigError(f"'{text}': group {key} has no option for nothing; leave it out, or: {', '.join(options)}")
    return f"{key}=none"


def _check_single(parsed: Sequence[Override]) -> None:
    for override in parsed:
        if override.is_sweep_override():
            raise ConfigError(
                f"'{override.input_line}' asks for several runs: add -m; a list is written key=[a,b], text key='a,b'"
            )


def _check_options(parsed: Sequence[Override], folders: Sequence[Path]) -> None:
    """Options of known groups, before Hydra sees them: its own message lacks the nearest name."""
    groups = config_folders.groups(folders)
    for override in parsed:
        options, chosen = groups.get(override.key_or_group), override.value()
        for value in chosen if isinstance(chosen, list) else [chosen]:  # several at once: augment=[photometric,mixup]
            if options is None or not isinstance(value, str) or value in options or _is_below(value, override, groups):
                continue
            if meant := override_hints.folder_as_option(override.key_or_group, value):
                raise ConfigError(meant)
            if "/" in value:
                continue
            near = override_hints.near(value, options)
            raise ConfigError(f"no '{value}' in group {override.key_or_group}{near}; available: {', '.join(options)}")


def _is_below(value: str, override: Override, groups: Mapping[str, Sequence[str]]) -> bool:
    """Whether it is an option of a group within the group: ``skeleton=of/data``."""
    inner, slash, name = value.rpartition("/")
    return bool(slash) and name in groups.get(f"{override.key_or_group}/{inner}", ())


def _check_canvas(config: DictConfig) -> None:
    """Before anything is computed of it, and for every data config alike.

    Raises:
        ConfigError: ``data.canvas`` is not two numbers.
    """
    plain = OmegaConf.to_container(config, resolve=False)
    data = plain.get("data") if isinstance(plain, dict) else None
    canvas = data.get("canvas") if isinstance(data, dict) else None
    if canvas is None or (isinstance(canvas, str) and "${" in canvas):
        return
    sides = canvas if isinstance(canvas, list) else []
    if len(sides) != 2 or not all(_is_side(side) for side in sides):
        example = f"[{canvas},{canvas}]" if _is_side(canvas) else "[256,192]"
        raise ConfigError(f"data.canvas={canvas} must be [height, width] in pixels, such as 'data.canvas={example}'")


def _is_side(value: Any) -> bool:
    reference = isinstance(value, str) and "${" in value
    return reference or (isinstance(value, int) and not isinstance(value, bool) and value > 0)


def _explain(error: Exception, verb: str, parsed: Sequence[Override], folders: Sequence[Path]) -> str:
    """Which override is to blame and what was probably meant; Hydra's own first line where none is."""
    groups = config_folders.groups(folders)
    choices = [o for o in parsed if o.key_or_group in groups and o.input_line]
    known = _known_keys(verb, [str(o.input_line) for o in choices], folders)
    for override in parsed:
        key = override.get_key_element().lstrip("+~")
        if override in choices or override.is_force_add() or key in known or override.is_add():
            continue
        if known:
            chosen = next((o.value() for o in choices if o.key_or_group == key.partition(".")[0]), None)
            meant = override_hints.elsewhere(key, chosen if isinstance(chosen, str) else None, folders)
            meant = meant or override_hints.near(key, sorted({*known, *groups})) + override_hints.siblings(key, known)
            return f"unknown key '{key}' in '{override.input_line}'{meant}"
    where = getattr(error, "full_key", None)
    return _first_line(error) + (f" (in the value of '{where}')" if where else "")


def _told(error: BaseException | None) -> UserError | None:
    """What a resolver of ours had to say, from inside the errors that were made of it."""
    while error is not None and not isinstance(error, UserError):
        error = error.__cause__ or error.__context__
    return error


def _known_keys(verb: str, choices: Sequence[str], folders: Sequence[Path]) -> list[str]:
    for overrides in (choices, []):
        try:
            plain = OmegaConf.to_container(_compose(verb, overrides, folders), resolve=False)
        except (HydraException, OmegaConfBaseException):
            continue
        return list(_dotted(plain))
    return []


def _dotted(node: Any, prefix: str = "") -> list[str]:
    if not isinstance(node, dict):
        return []
    keys = []
    for name, value in node.items():
        keys += [f"{prefix}{name}", *_dotted(value, f"{prefix}{name}.")]
    return keys


def _leaves(node: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(node, (dict, list)):
        for name, value in node.items() if isinstance(node, dict) else enumerate(node):
            yield from _leaves(value, f"{key}.{name}" if key else str(name))
    else:
        yield key, node


def _first_line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip() and "HYDRA_FULL_ERROR" not in line]
    text = " ".join(line.strip() for line in lines[:3]) or type(error).__name__
    return text.partition(" To append to your")[0]


def _length(value: Any) -> int:
    return len(value)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _folder(field: str, _root_: DictConfig) -> Any:
    path = OmegaConf.select(_root_, "data.path")
    lacking = path is not None and not Path(str(path)).expanduser().exists()
    if lacking and OmegaConf.select(_root_, "unreadable") != "report":
        raise DataError(absent(str(path)))
    from armature import folder_facts  # reads data, which most configs do not need

    return folder_facts.resolve(field, _root_)


# ${length:${skeleton.keypoints}} is K, ${cores:} the processors this process may use, ${folder:canvas} what follows
# from the data of data=folder.
OmegaConf.register_new_resolver("length", _length, replace=True)
OmegaConf.register_new_resolver("cores", _cores, replace=True)
OmegaConf.register_new_resolver("folder", _folder, replace=True)
