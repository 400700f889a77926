"""The folder of a sweep: everything that is known of it, for any process on any machine that sees the folder."""

from __future__ import annotations

import contextlib
import datetime
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import optuna
import yaml
from optuna.storages import BaseStorage
from optuna.storages.journal import JournalFileSymlinkLock
from optuna.trial import FrozenTrial, TrialState, create_trial

from armature.building import build
from armature.errors import ConfigError
from armature.run_folder import RunFolder, write_text, write_yaml
from armature.sweeping import knowledge, space
from armature.sweeping.settings import Settings
from armature.sweeping.storage import open_storage


@dataclass(frozen=True)
class SweepFolder:
    """A sweep that exists; every method reads what is there now."""

    path: Path

    @property
    def file(self) -> Path:
        """The settings."""
        return self.path / "sweep.yaml"

    @property
    def stop(self) -> Path:
        """While this file exists no worker goes on; it says whether they end ``now`` or after their ``trial``."""
        return self.path / "stop"

    @property
    def page(self) -> Path:
        """The results."""
        return self.path / "sweep.html"

    @cached_property
    def settings(self) -> Settings:
        return Settings(**yaml.safe_load(self.file.read_text(encoding="utf-8")))

    @cached_property
    def space(self) -> space.Space:
        return space.parse(self.settings.space, self.settings.when, self.settings.config_dirs)

    @cached_property
    def storage(self) -> BaseStorage:
        return open_storage(self.settings.storage or f"journal:{self.path / 'journal.log'}")

    @property
    def study_name(self) -> str:
        """Unique among the sweeps of one database."""
        return f"{self.path.parent.name}/{self.path.name}"

    @cached_property
    def study_id(self) -> int:
        return self.storage.get_study_id_from_name(self.study_name)

    def trials(self) -> list[FrozenTrial]:
        """All trials, in order of their numbers."""
        return sorted(self.storage.get_all_trials(self.study_id, deepcopy=False), key=lambda t: t.number)

    def run(self, number: int, seed: int | None = None) -> RunFolder:
        """The run folder of a trial, of one of its seeds where it has several."""
        name = f"{number:04d}" if seed is None else f"{number:04d}-seed{seed}"
        return RunFolder(self.path / "trials" / name)

    def runs(self, number: int) -> list[RunFolder]:
        """The run folders of a trial, whether they are there or not."""
        seeds = self.settings.seeds
        return [self.run(number, seed) for seed in seeds] if seeds else [self.run(number)]

    def blank_study(self, number: int) -> optuna.Study:
        """An empty study in memory with the sampler and pruner of trial ``number``."""
        sampler = build(self.settings.sampler, seed=knowledge.seed_of(self.settings.seed, number))
        pruner = build(self.settings.pruner, max_epochs=self.settings.max_epochs)
        # Hyperband takes a trial's bracket from the name: it must not differ between two sweeps that are to be alike.
        return optuna.create_study(
            study_name="sweep", directions=self.settings.directions, sampler=sampler, pruner=pruner
        )

    def fill(self) -> None:
        """Brings the study to as many trials as the settings say, all of them waiting."""
        with self.locked():
            study = optuna.load_study(study_name=self.study_name, storage=self.storage)
            for _ in range(self.settings.trials - len(self.trials())):
                study.add_trial(create_trial(state=TrialState.WAITING))

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """One process at a time, on shared file systems too; a dead one's lock is broken after half a minute."""
        lock = JournalFileSymlinkLock(str(self.path / "folder"))
        lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def change(self, **values: Any) -> SweepFolder:
        """The sweep after some of its settings were changed on the disk."""
        with self.locked():
            write_yaml(self.file, Settings(**yaml.safe_load(self.file.read_text())).written() | values)
        return SweepFolder(self.path)

    def ask_to_stop(self, how: str) -> None:
        """Asks every worker, wherever it runs, to end ``now`` or after its ``trial``."""
        write_text(self.stop, how)

    def asked_to_stop(self) -> str:
        """``now``, ``trial`` or ""."""
        try:
            return self.stop.read_text().strip()
        except FileNotFoundError:
            return ""


def create(root: str | Path, settings: Settings) -> SweepFolder:
    """A new sweep, ready for workers.

    Raises:
        ConfigError: the folder or the storage cannot be made.
    """
    parent = Path(root).expanduser().absolute() / settings.name
    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    folder = SweepFolder(parent / f"{stamp}-{secrets.token_hex(2)}")
    try:
        (folder.path / "claims").mkdir(parents=True)
    except OSError as error:
        raise ConfigError(f"sweeps={root}: no sweep folder can be made in {parent}: {error.strerror}") from error
    write_yaml(folder.file, settings.written())
    optuna.create_study(study_name=folder.study_name, storage=folder.storage, directions=settings.directions)
    folder.fill()
    return folder


def chosen(paths: Sequence[str]) -> list[Path]:
    """The folders that were named, or the newest sweep below ``sweeps``.

    Raises:
        ConfigError: none was named and there is none.
    """
    if paths:
        return [Path(path) for path in paths]
    found = sorted(Path("sweeps").glob("*/*/sweep.yaml"), key=lambda p: p.stat().st_mtime)
    if not found:
        raise ConfigError("which sweep? There is none below sweeps/ here: name its folder")
    return [found[-1].parent]


def open(path: str | Path) -> SweepFolder:
    """The sweep at a folder.

    Raises:
        ConfigError: there is none; names the newest ones nearby.
    """
    found = Path(path).expanduser().absolute()
    if (found / "sweep.yaml").is_file():
        return SweepFolder(found)
    near = [p.parent for root in (found, found.parent, Path("sweeps")) for p in root.glob("**/sweep.yaml")][:3]
    hint = f"; sweeps nearby: {', '.join(map(str, near))}" if near else ""
    raise ConfigError(f"{path} is no sweep: it has no sweep.yaml{hint}")
