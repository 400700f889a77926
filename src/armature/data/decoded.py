"""Decoded training pictures in one file on a disk: what was read once need not be decoded again.

The file is made whole and empty, and fills itself as pictures are asked for, by any number of processes and jobs at
once: a picture is written first, then the mark that says so, with a checksum. Whoever is killed in between has written
nothing that counts; two that write the same picture write the same bytes. A picture that is not what its checksum says,
or whose file has changed since, is decoded anew.

    64 bytes of header, N marks of 24 bytes, then N pictures, uint8 (h, w, 3), each at a multiple of 64
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
import warnings
import zlib
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from armature.data import cache_folder
from armature.data.groups import fields_of
from armature.data.opened import Opened, Pixels, opened
from armature.data.source import Checkable, Picture, Problem, Source
from armature.errors import ConfigError, DataError, UserError
from armature.structures import Record, Skeleton

_MAGIC, _HEADER, _ALIGNED = b"armature decoded 1\n", 64, 64
_MARK = np.dtype([("done", "<u4"), ("checksum", "<u4"), ("size", "<i8"), ("changed", "<i8")])
_DONE = 0x600D600D
#: Rounding of sizes must not make a picture too small by a hair.
_HAIR = 1e-6


class Decoded:
    """A source whose pictures come from such a file where they may be reduced (``opened``), and as ever elsewhere.

    Pictures are kept at the size at which the letterbox shows them on the canvas times ``zoom``, averaged down, and
    never enlarged; whoever asks for more pixels than are kept gets the file's own. ``read`` always does: what is judged
    is not touched.

    Args:
        source: of files. canvas: (H, W). zoom: largest factor of the geometry on top of the letterbox.
        folder: where the file is; None is ``armature/decoded`` in the user's cache folder.

    Raises:
        ConfigError: the source's pictures are no files, or their sizes are not known.
        DataError: the disk has not enough room, or the file there is none of these.
    """

    def __init__(
        self, source: Source, canvas: tuple[int, int], zoom: float = 1.0, folder: str | Path | None = None
    ) -> None:
        records = source.records
        if not all(record.file and max(record.size) for record in records):
            raise ConfigError("data.cache: keeps pictures of files, and these are drawn, or have no size")
        self.source, self._records = source, records
        sizes = np.array([_kept(record.size, canvas, zoom) for record in records], np.int64).reshape(-1, 2)
        self._sizes = [(int(h), int(w)) for h, w in sizes]
        starts = _HEADER + len(records) * _MARK.itemsize + _ALIGNED + _offsets(sizes)
        self._starts: list[int] = [int(s) for s in starts]
        self._whole = int(starts[-1])
        key = hashlib.sha256(f"{source.fingerprint()}{sizes.tolist()}".encode()).hexdigest()
        self.file = (cache_folder.of("decoded") if folder is None else Path(folder).expanduser()) / f"{key[:24]}.pixels"
        self._head = _MAGIC + key[: _HEADER - len(_MAGIC)].encode()
        self._checked = bytearray(len(records))
        self._handles: tuple[int, Any, Any] | None = None
        self._writes = True
        _make(self.file, self._head, self._whole)

    @property
    def skeleton(self) -> Skeleton:
        """The source's."""
        return self.source.skeleton

    @property
    def records(self) -> list[Record]:
        """The source's."""
        return self._records

    def __len__(self) -> int:
        return len(self._records)

    def read(self, index: int, epoch: int = 0) -> tuple[Picture, Record]:
        """Picture and record as the source has them."""
        return self.source.read(index, epoch)

    def open(self, index: int, epoch: int = 0) -> Opened:
        """The record, and what reads the picture from the file where it has enough pixels; see ``opened``."""
        found = opened(self.source, index, epoch)
        return Opened(found.record, partial(self._load, index, found), found.stamp)

    def fingerprint(self) -> str:
        """The source's: a cache is no other data."""
        return self.source.fingerprint()

    def fields(self) -> dict[str, list[str | None]]:
        """The source's; see ``groups.Described``."""
        return fields_of(self.source)

    def check(self) -> list[Problem]:
        """The source's problems."""
        return self.source.check() if isinstance(self.source, Checkable) else []

    def filled(self) -> int:
        """How many pictures are in the file."""
        return int((self._open()[2]["done"] == _DONE).sum())

    def describe(self) -> str:
        """Where the file is, how large it will be, and how much of it is there."""
        done, count, size = self.filled(), len(self), self._whole / 1e9
        rest = "all are there" if done == count else f"{done:,} are there, the others are added as they are read"
        return f"decoded pictures: {self.file} ({size:.2f} GB for {count:,}; {rest})"

    def _load(self, index: int, found: Opened, scale: float) -> Pixels:
        (height, width), (h, w) = self._records[index].size, self._sizes[index]
        short = scale * height > h * (1 + _HAIR) or scale * width > w * (1 + _HAIR)
        if short and (h, w) != (height, width):
            return found.load(scale)
        picture = self._known(index, found)
        # A copy is made in the order of memory, and a turned picture then drawn out of the processor's cache: twice as
        # fast as from the file's pages.
        known = picture.copy() if picture is not None else self._add(index, found)
        return Pixels(known, (width / w, height / h))

    def _known(self, index: int, found: Opened) -> Picture | None:
        """The picture from the file; None where it is not there, not sound, or not of the picture as it is now."""
        _, pixels, marks = self._open()
        mark, start, (h, w) = marks[index], self._starts[index], self._sizes[index]
        if mark["done"] != _DONE:
            return None
        picture = pixels[start : start + h * w * 3].reshape(h, w, 3)
        if not self._checked[index]:  # by this process; nothing changes under its hands
            if (int(mark["size"]), int(mark["changed"])) != found.stamp():
                return None
            if zlib.crc32(picture.data) != mark["checksum"]:
                warnings.warn(f"{self.file}: a picture was not as it was written, and is decoded anew", stacklevel=2)
                return None
            self._checked[index] = 1
        return picture

    def _add(self, index: int, found: Opened) -> Picture:
        stamp = found.stamp()
        picture = np.ascontiguousarray(_averaged(found.load(1.0).picture, self._sizes[index]))
        if self._writes:
            try:
                self._write(index, picture, stamp)
            except OSError as error:
                self._writes = False
                why = "the disk is full" if error.errno == errno.ENOSPC else error.strerror
                warnings.warn(f"{self.file}: no more pictures are kept: {why}", stacklevel=2)
        return picture

    def _write(self, index: int, picture: Picture, stamp: tuple[int, int]) -> None:
        handle = self._open()[0]
        _put(handle, self._starts[index], picture.tobytes())
        mark = np.array([(_DONE, zlib.crc32(picture.data), *stamp)], _MARK)
        _put(handle, _HEADER + index * _MARK.itemsize, mark.tobytes())

    def _open(self) -> tuple[int, Any, Any]:
        """File handle, all bytes, and the marks among them."""
        if self._handles is None:
            handle = os.open(self.file, os.O_RDWR)
            pixels = np.memmap(self.file, np.uint8, "r")
            end = _HEADER + len(self) * _MARK.itemsize
            self._handles = handle, pixels.view(np.ndarray), pixels[_HEADER:end].view(_MARK).view(np.ndarray)
        return self._handles

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_handles": None}

    def __del__(self) -> None:
        if getattr(self, "_handles", None) is not None:
            with suppress(OSError, TypeError):
                os.close(self._handles[0])  # type: ignore[index]


