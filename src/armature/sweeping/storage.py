"""Where a study is kept: a journal file beside the sweep, or a database."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock

from armature.errors import ConfigError


class MendingBackend(JournalFileBackend):
    """Optuna's journal file, which a writer that was killed in the middle of a line does not spoil.

    The next one to write, while it has the lock, cuts the torn line off; without that, its own first line would be
    appended to the torn one, and the journal could never be read again.
    """

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        text = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)
        self._lock.acquire()
        try:
            _cut_torn_line(Path(self._file_path))
            with open(self._file_path, "ab") as stream:
                stream.write(text.encode())
                stream.flush()
                os.fsync(stream.fileno())
        finally:
            self._lock.release()


def open_storage(address: str) -> BaseStorage:
    """The storage at ``journal:FILE`` or at any URL that Optuna's RDBStorage takes.

    Raises:
        ConfigError: it cannot be opened.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        if address.startswith("journal:"):
            file = address.removeprefix("journal:")
            # Symbolic links are made in one step on every NFS; the lock of a killed writer is broken after 30 s.
            return JournalStorage(MendingBackend(file, JournalFileSymlinkLock(file)))
        return RDBStorage(address, engine_kwargs={"connect_args": {"timeout": 60}} if "sqlite" in address else None)
    except Exception as error:  # SQLAlchemy's many, OSError, a driver that is not installed
        raise ConfigError(f"storage={address} cannot be opened: {str(error).splitlines()[0]}") from error


def _cut_torn_line(file: Path) -> None:
    size = file.stat().st_size
    if not size:
        return
    with file.open("rb+") as stream:
        stream.seek(-1, os.SEEK_END)
        if stream.read(1) == b"\n":
            return
        stream.seek(0)
        stream.truncate(stream.read().rfind(b"\n") + 1)
