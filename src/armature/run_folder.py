"""The folder that one run leaves behind, and the only way files get into it: whole or not at all."""

from __future__ import annotations

import datetime
import json
import math
import os
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from armature.errors import ConfigError, UserError

#: The id of this run for the processes of a distributed run and for a job that a cluster starts again.
RUN_VARIABLE = "ARMATURE_RUN_ID"
#: Ids that this very process has given out: a further run of it is not one of them started again.
_shared: set[str] = set()


@dataclass(frozen=True)
class RunFolder:
    """Paths of everything a run leaves; nothing but ``path`` has to exist."""

    path: Path

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def experiment(self) -> str:
        return self.path.parent.name

    @property
    def config(self) -> Path:
        """The resolved config: enough to build the run again."""
        return self.path / "config.yaml"

    @property
    def provenance(self) -> Path:
        """Where the run comes from: command, code, versions, machine, data."""
        return self.path / "provenance.json"

    @property
    def metrics(self) -> Path:
        """Final metrics, flat, with their protocol card."""
        return self.path / "metrics.json"

    @property
    def history(self) -> Path:
        """One CSV row an epoch."""
        return self.path / "history.csv"

    @property
    def predictions(self) -> Path:
        """COCO results of the best checkpoint on the validation images."""
        return self.path / "predictions.json"

    @property
    def truth(self) -> Path:
        """COCO annotations of those images: with them a run can be judged again where its data is not."""
        return self.path / "truth.json"

    @property
    def cost(self) -> Path:
        """What predicting costs; written by ``armature cost``."""
        return self.path / "cost.json"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def best(self) -> Path:
        return self.checkpoints / "best.ckpt"

    @property
    def last(self) -> Path:
        return self.checkpoints / "last.ckpt"

    @property
    def pictures(self) -> Path:
        return self.path / "pictures"

    @property
    def report(self) -> Path:
        return self.path / "report.html"

    def tidy(self) -> None:
        """Removes what a process that was killed while it wrote has left behind."""
        for pattern in (".*.tmp", ".*.partial", "report.html.partial"):
            for fragment in [*self.path.glob(pattern), *self.checkpoints.glob(pattern)]:
                fragment.unlink(missing_ok=True)

    def share(self) -> None:
        """Tells the processes that this one starts which run they belong to."""
        os.environ[RUN_VARIABLE] = self.id
        _shared.add(self.id)


def create(root: str | Path, experiment: str) -> RunFolder:
    """A new folder ``root/experiment/<id>`` that no other process has; the one of ``ARMATURE_RUN_ID`` where set.

    Raises:
        ConfigError: a name that is no folder name, or a root that cannot be written.
    """
    shared = os.environ.get(RUN_VARIABLE)
    _check_name(RUN_VARIABLE, shared or "id")
    return _made(root, experiment, shared)


def reserve(root: str | Path, experiment: str, make: bool = True) -> RunFolder:
    """A new folder for a run that another process will begin; only its path where nothing is to be made.

    Raises:
        ConfigError: as ``create``.
    """
    _check_name("name", experiment)
    return _made(root, experiment) if make else RunFolder(Path(root).expanduser() / experiment / _new_id())


def open(path: str | Path) -> RunFolder:
    """The run at a folder, or at any file inside it (a checkpoint, say).

    Raises:
        ConfigError: nothing there, or no run; names the newest runs nearby.
    """
    path = Path(path).expanduser()
    if not path.exists():
        nearest = next(p for p in path.absolute().parents if p.is_dir())
        raise ConfigError(f"run {path}: no such folder{_suggest(nearest)}")
    for folder in (path, *path.absolute().parents[:2]):
        if (folder / "config.yaml").is_file():
            return RunFolder(folder)
    raise ConfigError(f"{path} is not a run: it has no config.yaml{_suggest(path)}")


def begun(root: str | Path, experiment: str) -> RunFolder | None:
    """The run that ``ARMATURE_RUN_ID`` names and that another process has begun: a job that is started again."""
    shared = os.environ.get(RUN_VARIABLE)
    folder = RunFolder(Path(root).expanduser() / experiment / shared) if shared else None
    return folder if folder is not None and shared not in _shared and folder.config.is_file() else None


def newest(folder: str | Path, count: int = 3) -> list[Path]:
    """Run folders below ``folder`` (at most two levels down), newest first."""
    found = [p.parent for pattern in ("*/config.yaml", "*/*/config.yaml") for p in Path(folder).glob(pattern)]
    return sorted(found, key=lambda p: p.stat().st_mtime, reverse=True)[:count]


def write_text(path: str | Path, text: str) -> None:
    """``text`` at ``path``, or what was there before: never half of it, whatever happens meanwhile.

    Raises:
        UserError: the disk is full, or the folder cannot be written.
    """
    write(path, lambda temporary: temporary.write_bytes(text.encode()))


def write_json(path: str | Path, data: Any) -> None:
    """JSON at ``path``, atomically; numbers that are none (NaN: nothing to measure) become null."""
    write_text(path, json.dumps(_finite(data), indent=1, allow_nan=False, default=str) + "\n")


def write_yaml(path: str | Path, data: Any) -> None:
    """YAML at ``path``, atomically; keys keep their order."""
    write_text(path, yaml.safe_dump(data, sort_keys=False, allow_unicode=True))


def write(path: str | Path, fill: Callable[[Path], Any]) -> None:
    """A file made by ``fill(temporary)``, brought to the disk and only then given its name.

    Raises:
        UserError: the disk is full, or the folder cannot be written; what was at ``path`` is still there.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(2)}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fill(temporary)
        _sync(temporary)
        os.replace(temporary, path)
        _sync(path.parent)
    except OSError as error:
        raise UserError(f"{path} could not be written: {error.strerror or error}; nothing there was changed") from error
    finally:
        temporary.unlink(missing_ok=True)


def read_json(path: str | Path) -> Any:
    """What a JSON file says.

    Raises:
        UserError: it is missing or no JSON; names it and the line.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise UserError(f"{path} is not JSON: {error}") from error


def _made(root: str | Path, experiment: str, shared: str | None = None) -> RunFolder:
    _check_name("name", experiment)
    parent = Path(root).expanduser() / experiment
    try:
        parent.mkdir(parents=True, exist_ok=True)
        return RunFolder(_claim(parent, shared))
    except OSError as error:
        raise ConfigError(f"runs={root}: no run folder can be made in {parent}: {error.strerror}") from error


def _check_name(field: str, name: str) -> None:
    if not re.fullmatch(r"[\w][\w.+@-]*", name):
        raise ConfigError(f"{field}={name!r} cannot be a folder: letters, digits and . _ + @ - only")


def _claim(parent: Path, shared: str | None) -> Path:
    """The shared run's folder, made or found; else a new one: mkdir fails where another process was first."""
    if shared:
        (parent / shared).mkdir(exist_ok=True)
        return parent / shared
    while True:
        path = parent / _new_id()
        try:
            path.mkdir()
        except FileExistsError:
            continue
        return path


def _new_id() -> str:
    return f"{datetime.datetime.now().strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _finite(data: Any) -> Any:
    if isinstance(data, dict):
        return {str(key): _finite(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [_finite(value) for value in data]
    if hasattr(data, "item") and getattr(data, "ndim", 1) == 0:  # numpy's and torch's scalars
        data = data.item()
    return None if isinstance(data, float) and math.isnan(data) else data


def _suggest(folder: Path) -> str:
    runs = newest(folder) or (newest("runs") if Path("runs").is_dir() else [])
    return f"; newest runs: {', '.join(str(r) for r in runs)}" if runs else ""
