"""Whatever may stand for a picture, as RGB pixels that lie upright."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Union

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from armature.data.pictures import read_picture
from armature.data.source import Picture
from armature.errors import DataError

#: What ``Predictor.predict`` takes for one picture: a file, RGB or grey pixels, a Pillow image.
PictureLike = Union[str, "os.PathLike[str]", NDArray[Any], Image.Image, Tensor]


def as_picture(value: PictureLike) -> Picture:
    """RGB (H, W, 3) uint8 of a file, an array (H, W[, 1|3|4]), a tensor ([3,] H, W) or a Pillow image.

    Raises:
        DataError: a file that cannot be read, or an array of another shape or type.
    """
    if isinstance(value, (str, os.PathLike)):
        return read_picture(Path(value).expanduser())
    if isinstance(value, Image.Image):
        return np.asarray(value.convert("RGB"))
    if isinstance(value, Tensor):
        value = value.detach().cpu()
        value = value.permute(1, 2, 0) if value.ndim == 3 else value
        value = (value * 255).round().clamp(0, 255).to(torch.uint8) if value.is_floating_point() else value
        return _rgb(value.numpy())
    return _rgb(np.asarray(value))


def _rgb(array: NDArray[Any]) -> Picture:
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.dtype != np.uint8 or not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))):
        raise DataError(f"a picture is uint8 (H, W), (H, W, 3) or (H, W, 4); found {array.dtype} {array.shape}")
    if array.ndim == 2:
        return np.asarray(cv2.cvtColor(array, cv2.COLOR_GRAY2RGB), np.uint8)
    return np.ascontiguousarray(array[..., :3])
