"""The tensors of a file that somebody else made. A pickle can run any program: only plain tensors are unpickled."""

from __future__ import annotations

import hashlib
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from armature.errors import DataError

#: Where checkpoints keep the tensors among other things, in the order in which they are looked for.
_PLACES = ("state_dict", "model_state_dict", "model", "weights")


class File(NamedTuple):
    """Named tensors of a file, and the sha256 of its bytes."""

    tensors: dict[str, Tensor]
    sha256: str


def read(file: str | Path, how: str = "") -> File:
    """The named tensors of a ``.safetensors`` file or of a checkpoint of plain tensors.

    Args:
        how: what to do about a file that holds more than tensors, for the message.

    Raises:
        DataError: missing, torn, or holding what could run a program; nothing of it was run.
    """
    path = Path(file).expanduser()
    try:
        digest = sha256(path)
        found = _safetensors(path) if path.suffix == ".safetensors" else _checkpoint(path, how)
    except OSError as error:
        raise DataError(f"weights {file}: {error.strerror or error}") from error
    tensors = {str(name): value for name, value in _unwrapped(found).items() if isinstance(value, Tensor)}
    if not tensors:
        raise DataError(f"weights {file}: no named tensors in it; expected a state dict")
    return File(tensors, digest)


def sha256(path: Path) -> str:
    """Of the file's bytes, as hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while piece := stream.read(2**20):
            digest.update(piece)
    return digest.hexdigest()


def _safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(str(path))
    except SafetensorError as error:
        raise DataError(f"weights {path}: no safetensors file, or a torn one: {error}") from error


def _checkpoint(path: Path, how: str) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        what = _forbidden(str(error))
        hint = f"; {how}" if how else "; save its state dict, tensors alone, where you trust it"
        raise DataError(
            f"weights {path}: holds more than tensors{what}, and was not opened: it could run{hint}"
        ) from error
    except (RuntimeError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        line = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"weights {path}: no checkpoint, or a torn one: {line}") from error


def _forbidden(message: str) -> str:
    """The name that a pickle asked for, where torch says it."""
    for word in message.split("GLOBAL ")[1:2]:
        return f" ({word.split(' ')[0].strip('`')})"
    return ""


def _unwrapped(found: Any) -> Mapping[Any, Any]:
    """The mapping that holds tensors, however deep a checkpoint keeps it."""
    for _ in range(3):
        if not isinstance(found, Mapping):
            return {}
        inner = next((found[place] for place in _PLACES if isinstance(found.get(place), Mapping)), None)
        if inner is None:
            return found
        found = inner
    return found
