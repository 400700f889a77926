"""Checkpoint files that are whole or not there."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import torch
from lightning_fabric.plugins import CheckpointIO

from armature.errors import ConfigError


class AtomicCheckpointIO(CheckpointIO):
    """Writes beside the old file, forces it to the disk, then renames: a crash or a full disk leaves the old file.

    Loads with ``weights_only=True``: tensors and plain data, never code.

    Attributes:
        error: what went wrong inside ``forgiving``, or None.
    """

    def __init__(self) -> None:
        self.error: OSError | None = None
        self._forgive = False

    @contextmanager
    def forgiving(self) -> Iterator[None]:
        """Inside, a failed write is kept in ``error`` instead of raised.

        Only one process of a distributed run writes. Raised there, the error would leave the others waiting for it.
        """
        self.error, self._forgive = None, True
        try:
            yield
        finally:
            self._forgive = False

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Writes ``checkpoint`` to ``path``.

        Raises:
            OSError: disk full, quota, read-only ...; the file that was there is untouched, no fragment is left.
        """
        try:
            write_atomically(Path(path), lambda file: _save(checkpoint, file))
        except OSError as error:
            if not self._forgive:
                raise
            self.error = error

    def load_checkpoint(self, path: Any, map_location: Any = "cpu", weights_only: bool | None = None) -> dict[str, Any]:
        """The contents of a checkpoint file.

        Raises:
            ConfigError: it holds more than tensors and plain data; nothing of it was run.
        """
        try:
            return torch.load(path, map_location=map_location, weights_only=weights_only is not False)
        except pickle.UnpicklingError as error:
            raise ConfigError(
                f"checkpoint {path} holds more than tensors and plain data, or is torn; it was not opened"
            ) from error

    def remove_checkpoint(self, path: Any) -> None:
        """Removes a checkpoint file; fine if it is gone."""
        Path(path).unlink(missing_ok=True)


def write_atomically(path: Path, write: Any) -> None:
    """Calls ``write`` with an open binary file that becomes ``path`` only once all of it is on the disk.

    Raises:
        OSError: the write failed; ``path`` is as it was and no fragment is left.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    fragment = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(fragment, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(fragment, path)
    except BaseException:
        fragment.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def link_or_copy(old: Path, new: Path) -> None:
    """Makes ``new`` the same file as ``old`` (a hard link, which takes no space) or, where links do not exist, a copy.

    Safe because checkpoint files are replaced, never written into.

    Raises:
        OSError: the copy failed; ``new`` is as it was.
    """
    fragment = new.with_name(f".{new.name}.{os.getpid()}.tmp")
    fragment.unlink(missing_ok=True)
    try:
        os.link(old, fragment)
    except OSError:
        write_atomically(new, lambda file: file.write(old.read_bytes()))
        return
    os.replace(fragment, new)
    fragment.unlink(missing_ok=True)  # rename does nothing where both names already are the same file
    _sync_folder(new.parent)


def _save(checkpoint: dict[str, Any], file: BinaryIO) -> None:
    """``torch.save`` hides the system's error behind one of its own archive writer; this brings it back."""
    target = _Remembering(file)
    try:
        torch.save(checkpoint, target)  # type: ignore[arg-type]
    except Exception as error:
        if target.error is not None:
            raise target.error from error
        raise


class _Remembering:
    """A file that remembers the first error of the system."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.error: OSError | None = None

    def write(self, data: Any) -> int:
        try:
            return self.file.write(data)
        except OSError as error:
            self.error = self.error or error
            raise

    def flush(self) -> None:
        self.file.flush()


def _sync_folder(folder: Path) -> None:
    """Makes a rename survive a power cut, where the system can do that."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError:  # some network file systems refuse; the file itself is safe
        pass
    finally:
        os.close(handle)
