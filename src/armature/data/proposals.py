"""Boxes from a COCO results file, where a two-stage model is to look."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from armature.errors import DataError
from armature.structures import Batch, Instances


class Proposals:
    """Batch -> the boxes that a results file has for its images, on the canvas, best first; scores in ``scores``.

    Args:
        file: COCO results: a list of {image_id, category_id, bbox: [x, y, w, h], score}.
        category: whose boxes. min_score: others are left out. most: of an image.

    Raises:
        DataError: no such file, or an entry without these fields; names it.
    """

    def __init__(self, file: str | Path, category: int = 1, min_score: float = 0.0, most: int = 100) -> None:
        self.boxes = _by_image(Path(file), category, min_score, most)

    def __call__(self, batch: Batch) -> Instances:
        nothing = np.zeros((0, 5), np.float32)
        found = [self.boxes.get(int(i), nothing) for i in batch.image_ids]
        slots = max(1, *(len(rows) for rows in found))
        rows = torch.zeros(len(found), slots, 5)
        valid = torch.zeros(len(found), slots, dtype=torch.bool)
        for i, each in enumerate(found):
            rows[i, : len(each)], valid[i, : len(each)] = torch.from_numpy(each), True
        device, count = batch.images.device, batch.instances.keypoints.shape[2]
        boxes = on_canvas(rows[..., :4].to(device), batch.to_source)
        return Instances(
            boxes * valid[..., None].to(device),
            boxes.new_zeros(*valid.shape, count, 2),
            torch.zeros(*valid.shape, count, dtype=torch.long, device=device),
            (boxes[..., 2:] - boxes[..., :2]).prod(-1),
            valid.to(device),
            rows[..., 4].to(device),
        )


def on_canvas(boxes: Float[Tensor, "B M 4"], to_source: Float[Tensor, "B 3 3"]) -> Float[Tensor, "B M 4"]:
    """Boxes of source px in canvas px: the bounds of their mapped corners."""
    back = torch.linalg.inv(to_source.double()).to(boxes)
    x1, y1, x2, y2 = boxes.unbind(-1)
    corners = torch.stack([x1, y1, x2, y1, x2, y2, x1, y2], -1).unflatten(-1, (4, 2))
    mapped = corners @ back[:, None, :2, :2].mT + back[:, None, None, :2, 2]
    return torch.cat([mapped.amin(2), mapped.amax(2)], -1)


def _by_image(file: Path, category: int, min_score: float, most: int) -> dict[int, NDArray[np.float32]]:
    rows: dict[int, list[list[float]]] = {}
    for number, entry in enumerate(_entries(file)):
        try:
            x, y, w, h = map(float, entry["bbox"])
            image, kind, score = int(entry["image_id"]), int(entry["category_id"]), float(entry["score"])
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{file}[{number}]: a box has image_id, category_id, bbox, score; {error!r}") from error
        if kind == category and score >= min_score:
            rows.setdefault(image, []).append([x, y, x + w, y + h, score])
    best = {image: sorted(found, key=lambda r: -r[4])[:most] for image, found in rows.items()}
    return {image: np.array(found, np.float32) for image, found in best.items()}


def _entries(file: Path) -> list[Any]:
    try:
        content = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise DataError(f"boxes {file}: {error}") from error
    if not isinstance(content, list):
        raise DataError(f"boxes {file}: COCO results are a list of boxes; found {type(content).__name__}")
    return content
