"""Pictures on which an export is tried: of the run's own data, with their annotations, or from a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from armature.data.geometry import letterbox, warp
from armature.data.pictures import read_picture
from armature.data.source import Picture
from armature.errors import DataError, UserError
from armature.restoring import Restored
from armature.structures import Record


@dataclass(frozen=True)
class Tried:
    """Pictures (H, W, 3) RGB, their records or None, others for calibration; ``origin`` says where they are from."""

    pictures: list[Picture]
    records: list[Record] | None
    calibration: list[Picture]
    origin: str


class Canvases(NamedTuple):
    """What the network sees of pictures: images (B 3 H W) in [0, 1], and canvas px -> picture px."""

    images: Tensor
    to_source: list[Tensor]


def of_run(restored: Restored, count: int) -> Tried:
    """The run's first validation pictures; for calibration its first training pictures.

    Raises:
        UserError: the data is not there; says what to do.
    """
    try:
        data = restored.data()
    except DataError as error:
        raise UserError(f"{error}\nthe gate needs pictures: bring the data back, or give source=FOLDER") from error
    val = data.val
    assert val is not None
    seen = [val.read(i) for i in range(min(count, len(val)))]
    train = data.train if data.train is not None else val
    # Scaled pictures of the training set: never those that the gate judges.
    others = [train.read(i)[0] for i in range(min(count, len(train)))]
    return Tried([p for p, _ in seen], [r for _, r in seen], others, "validation data of the run")


def of_folder(folder: str | Path, count: int) -> Tried:
    """The first pictures of a folder (or the one file), by name; they calibrate as well.

    Raises:
        UserError: nothing there that can be read.
    """
    path = Path(folder).expanduser()
    known = set(Image.registered_extensions())
    files = [path] if path.is_file() else sorted(f for f in path.glob("*") if f.suffix.lower() in known)
    if not files:
        raise UserError(f"source={folder}: no picture there for the gate")
    pictures = [read_picture(file) for file in files[:count]]
    return Tried(pictures, None, pictures, str(folder))


def canvases(pictures: list[Picture], canvas: tuple[int, int], fill: tuple[int, int, int]) -> Canvases:
    """The pictures as evaluation shows them to the network."""
    matrices = [letterbox((p.shape[0], p.shape[1]), canvas) for p in pictures]
    shown = np.stack([warp(p, m, canvas, fill) for p, m in zip(pictures, matrices, strict=True)])
    images = torch.from_numpy(shown).permute(0, 3, 1, 2).float().div_(255).contiguous()
    return Canvases(images, [torch.from_numpy(np.linalg.inv(m)).float() for m in matrices])
