"""Pictures inside uncompressed tar files: few large files where a file system dislikes millions of small ones.

A picture's path goes through the tar as if that were a folder: ``shard-000003.tar/00004711.jpg``. It is read with one
system call at its place, which ``shard-000003.index`` beside the tar says; without it all headers are looked at, once a
process.
"""

from __future__ import annotations

import functools
import json
import os
import tarfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from armature.errors import DataError

_TAR = ".tar"
#: So many tars are open at once, and their pictures mixed: the more, the better shuffled and the worse in order.
WINDOW = 16
_Places = dict[str, tuple[int, int]]


def split_path(path: str | Path) -> tuple[Path, str] | None:
    """The tar and the name in it of a path that goes through one; None for other paths."""
    head, found, name = os.fspath(path).replace("\\", "/").partition(_TAR + "/")
    return (Path(head + _TAR), name) if found and os.path.isfile(head + _TAR) else None


def read_member(tar: Path, name: str) -> NDArray[np.uint8]:
    """The bytes of a member.

    Raises:
        DataError: the tar has no such member, or ends too early. OSError: it cannot be read.
    """
    handle, places = _opened(tar, os.stat(tar).st_mtime_ns)
    if name not in places:
        raise DataError(f"{tar}/{name}: no such file in the tar")
    start, size = places[name]
    content = os.pread(handle.fileno(), size, start)
    if len(content) != size:
        raise DataError(f"{tar}/{name}: the tar ends too early")
    return np.frombuffer(content, np.uint8)


def write_index(tar: Path) -> None:
    """Writes where the members of a tar are, for those who read it later."""
    content = {"bytes": tar.stat().st_size, "members": _scanned(tar)}
    _index_of(tar).write_text(json.dumps(content))


@functools.lru_cache(maxsize=4 * WINDOW)
def _opened(tar: Path, changed: int) -> tuple[BinaryIO, _Places]:
    return open(tar, "rb", buffering=0), _places(tar)  # closed when it is forgotten


def _places(tar: Path) -> _Places:
    """Name -> (first byte, number of bytes)."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        known = json.loads(_index_of(tar).read_text())
        if known["bytes"] == tar.stat().st_size:
            return {str(n): (int(start), int(size)) for n, (start, size) in known["members"].items()}
    return _scanned(tar)


def _index_of(tar: Path) -> Path:
    return tar.with_suffix(".index")


def _scanned(tar: Path) -> _Places:
    try:
        with tarfile.open(tar, "r:") as content:
            return {m.name.removeprefix("./"): (m.offset_data, m.size) for m in content if m.isreg()}
    except tarfile.TarError as error:
        raise DataError(f"{tar}: is no uncompressed tar: {error}") from error


def shards_of(files: Sequence[str]) -> NDArray[np.int64] | None:
    """For every picture the number of its tar; None where one is in none."""
    tars = [file.partition(_TAR + "/") for file in files]
    if not tars or not all(found for _, found, _ in tars):
        return None
    return np.unique([head for head, _, _ in tars], return_inverse=True)[1].astype(np.int64)


def mixed(shards: NDArray[np.int64], rng: np.random.Generator, window: int = WINDOW) -> NDArray[np.int64]:
    """An order of all pictures in which ``window`` tars are read at a time, their pictures mixed, then the next."""
    order = rng.permutation(int(shards.max()) + 1)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order)) // window
    shuffled = rng.permutation(len(shards))
    return shuffled[np.argsort(rank[shards[shuffled]], kind="stable")]
