"""What ``source=`` may name: pictures, folders, patterns, videos, cameras, addresses, standard input."""

from __future__ import annotations

import glob
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image

from armature.data.nearby import absent
from armature.errors import DataError
from armature.predicting import reading
from armature.predicting.frames import Frame, Item, Source, Unread, map_ahead
from armature.predicting.video import Animation, Camera, Video

_ENDINGS = "mp4 m4v mov avi mkv webm mpg mpeg wmv flv ts mts m2ts 3gp ogv y4m h264 mjpeg"
#: Endings of files that are films.
FILMS = frozenset(f".{ending}" for ending in _ENDINGS.split())
#: Pillow knows some films' endings and documents as well.
_NO_PICTURES = FILMS | {".pdf", ".eps", ".ps", ".h5", ".hdf"}


class Pictures:
    """Picture files in the order of their names.

    Args:
        files: readable or not. root: names are relative to it.
        exif: turn them as their EXIF orientation says.
    """

    film, live, rate = False, False, None

    def __init__(self, files: Sequence[Path], root: Path, name: str, exif: bool = True) -> None:
        self.files, self.root, self.name, self.exif = files, root, name, exif

    @property
    def total(self) -> int | None:
        return len(self.files)

    def read(self, start: int = 0, after: float | None = None) -> Iterator[Item]:
        """Each file once; those that cannot be read as ``Unread``."""
        yield from map_ahead(self._read, range(start, len(self.files)))

    def named(self, file: Path) -> str:
        """The file's name relative to the root, where it lies below it."""
        return file.relative_to(self.root).as_posix() if file.is_relative_to(self.root) else file.as_posix()

    def _read(self, index: int) -> Item:
        file = self.files[index]
        name = self.named(file)
        try:
            return Frame(reading.read(file, self.exif), name, index)
        except (OSError, ValueError, MemoryError, DataError) as error:
            reason = str(error).removeprefix(f"{file}: ")
            return Unread(name, index, reason)


def find(source: object, exif: bool = True, leave_out: Sequence[Path] = ()) -> Source:
    """The source of a name.

    - a picture, a folder (with everything below it), a pattern (``'photos/**/*.jpg'``), or a list of these
    - a video or an animated picture (every frame)
    - a number: a camera; an address such as ``rtsp://...``: a stream; ``-``: one picture's bytes on standard input

    Args:
        exif: turn pictures as their EXIF orientation says. leave_out: folders that are not searched: one's own answers.

    Raises:
        DataError: there is nothing there, or no picture in it. UserError: a film, and PyAV is missing.
    """
    text = str(source)
    if not isinstance(source, (str, Path, int)) and isinstance(source, Sequence):
        files = [file for part in source for file in _pictures(Path(str(part)).expanduser(), leave_out)]
        return Pictures(files, Path(), f"{len(files)} pictures", exif)
    if text == "-":
        return _standard_input(exif)
    if text.isdigit() and not Path(text).exists():
        return Camera(int(text))
    if "://" in text:
        return Video(text)
    path = Path(text).expanduser()
    if path.is_file():
        return _of_file(path, exif)
    if path.is_dir() or not glob.has_magic(text):
        return Pictures(_pictures(path, leave_out), path, text, exif)
    return _of_pattern(path, text, exif, leave_out)


def _of_file(path: Path, exif: bool) -> Source:
    if path.suffix.lower() in FILMS:
        return Video(path)
    return Animation(path) if reading.is_animated(path) else Pictures([path], path.parent, str(path), exif)


def _of_pattern(path: Path, text: str, exif: bool, leave_out: Sequence[Path]) -> Source:
    found = sorted(Path(name) for name in glob.glob(str(path), recursive=True))
    files = [file for file in found if file.is_file() and not _inside(file, leave_out)]
    if not files:
        raise DataError(f"source={text}: no file fits this pattern")
    if len(files) == 1:
        return _of_file(files[0], exif)
    fixed = Path(*(part for part in _leading(path)))
    return Pictures(_no_films(files, text), fixed, text, exif)


def _leading(path: Path) -> Iterator[str]:
    """The parts of a pattern before the first with a wildcard."""
    for part in path.parts[:-1]:
        if glob.has_magic(part):
            return
        yield part


def _pictures(path: Path, leave_out: Sequence[Path]) -> list[Path]:
    """The picture files of a folder and everything below it, sorted by name; hidden ones are left out.

    Raises:
        DataError: nothing there, or a folder without pictures.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise DataError(f"source={absent(path)}")
    known = set(Image.registered_extensions()) - _NO_PICTURES
    every = sorted(file for file in path.rglob("*") if not _hidden(file.relative_to(path)) and file.is_file())
    every = [file for file in every if not _inside(file, leave_out)]
    _no_films(every, str(path))
    found = [file for file in every if file.suffix.lower() in known]
    if not found:
        raise DataError(
            f"source={path}: no picture in this folder or below it (endings looked for: .jpg .png .webp .bmp .tif ...)"
        )
    return found


def _no_films(files: list[Path], text: str) -> list[Path]:
    """The files that are no videos; says how many were."""
    kept = [file for file in files if file.suffix.lower() not in FILMS]
    if films := len(files) - len(kept):
        warnings.warn(f"{text}: {films} videos are not looked at; give each as a source of its own", stacklevel=2)
    return kept


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _inside(file: Path, folders: Sequence[Path]) -> bool:
    return any(file.resolve().is_relative_to(folder.resolve()) for folder in folders)


def _standard_input(exif: bool) -> Source:
    data = sys.stdin.buffer.read()
    film = _Bytes(data, exif)
    if not isinstance(film.item, Unread) and film.animated:
        return Animation("stdin", data)
    return film


class _Bytes:
    """One picture whose file has already been read."""

    film, live, rate, total, name = False, False, None, 1, "stdin"

    def __init__(self, data: bytes, exif: bool) -> None:
        self.item: Item
        self.animated = False
        try:
            self.item = Frame(reading.decode(data, self.name, exif), self.name, 0)
            self.animated = len(list(zip(range(2), reading.frames(data, self.name)))) > 1
        except DataError as error:
            self.item = Unread(self.name, 0, str(error).removeprefix("stdin: "))

    def read(self, start: int = 0, after: float | None = None) -> Iterator[Item]:
        yield from [self.item][start:]
