"""The folder that pictures and pages are written to: new, empty, or one of ours, whose files are replaced."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import cv2

from armature.data.source import Picture
from armature.errors import ConfigError, UserError
from armature.run_folder import write_json

#: The file that says what in a folder is ours.
LIST = "shown.json"


class Output:
    """A folder and the files in it that ``armature data show`` has made; a context that begins with an empty one.

    Nothing is removed before the context begins.

    Raises:
        ConfigError: there is something at the path that is not ours.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.files: list[str] = []
        self._before = self._ours()

    def __enter__(self) -> Output:
        for name in self._before:
            (self.path / name).unlink(missing_ok=True)
        for folder in {(self.path / name).parent for name in self._before} - {self.path}:
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
        self._note()
        return self

    def __exit__(self, *raised: object) -> None:
        self._note()

    def picture(self, name: str, image: Picture, quality: int = 90) -> Path:
        """Writes a picture (RGB); the ending, .png or .jpg, decides how."""
        options = (cv2.IMWRITE_JPEG_QUALITY, quality) if name.endswith(".jpg") else (cv2.IMWRITE_PNG_COMPRESSION, 6)
        encoded = cv2.imencode(Path(name).suffix, image[..., ::-1], options)[1]
        return self.bytes(name, encoded.tobytes())

    def text(self, name: str, text: str) -> Path:
        """Writes a text file."""
        return self.bytes(name, text.encode())

    def bytes(self, name: str, content: bytes) -> Path:
        """Writes a file, whole or not at all."""
        path = self.path / name
        if name not in self.files:
            self.files.append(name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        except OSError as error:
            with contextlib.suppress(OSError):
                path.unlink()
            raise UserError(f"{path} could not be written: {error.strerror or error}") from error
        return path

    def _note(self) -> None:
        write_json(self.path / LIST, {"made by": "armature data show", "files": self.files})

    def _ours(self) -> list[str]:
        if not self.path.exists() or (self.path.is_dir() and not any(self.path.iterdir())):
            return []
        try:
            listed = json.loads((self.path / LIST).read_text(encoding="utf-8"))["files"]
            names = [str(name) for name in listed]
        except (OSError, ValueError, KeyError, TypeError):
            raise ConfigError(
                f"output={self.path} is there already and is not of armature data show; name another folder"
            ) from None
        return [name for name in names if not Path(name).is_absolute() and ".." not in Path(name).parts]
