"""Whatever may stand for a picture, as RGB pixels that lie upright."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Union

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from armature.data.geometry import FILL
from armature.data.pictures import decode_picture
from armature.data.source import Picture
from armature.errors import DataError

#: What ``Predictor.predict`` takes for one picture: a file, RGB or grey pixels, a Pillow image.
PictureLike = Union[str, "os.PathLike[str]", NDArray[Any], Image.Image, Tensor]

_ORIENTATION = 0x0112
#: Formats of which one file may be a little film; a JPEG with several pictures (MPO) is a photo and its preview.
_ANIMATED = ("GIF", "PNG", "WEBP")
#: Below this brightness of 255 a picture of 16 bits was probably made of 12.
_DARK = 16


def as_picture(value: PictureLike, exif: bool = True) -> Picture:
    """RGB (H, W, 3) uint8 of a file, an array (H, W[, 1|3|4]), a tensor ([3,] H, W) or a Pillow image.

    Args:
        exif: turn files as their EXIF orientation says; ``evaluate`` does not, because annotations are made on pixels.

    Raises:
        DataError: a file that cannot be read, or an array of another shape or type.
    """
    if isinstance(value, (str, os.PathLike)):
        return read(value, exif)
    if isinstance(value, Image.Image):
        return _of_image(value, "image")
    if isinstance(value, Tensor):
        value = value.detach().cpu()
        value = value.permute(1, 2, 0) if value.ndim == 3 else value
        value = (value * 255).round().clamp(0, 255).to(torch.uint8) if value.is_floating_point() else value
        value = value.numpy()
    return _of_array(np.asarray(value))


def read(path: str | os.PathLike[str], exif: bool = True) -> Picture:
    """The picture of a file, see ``decode``.

    Raises:
        DataError: missing, empty, no picture, or incomplete; names the file.
    """
    return decode(read_bytes(path), path, exif)


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """What a file holds.

    Raises:
        DataError: it cannot be read; names it.
    """
    try:
        return Path(path).expanduser().read_bytes()
    except OSError as error:
        raise DataError(f"{path}: {(error.strerror or str(error)).lower()}") from error


def decode(data: bytes, name: str | os.PathLike[str], exif: bool = True) -> Picture:
    """The picture in the bytes of a file: RGB, upright.

    - 8 and 16 bits, grey or RGB: exactly what training and evaluation read (16 bits lose their lower 8).
    - Transparent pixels show the colour that also stands beside the picture, not what happens to be stored there.
    - CMYK is converted. Of an animation it is the first frame (``frames`` has the others).

    Raises:
        DataError: empty, no picture, incomplete, of more pixels than Pillow takes for harmless, or of floating-point
            pixels, whose range nobody knows; names the file.
    """
    with _opened(data, name) as image:
        turn = _orientation(image) if exif else 1
        picture = _pixels(image, data, name)
    return upright(picture, turn)


def is_animated(path: str | os.PathLike[str]) -> bool:
    """Whether a file is a picture of several frames."""
    try:
        with Image.open(path) as image:
            return image.format in _ANIMATED and getattr(image, "n_frames", 1) > 1
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return False


def frames(data: bytes, name: str | os.PathLike[str]) -> Iterator[tuple[Picture, float]]:
    """(picture, seconds from the beginning) of every frame of an animation.

    Raises:
        DataError: as ``decode``; a file that ends early raises after the frames that there are.
    """
    seconds = 0.0
    with _opened(data, name) as image:
        for number in range(getattr(image, "n_frames", 1)):
            try:
                image.seek(number)
                picture = _of_image(image, name)
            except (OSError, SyntaxError, ValueError, EOFError) as error:
                raise DataError(f"{name}: frame {number}: {error}") from error
            yield picture, seconds
            seconds += float(image.info.get("duration") or 100.0) / 1000  # browsers show unnamed frames for 0.1 s


def upright(picture: Picture, orientation: int) -> Picture:
    """The picture turned and mirrored as EXIF's orientation 1 to 8 says."""
    if orientation in (5, 6, 7, 8):
        picture = picture.transpose(1, 0, 2)
    if orientation in (2, 6, 3, 7):
        picture = picture[:, ::-1]
    if orientation in (4, 8, 3, 7):
        picture = picture[::-1]
    return np.ascontiguousarray(picture)


def _opened(data: bytes, name: str | os.PathLike[str]) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data))
    except Image.DecompressionBombError as error:
        raise DataError(f"{name}: {error}") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"{name}: is no picture that can be read (or is empty)") from error


def _orientation(image: Image.Image) -> int:
    # TIFFs are turned by whoever decodes them, asked or not. A PNG would be decoded whole to find EXIF data behind its
    # pixels, where nobody puts them.
    if image.format == "TIFF" or "exif" not in image.info:
        return 1
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except (SyntaxError, ValueError, TypeError, OSError):  # damaged metadata is no damaged picture
        return 1


def _pixels(image: Image.Image, data: bytes, name: str | os.PathLike[str]) -> Picture:
    """What training would read, where training reads it rightly."""
    if image.mode == "F" or (image.mode == "I" and image.format != "PNG"):
        raise DataError(f"{name}: pixels are {image.mode} (floats or 32 bits), whose range nobody knows; save 8 or 16")
    plain = image.mode in ("RGB", "L", "1", "I") or image.mode.startswith("I;16")
    if not plain or "transparency" in image.info:
        return _of_image(image, name)
    picture = decode_picture(np.frombuffer(data, np.uint8), str(name))
    if image.mode.startswith("I") and picture.max(initial=0) < _DARK:
        warnings.warn(f"{name}: nearly black; are its 16 bits 12 in truth? Save the upper ones", stacklevel=2)
    return picture


def _of_image(image: Image.Image, name: str | os.PathLike[str]) -> Picture:
    """By Pillow: everything that OpenCV does not know, or reads without its transparency."""
    try:
        if image.mode in ("RGBA", "RGBa", "LA", "La", "PA") or "transparency" in image.info:
            whole = image.convert("RGBA")
            behind = Image.new("RGBA", whole.size, (*FILL, 255))
            return np.array(Image.alpha_composite(behind, whole).convert("RGB"))
        if image.mode.startswith("I;16"):
            return _of_array((np.asarray(image) >> 8).astype(np.uint8))
        return np.array(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"{name}: {error}") from error


def _of_array(array: NDArray[Any]) -> Picture:
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    known = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))
    if array.dtype != np.uint8 or not known or not array.size:
        raise DataError(f"a picture is uint8 (H, W), (H, W, 3) or (H, W, 4); found {array.dtype} {array.shape}")
    if array.ndim == 2:
        return np.asarray(cv2.cvtColor(array, cv2.COLOR_GRAY2RGB), np.uint8)
    if array.shape[2] == 4:
        return _of_image(Image.fromarray(array), "array")
    return np.ascontiguousarray(array)
