"""What only the pictures themselves know: size, faults, a digest of their bytes and a miniature of what is to be seen.

Read once: a note in the user's cache folder tells an unchanged file by its size and time of change.
"""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from armature.data import cache_folder
from armature.data.pictures import fault
from armature.errors import DataError

#: Miniatures are squares of so many grey pixels.
SIDE = 24
#: Changes whenever what is noted changes its meaning.
VERSION = 1
_ORIENTATION = 0x0112
_SCALES = {1: cv2.IMREAD_GRAYSCALE, 2: cv2.IMREAD_REDUCED_GRAYSCALE_2, 4: cv2.IMREAD_REDUCED_GRAYSCALE_4}
_SCALES[8] = cv2.IMREAD_REDUCED_GRAYSCALE_8


@dataclass(frozen=True, eq=False)
class Facts:
    """About one file.

    Attributes:
        size: (H, W) of the stored pixels; (0, 0) where it cannot be read. orientation: EXIF, 1 for upright.
        digest: 16 bytes, the same for the same file content. miniature: (SIDE, SIDE) uint8 grey, empty where the
        picture cannot be read. fault: why it cannot be used, in words; "" where it can. missing: there is no file.
    """

    size: tuple[int, int]
    orientation: int
    digest: bytes
    miniature: NDArray[np.uint8]
    fault: str = ""
    missing: bool = False


_NOTHING = np.zeros((0, 0), np.uint8)


def read(path: Path) -> Facts:
    """The facts of one file, decoded at an eighth of its size where that is enough for the miniature."""
    try:
        data = np.fromfile(path, np.uint8)
    except OSError as error:
        missing = isinstance(error, (FileNotFoundError, NotADirectoryError))
        return Facts((0, 0), 1, b"", _NOTHING, "no such file" if missing else str(error.strerror or error), missing)
    digest = hashlib.blake2b(data.tobytes(), digest_size=16).digest()
    try:
        size, orientation = _header(data)
        why = fault(path, size)
    except (OSError, SyntaxError, ValueError, DataError, Image.DecompressionBombError) as error:
        return Facts((0, 0), 1, digest, _NOTHING, fault(path, (0, 0)) or str(error))
    small = None if why else _miniature(data, size)
    if small is None:
        return Facts(size, orientation, digest, _NOTHING, why or "is no picture that can be decoded")
    return Facts(size, orientation, digest, small)


def _header(data: NDArray[np.uint8]) -> tuple[tuple[int, int], int]:
    with Image.open(io.BytesIO(data.tobytes())) as image:
        return (image.height, image.width), int(image.getexif().get(_ORIENTATION, 1))


def _miniature(data: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8] | None:
    scale = max((s for s in _SCALES if min(size) / s >= 2 * SIDE), default=1)
    grey = cv2.imdecode(data, _SCALES[scale] | cv2.IMREAD_IGNORE_ORIENTATION)
    if grey is None or not grey.size:
        return None
    return np.asarray(cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)


def gather(paths: Sequence[Path], workers: int = 4) -> tuple[list[Facts], int]:
    """The facts of every file, and how many had to be read anew because no note told them."""
    notes = _Notes(paths)
    stamps = [_stamp(path) for path in paths]
    known = [notes.get(str(path), stamp) for path, stamp in zip(paths, stamps, strict=True)]
    fresh = [i for i, facts in enumerate(known) if facts is None]
    with ThreadPoolExecutor(workers) as pool:
        for i, facts in zip(fresh, pool.map(lambda i: read(paths[i]), fresh), strict=True):
            known[i] = facts
    found = [facts for facts in known if facts is not None]
    if fresh:
        notes.save([str(path) for path in paths], stamps, found)
    return found, len(fresh)


def _stamp(path: Path) -> tuple[int, int]:
    try:
        stat = os.stat(path)
    except OSError:
        return -1, -1
    return stat.st_size, stat.st_mtime_ns


class _Notes:
    """The facts of an earlier look at the same folders, in one file of the user's cache."""

    def __init__(self, paths: Sequence[Path]) -> None:
        folders = sorted({str(path.parent) for path in paths})
        key = hashlib.sha256("\n".join([str(VERSION), str(SIDE), *folders]).encode()).hexdigest()[:32]
        self.file = cache_folder.of("checking") / f"{key}.npz"
        self._rows: dict[str, int] = {}
        self._columns: dict[str, Any] = {}
        # Without a note, or with one that cannot be read, everything is looked at again.
        with suppress(OSError, ValueError, KeyError, zipfile.BadZipFile, EOFError), np.load(self.file) as stored:
            self._columns = {name: stored[name] for name in stored.files}
            self._rows = {str(name): i for i, name in enumerate(self._columns["paths"].tolist())}

    def get(self, path: str, stamp: tuple[int, int]) -> Facts | None:
        """The facts of a file that has not changed since; faulty and missing ones are always looked at again."""
        row = self._rows.get(path)
        if row is None or stamp[0] < 0 or tuple(self._columns["stamps"][row].tolist()) != stamp:
            return None
        height, width, orientation = self._columns["sizes"][row].tolist()
        return Facts(
            (height, width), orientation, self._columns["digests"][row].tobytes(), self._columns["miniatures"][row]
        )

    def save(self, paths: Sequence[str], stamps: Sequence[tuple[int, int]], facts: Sequence[Facts]) -> None:
        """Writes a note of the files without fault; without a cache folder the next check is slower, nothing else."""
        kept = [i for i, one in enumerate(facts) if not one.fault]
        if not kept:
            return
        columns: dict[str, Any] = {
            "paths": np.array([paths[i] for i in kept]),
            "stamps": np.array([stamps[i] for i in kept], np.int64),
            "sizes": np.array([(*facts[i].size, facts[i].orientation) for i in kept], np.int64),
            "digests": np.array([np.frombuffer(facts[i].digest, np.uint8) for i in kept]),
            "miniatures": np.array([facts[i].miniature for i in kept]),
        }
        with suppress(OSError):
            self.file.parent.mkdir(parents=True, exist_ok=True)
            scratch = self.file.with_suffix(f".{os.getpid()}.tmp")
            with open(scratch, "wb") as stream:
                np.savez(stream, **columns)
            os.replace(scratch, self.file)
