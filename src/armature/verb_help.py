"""What ``--help`` prints. Verbs are read from their files and options from folder names: nothing is imported."""

from __future__ import annotations

import ast
import contextlib
import textwrap
from collections.abc import Sequence
from pathlib import Path

from armature import config_folders

_PROGRAM = """armature: train, evaluate and compare keypoint models

usage: armature VERB [key=value ...] [--config-dir DIR] [--allow PREFIX] [-m]

verbs:
{verbs}

options:
  --config-dir DIR   more configs, searched after the project's own; repeatable
  --allow PREFIX     let configs build your own code, e.g. --allow mylab; repeatable
  -m, --multirun     every combination of the lists given: -m seed=1,2,3 optimizer=adamw,sgd
  --dry-run          print the job script that launcher=slurm makes, and queue nothing
  --preflight        before training: try the config, its data and a step, and estimate memory, disk and hours
  -h, --help         this page, or after a verb: its keys, groups and examples
  --version

examples:
{examples}"""


def verbs() -> dict[str, Path]:
    """Verb name -> its module's file; ``data_sigmas`` is what people type as ``data sigmas``."""
    folder = Path(__file__).resolve().parent / "verbs"
    return {file.stem: file for file in sorted(folder.glob("*.py")) if not file.stem.startswith("_")}


def spoken(verb: str) -> str:
    """The verb as people type it."""
    return verb.replace("_", " ")


def words_key(verb: str) -> str | None:
    """The key that words without ``=`` after a verb are values of, None where there is none."""
    file = verbs().get(verb)
    key = constants(file).get("WORDS") if file else None
    return str(key) if key else None


def is_distributed(verb: str) -> bool:
    """Whether several processes may do a verb together."""
    file = verbs().get(verb)
    return bool(file and constants(file).get("DISTRIBUTED"))


def is_launched(verb: str) -> bool:
    """Whether a whole verb may become a job of a cluster, by the config group ``launcher``."""
    file = verbs().get(verb)
    return bool(file and constants(file).get("LAUNCHED"))


def constants(file: Path) -> dict[str, object]:
    """The literal constants at the top level of a Python file (SUMMARY, EXAMPLES), without running it."""
    found = {}
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id.isupper():
            with contextlib.suppress(ValueError):  # no literal: not meant for us
                found[node.targets[0].id] = ast.literal_eval(node.value)
    return found


def program() -> str:
    """The page of ``armature --help``."""
    known = {name: constants(file) for name, file in verbs().items()}
    width = max(12, *(len(name) for name in known)) + 1
    lines = [f"  {spoken(name):<{width}}{facts.get('SUMMARY', '')}" for name, facts in known.items()]
    examples = [f"  {_lines(facts)[0]}" for facts in known.values() if _lines(facts)]
    return _PROGRAM.format(verbs="\n".join(lines), examples="\n".join(examples))


def of(verb: str, folders: Sequence[Path] = ()) -> str:
    """The page of ``armature VERB --help``: summary, examples, keys with their comments, groups with their options."""
    facts = constants(verbs()[verb])
    usage = (
        f"armature {spoken(verb)} {str(facts.get('WORDS', '')).upper()[:-1] + ' ... ' if facts.get('WORDS') else ''}"
    )
    parts = [f"{usage}[key=value ...]: {facts.get('SUMMARY', '')}", _section("examples", _lines(facts))]
    file = config_folders.project() / f"{verb}.yaml"
    groups = config_folders.groups(folders)
    parts.append(_section("keys (conf/" + file.name + ")", _keys(file)))
    used = _reachable(file, groups)
    parts.append(_section("groups, chosen by GROUP=OPTION", [_options(name, groups[name]) for name in used]))
    return "\n\n".join(part for part in parts if part)


def _lines(facts: dict[str, object]) -> list[str]:
    examples = facts.get("EXAMPLES", ())
    return examples.strip().splitlines() if isinstance(examples, str) else [str(e) for e in examples]  # type: ignore[attr-defined]


def _section(title: str, lines: Sequence[str]) -> str:
    return f"{title}:\n" + "\n".join(textwrap.indent(line, "  ") for line in lines) if lines else ""


def _options(group: str, options: Sequence[str]) -> str:
    return textwrap.fill(", ".join(options), 100, initial_indent=f"{group:<14} ", subsequent_indent=" " * 15)


def _keys(file: Path) -> list[str]:
    """The lines of a primary config after its defaults list, as they are: their comments are the documentation."""
    lines, skipping = [], False
    for line in file.read_text(encoding="utf-8").splitlines() if file.is_file() else ():
        skipping = line.startswith("defaults:") or (skipping and line[:1] in (" ", "-", "#", ""))
        if not skipping and line.strip() and not line.startswith(("#", "_")):
            lines.append(line)
    return lines


def _reachable(file: Path, groups: dict[str, list[str]]) -> list[str]:
    """Groups that a config's defaults name, and those that their options name in turn."""
    found: list[str] = []
    queue = [file] if file.is_file() else []
    while queue:
        for name in _defaults(queue.pop(0)):
            if name in groups and name not in found:
                found.append(name)
                queue += sorted((config_folders.project() / name).glob("*.yaml"))
    return found


def _defaults(file: Path) -> list[str]:
    """The groups in a file's defaults list: ``- override /term@loss.size: l1`` names ``term``."""
    names, inside = [], False
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.startswith("defaults:"):
            inside = True
        elif inside and line.strip() and not line.lstrip().startswith(("-", "#")):
            break
        elif inside and line.strip() and ":" not in line and not line.lstrip(" -").startswith(("_self_", "#")):
            names += _defaults(file.with_name(line.split("#")[0].lstrip(" -").strip() + ".yaml"))
        elif inside and ":" in line and not line.lstrip().startswith("#"):
            name = line.lstrip(" -").split(":")[0].split("@")[0]
            names.append(name.replace("override", "").replace("optional", "").strip().lstrip("/"))
    return names
