"""Where configs lie and what there is to choose from, read from folder names alone: no Hydra, so that help is fast."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Sequence
from pathlib import Path

from armature.errors import ConfigError


@functools.cache
def project() -> Path:
    """The project's own conf/: inside the installed package, or beside src/ in a checkout."""
    package = Path(__file__).resolve().parent
    for folder in (package / "conf", package.parents[1] / "conf"):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"no conf folder in {package} nor in {package.parents[1]}; is armature installed whole?")


def skeleton_file(name: str) -> Path:
    """The file of a skeleton: one of the project's by its name, or any ``.yaml`` file by its path.

    Raises:
        ConfigError: there is none; lists the project's.
    """
    given = Path(name).expanduser()
    file = given if given.suffix in (".yaml", ".yml") else project() / "skeleton" / f"{name}.yaml"
    if file.is_file():
        return file
    known = sorted(f.stem for f in (project() / "skeleton").glob("*.yaml"))
    close = difflib.get_close_matches(name, known, 1, 0.6)
    near = f", did you mean '{close[0]}'?" if close else f"; known: {', '.join(known)}, or a .yaml file"
    raise ConfigError(f"no skeleton '{name}'{near}")


def groups(folders: Sequence[Path] = ()) -> dict[str, list[str]]:
    """Group name -> its options, sorted; the user's folders add to the project's."""
    found: dict[str, set[str]] = {}
    for root in (project(), *folders):
        for file in root.rglob("*.yaml"):
            group = file.parent.relative_to(root).as_posix()
            if group != ".":
                found.setdefault(group, set()).add(file.stem)
    return {group: sorted(found[group]) for group in sorted(found)}