def _kept(size: tuple[int, int], canvas: tuple[int, int], zoom: float) -> tuple[int, int]:
    """The (H, W) at which a picture is kept."""
    share = zoom * min(canvas[0] / size[0], canvas[1] / size[1])
    return size if share >= 1 else (int(np.ceil(size[0] * share)), int(np.ceil(size[1] * share)))


def _offsets(sizes: np.ndarray) -> np.ndarray:
    """Where each picture begins, and where the last one ends."""
    lengths = -(-sizes.prod(1) * 3 // _ALIGNED) * _ALIGNED
    return np.concatenate([[0], np.cumsum(lengths)])


def _averaged(picture: Picture, size: tuple[int, int]) -> Picture:
    if picture.shape[:2] == size:
        return picture
    return cv2.resize(picture, (size[1], size[0]), interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


def _put(handle: int, place: int, content: bytes) -> None:
    done = 0
    while done < len(content):
        done += os.pwrite(handle, content[done:], place + done)


def _make(file: Path, head: bytes, size: int) -> None:
    """An empty file of this size, whole or not at all, unless it is there already."""
    if not file.exists():
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(file.parent).free
            if free < size:
                raise DataError(
                    f"data.cache: the decoded pictures take {size / 1e9:.1f} GB, and {file.parent} has "
                    f"{free / 1e9:.1f} GB left; name another place with data.cache_folder, or leave data.cache out"
                )
            _claim(file, head, size)
        except OSError as error:
            raise UserError(
                f"data.cache: {file} cannot be made: {error.strerror}; name another place with data.cache_folder"
            ) from error
    with open(file, "rb") as known:
        if known.read(len(head)) != head or os.fstat(known.fileno()).st_size != size:
            raise DataError(f"data.cache: {file} is no file of these decoded pictures; remove it")


def _claim(file: Path, head: bytes, size: int) -> None:
    scratch = file.with_name(f".{file.name}.{os.getpid()}.{secrets.token_hex(3)}")
    try:
        with open(scratch, "wb") as made:
            made.write(head)
            made.truncate(size)
        try:
            os.link(scratch, file)
        except FileExistsError:
            return  # another job was quicker: the file is the same
        except OSError:  # a file system without links
            os.replace(scratch, file)
    finally:
        scratch.unlink(missing_ok=True)


def wanted(
    source: Source | None, how: str | None, canvas: Sequence[int], geometry: Any, folder: str | None
) -> Source | None:
    """The source as ``data.cache`` wants it: as it is for None, decoded for ``memmap``.

    Raises:
        ConfigError: another word.
    """
    if how is None or source is None:
        return source
    if how != "memmap":
        raise ConfigError(f"data.cache={how}: known are memmap, and null for none")
    zoom = max(getattr(geometry, "scale", (1.0, 1.0)))
    return Decoded(source, (int(canvas[0]), int(canvas[1])), zoom, folder)
