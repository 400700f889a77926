"""From a restored run and picture files to drawn people and a results file."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image

from armature.data.geometry import letterbox, warp
from armature.data.pictures import read_picture
from armature.data.source import Picture
from armature.errors import DataError
from armature.evaluation.results import Predictions
from armature.module import PoseModule
from armature.reports import overlays
from armature.restoring import Restored
from armature.run_folder import write_json
from armature.structures import Poses


@dataclass
class Done:
    """What came of a prediction: pictures read, people found, seconds, and (file, reason) of pictures left out."""

    read: int = 0
    people: int = 0
    seconds: float = 0.0
    unread: list[tuple[str, str]] = field(default_factory=list)


def pictures(source: str | Path) -> list[Path]:
    """The picture files of a folder, sorted by name, or the one file.

    Raises:
        DataError: nothing there, or a folder without pictures.
    """
    path = Path(source).expanduser()
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise DataError(f"source={source}: no such file or folder")
    known = set(Image.registered_extensions())
    found = sorted(file for file in path.iterdir() if file.suffix.lower() in known)
    if not found:
        raise DataError(
            f"source={source}: no picture in this folder (endings looked for: .jpg .png .webp .bmp .tif ...)"
        )
    return found


def predict(restored: Restored, files: Sequence[Path], output: str | Path, batch_size: int, min_score: float) -> Done:
    """Drawn pictures and predictions.json in ``output``; pictures that cannot be read are left out and told.

    Args:
        min_score: people below it are neither drawn nor written.
    """
    folder, done, found = Path(output), Done(), []
    metric: Any = restored.module.metrics
    skeleton = metric.judge.skeleton
    images, ids = [], []
    folder.mkdir(parents=True, exist_ok=True)
    for batch in _batches(files, batch_size, done):
        start = time.perf_counter()
        answers = _answer(
            restored.module, [picture for _, _, picture in batch], tuple(restored.config.data.canvas), min_score
        )
        done.seconds += time.perf_counter() - start
        for (number, file, picture), people in zip(batch, answers, strict=True):
            drawn = overlays.draw_people(picture, overlays.people_of_poses(people), skeleton)
            cv2.imwrite(str(folder / f"{file.stem}.jpg"), drawn[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])
            images.append({"id": number, "file_name": file.name, "height": picture.shape[0], "width": picture.shape[1]})
            ids.append(number)
            found.append(people)
            done.people += len(people)
        done.read += len(batch)
    if found:
        results = Predictions.from_poses(found, ids).to_coco()
        write_json(folder / "predictions.json", results)
        write_json(folder / "images.json", images)
    return done


def _batches(files: Sequence[Path], size: int, done: Done) -> Iterator[list[tuple[int, Path, Picture]]]:
    """Readable pictures with their number from 1; the others are noted."""
    batch = []
    for number, file in enumerate(files, 1):
        try:
            batch.append((number, file, read_picture(file)))
        except (OSError, ValueError, DataError) as error:
            done.unread.append((str(file), str(error)))
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


@torch.inference_mode()
def _answer(module: PoseModule, batch: list[Picture], canvas: tuple[int, int], min_score: float) -> list[Poses]:
    """People at or above ``min_score`` in source pixels."""
    matrices = [letterbox(picture.shape[:2], canvas) for picture in batch]
    warped = np.stack([warp(picture, m, canvas) for picture, m in zip(batch, matrices, strict=True)])
    images = torch.from_numpy(warped).permute(0, 3, 1, 2).float().div_(255).contiguous(memory_format=module.layout)
    people = module.find(images.to(module.device))
    back = [torch.from_numpy(np.linalg.inv(m)).float() for m in matrices]
    return [_sure(found.transform(m), min_score) for found, m in zip(people, back, strict=True)]


def _sure(found: Poses, min_score: float) -> Poses:
    keep = found.scores >= min_score
    return Poses(found.keypoints[keep], found.keypoint_scores[keep], found.boxes[keep], found.scores[keep])
