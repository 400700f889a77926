"""What was probably meant by an override that does not fit: the nearest names, and options that have the key."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from armature import config_folders


def near(asked: str, known: Sequence[str]) -> str:
    """Nearest names; a key that is right but for its place ("max_epochs") or is a word of one ("epochs") is near."""
    leaf = asked.rpartition(".")[2]
    placed = [k for k in known if k.rpartition(".")[2] == leaf]
    found = placed[:3] or difflib.get_close_matches(asked, known, 2, 0.7)
    found = found or [k for k in known if difflib.get_close_matches(leaf, [k.rpartition(".")[2]], 1, 0.8)][:3]
    found = found or _by_words(leaf, known)
    return f", did you mean {' or '.join(repr(name) for name in found)}?" if found else ""


def _by_words(leaf: str, known: Sequence[str]) -> list[str]:
    """Names of which it is a word ("epochs" of "max_epochs") or the beginning ("arch" of "architecture")."""
    lasts = {name: name.rpartition(".")[2] for name in known}
    found = [name for name, last in lasts.items() if leaf in last.split("_")]
    if not found and len(leaf) >= 3:
        found = [name for name, last in lasts.items() if last.startswith(leaf)]
    return sorted(found, key=lambda name: (len(lasts[name]), name))[:3]


def siblings(key: str, known: Sequence[str]) -> str:
    """The keys that there are beside it."""
    parent = key.rpartition(".")[0]
    names = [k.rpartition(".")[2] for k in known if k.rpartition(".")[0] == parent and not k.endswith("_")]
    return f"; {f'keys of {parent}' if parent else 'top-level keys'}: {', '.join(names)}" if names else ""


def elsewhere(key: str, chosen: str | None, folders: Sequence[Path]) -> str:
    """Which options of the key's group have it ("data.path": data=folder); "" where none has.

    Args:
        chosen: the option that was asked for, None if none was. folders: the user's own.
    """
    group = key.partition(".")[0]
    having = _options_with(key, folders)
    if not having:
        return ""
    instead = f" in place of {group}={chosen}" if chosen else ""
    if len(having) == 1:
        return f"; {group}={having[0]} has it: {'write' if chosen else 'add'} {group}={having[0]}{instead}"
    names = ", ".join(f"{group}={name}" for name in having)
    return f"; one of these has it: {names}; {'write' if chosen else 'add'} the one that is meant{instead}"


def _options_with(key: str, folders: Sequence[Path]) -> list[str]:
    group, _, rest = key.partition(".")
    if not rest or not group.isidentifier():
        return []
    files = [file for root in (config_folders.project(), *folders) for file in (root / group).glob("*.yaml")]
    return sorted({file.stem for file in files if _has(_plain(file), rest.split("."))})


def _plain(file: Path) -> Any:
    try:
        return yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):  # a user's own, and not what is asked for
        return None


def _has(node: Any, parts: Sequence[str]) -> bool:
    for part in parts:
        if not isinstance(node, dict) or part not in node:
            return False
        node = node[part]
    return True


def folder_as_option(group: str, value: str) -> str:
    """Data are named by their config, not by their place: how a place is given; "" if the value is none."""
    if group != "data" or not ("/" in value or "\\" in value or Path(value).expanduser().exists()):
        return ""
    return f"data={value}: data names a config; a folder is given as data=folder data.path={value}"


def bare_word(word: str, known: Sequence[str]) -> str:
    """What a word without "=" was probably meant for: the place of the data or the source; "" if neither is known."""
    if any(word.partition(".")[0] == key.partition(".")[0] for key in known):
        return ""
    for key, whole in (("data.path", "data.path"), ("source", "source"), ("data", "data=folder data.path")):
        if key in known and (key != "data" or Path(word).expanduser().exists()):
            return f"'{word}' is no key=value; write {whole}={word}"
    return ""
