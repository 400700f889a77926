"""Picture files: reading one, finding out what is wrong with it, and the source made of a folder of them."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from armature.data import cache_folder, tars
from armature.data.opened import Opened, Pixels
from armature.data.source import Picture, Problem
from armature.errors import DataError
from armature.structures import Record, Skeleton

#: How files begin and how whole ones end: a JPEG with its end marker, a PNG with an IEND chunk of 12 bytes.
_JPEG, _PNG = b"\xff\xd8", b"\x89PNG"
_JPEG_END, _PNG_END = b"\xff\xd9", b"IEND"
#: Since 4.11 OpenCV can give the channels in our order, which costs nothing.
_RGB = getattr(cv2, "IMREAD_COLOR_RGB", 0)
_COLOUR = (_RGB or cv2.IMREAD_COLOR) | cv2.IMREAD_IGNORE_ORIENTATION
#: Its flags for a whole picture and for a part of its size.
_READ = {
    1: _COLOUR,
    2: _COLOUR | cv2.IMREAD_REDUCED_GRAYSCALE_2,
    4: _COLOUR | cv2.IMREAD_REDUCED_GRAYSCALE_4,
    8: _COLOUR | cv2.IMREAD_REDUCED_GRAYSCALE_8,
}
_ORIENTATION = 0x0112  # EXIF tag; 5 to 8 lie on their side


def read_picture(path: str | Path) -> Picture:
    """The picture of a file as RGB (H, W, 3), pixels as stored: an EXIF orientation is not applied, as COCO does.

    Raises:
        DataError: missing, empty, no picture, or incomplete; names the file.
    """
    return decode_picture(_bytes(path), path)


def _bytes(path: str | Path) -> NDArray[np.uint8]:
    try:
        inside = tars.split_path(path)
        return np.fromfile(path, np.uint8) if inside is None else tars.read_member(*inside)
    except OSError as error:
        raise DataError(f"{path}: {_why(error)}") from error


def _file(path: str | Path) -> BinaryIO:
    inside = tars.split_path(path)
    return open(path, "rb") if inside is None else io.BytesIO(tars.read_member(*inside).tobytes())


def decode_picture(data: NDArray[np.uint8], name: str | Path, reduction: int = 1) -> Picture:
    """The picture in the bytes of a file as RGB (H, W, 3), as ``read_picture`` gives it.

    Args:
        reduction: 2, 4 or 8 decodes a JPEG at this part of its size, rounded up: pixel i spans [i, i + 1) times this of
            the whole picture's. Other files, and JPEGs without an end marker, come whole.

    Raises:
        DataError: empty, no picture, or incomplete; names the file by ``name``.
    """
    if not _complete(data[:4].tobytes(), data[-12:].tobytes()):
        # OpenCV paints what is missing of a truncated picture grey and says nothing; Pillow refuses.
        return _read_carefully(name, data)
    jpeg = data.size > 1 and data[:2].tobytes() == _JPEG
    # OpenCV answers None for what it does not know (or raises, for nothing at all).
    picture = cv2.imdecode(data, _READ[reduction if jpeg else 1]) if data.size else None
    if picture is None:
        return _read_carefully(name, data)
    return picture if _RGB else cv2.cvtColor(picture, cv2.COLOR_BGR2RGB, dst=picture)


def reduction_for(scale: float) -> int:
    """The largest of 8, 4, 2 by which a picture may be reduced that is drawn ``scale`` times as large; 1 for none."""
    return next((n for n in (8, 4, 2) if n * scale <= 1 + 1e-9), 1)


def _complete(head: bytes, tail: bytes) -> bool:
    """False for a JPEG or PNG that may be cut off, from its first 4 and last 12 bytes; True if nothing is known."""
    if head.startswith(_JPEG):
        return tail.endswith(_JPEG_END)
    return tail[4:8] == _PNG_END if head == _PNG else True


def _read_carefully(path: str | Path, data: NDArray[np.uint8]) -> Picture:
    try:
        with Image.open(io.BytesIO(data.tobytes())) as image:
            return np.array(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"{path}: {_why(error)}") from error


def picture_size(path: str | Path) -> tuple[int, int]:
    """(H, W) from the header of a picture file.

    Raises:
        DataError: missing or no picture; names the file.
    """
    try:
        with _file(path) as file, Image.open(file) as image:
            return image.height, image.width
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"{path}: {_why(error)}") from error


def fault(path: str | Path, size: tuple[int, int]) -> str | None:
    """What keeps a file from being used as a picture of ``size`` (H, W), in words; None if nothing does.

    Reads the header and the end of JPEG and PNG files; decodes others, and JPEGs without an end marker.
    """
    try:
        with _file(path) as file, Image.open(file) as image:
            found, kind, orientation = (image.height, image.width), image.format, 1
            if found != tuple(size):
                orientation = image.getexif().get(_ORIENTATION, 1)
            if kind not in ("JPEG", "PNG") or not _complete(*_ends(file)):
                file.seek(0)
                with Image.open(file) as again:
                    again.load()
    except DataError as error:
        return str(error).split(": ", 1)[1]
    except (OSError, SyntaxError, ValueError) as error:
        return _why(error)
    if found == tuple(size):
        return None
    turned = " (EXIF says it is turned: store the pixels upright)" if orientation > 4 else ""
    return f"the picture is {found[1]} x {found[0]}, the annotations say {size[1]} x {size[0]} (width x height){turned}"


def _stamp(path: Path) -> tuple[int, int]:
    """Size and time of change of a file, or of the tar that it is in."""
    inside = tars.split_path(path)
    found = os.stat(path if inside is None else inside[0])
    return found.st_size, found.st_mtime_ns


def _ends(file: BinaryIO) -> tuple[bytes, bytes]:
    file.seek(0)
    head = file.read(4)
    file.seek(-min(12, file.seek(0, os.SEEK_END)), os.SEEK_END)
    return head, file.read()


def _why(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, IsADirectoryError):
        return "is a folder, not a picture"
    if isinstance(error, PermissionError):
        return "may not be read (permissions)"
    if "cannot identify image" in str(error):
        return "is no picture that can be read (or is empty)"
    return str(error) or type(error).__name__


def climbs_out(name: str) -> bool:
    """Whether a relative file name could point outside its folder: absolute, or with ``..`` in it."""
    parts = PurePosixPath(name.replace("\\", "/"))
    return parts.is_absolute() or ".." in parts.parts or name[1:2] == ":"


class PictureSource:
    """A fixed source: records, and their pictures under one folder.

    Args:
        root: folder that ``Record.file`` is relative to.
        digest: sha256 of the annotations.
        links: allow picture files to be links to places outside ``root``.
    """

    def __init__(
        self, root: str | Path, records: list[Record], skeleton: Skeleton, digest: str, links: bool = False
    ) -> None:
        self.root, self.records, self.skeleton, self.links = Path(root), records, skeleton, links
        self._digest = digest

    def __len__(self) -> int:
        return len(self.records)

    def read(self, index: int, epoch: int = 0) -> tuple[Picture, Record]:
        """Picture and record; the epoch does not matter.

        Raises:
            DataError: the picture cannot be read, lies outside the folder, or has another size than its record.
        """
        found = self.open(index, epoch)
        return found.load(1.0).picture, found.record

    def open(self, index: int, epoch: int = 0) -> Opened:
        """The record, and what reads the picture; see ``opened``."""
        record, regions = self.records[index], self.regions(index)
        known = replace(record, regions=regions) if regions else record
        return Opened(known, partial(self._pixels, index), partial(self._stamp, index))

    def _pixels(self, index: int, scale: float) -> Pixels:
        record, path = self.records[index], self.path(index)
        reduction = reduction_for(scale)
        picture = decode_picture(_bytes(path), path, reduction)
        (height, width), found = record.size, picture.shape[:2]
        if reduction > 1 and found == (-(-height // reduction), -(-width // reduction)):
            return Pixels(picture, (reduction, reduction))
        if found == (height, width):
            return Pixels(picture)
        raise DataError(f"{path}: {fault(path, record.size)}")

    def _stamp(self, index: int) -> tuple[int, int]:
        return _stamp(self.path(index))

    def regions(self, index: int) -> tuple[tuple[NDArray[np.float64], ...], ...]:
        """Polygons of the crowds of a record, made when a picture is read; () for none."""
        return ()

    def path(self, index: int) -> Path:
        """Where the picture lies.

        Raises:
            DataError: outside the folder.
        """
        path = self.root / self.records[index].file
        if self.links or self._plain(self.records[index].file):
            return path
        if os.path.realpath(path).startswith(os.path.realpath(self.root) + os.sep):
            return path
        raise DataError(f"{path}: links to a place outside {self.root}; allow it with links=true")

    def _plain(self, file: str) -> bool:
        """Whether nothing on the way from the root to a file is a link or leads up: few questions, asked every time."""
        if climbs_out(file):
            return False
        place = os.fspath(self.root)
        for part in file.split("/"):
            place = f"{place}{os.sep}{part}"
            if os.path.islink(place):
                return False
        return True

    def fingerprint(self) -> str:
        """sha256 over annotations, image list and skeleton."""
        parts = [self._digest, ",".join(self.skeleton.keypoints), *(f"{r.image_id}:{r.file}" for r in self.records)]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def check(self) -> list[Problem]:
        """Every picture that is missing, unreadable, incomplete or of another size than its record says.

        A fault-free file is looked at once; a note in the user's cache folder tells it by size and time of change.
        """
        notes = _notes(self.fingerprint() + str(self.root.resolve()))
        known = _load_notes(notes)
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda i: self._examine(i, known), range(len(self))))
        _save_notes(notes, known, {self.records[i].file: stamp for i, (_, stamp) in enumerate(answers) if stamp})
        return [Problem(i, str(self.root / self.records[i].file), why) for i, (why, _) in enumerate(answers) if why]

    def _examine(self, index: int, known: dict[str, list[int]]) -> tuple[str | None, list[int] | None]:
        record = self.records[index]
        try:
            path = self.path(index)
            stamp = [*_stamp(path), *record.size]
        except OSError as error:
            return _why(error), None
        except DataError as error:
            return str(error).split(": ", 1)[1], None
        if known.get(record.file) == stamp:
            return None, stamp
        why = fault(path, record.size)
        return why, None if why else stamp


def problems_message(file: str | Path, problems: Sequence[str], shown: int = 5) -> str:
    """One message for all that is wrong with an annotation file: the first few, and how many more."""
    head = f"{file}: {len(problems)} problem{'s' if len(problems) > 1 else ''} found:"
    more = [f"  ... and {len(problems) - shown} more"] if len(problems) > shown else []
    return "\n".join([head, *(f"  {p}" for p in problems[:shown]), *more])


def _notes(key: str) -> Path:
    return cache_folder.of("pictures") / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"


def _load_notes(notes: Path) -> dict[str, list[int]]:
    with suppress(OSError, ValueError):
        known = json.loads(notes.read_text())
        return known if isinstance(known, dict) else {}
    return {}


def _save_notes(notes: Path, known: dict[str, list[int]], seen: dict[str, list[int]]) -> None:
    if seen == known:
        return
    # Without a cache folder the next check is slower, nothing else.
    with suppress(OSError):
        notes.parent.mkdir(parents=True, exist_ok=True)
        scratch = notes.with_suffix(f".{os.getpid()}.tmp")
        scratch.write_text(json.dumps(seen))
        os.replace(scratch, notes)
