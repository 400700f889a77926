"""A network that finds coloured discs, so that it is known what should be found, and films of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from armature.clock import Clock
from armature.predicting.frames import Frame, Item
from armature.predicting.predictor import Predictor
from armature.predicting.views import Views, Whole
from armature.skeletons import make
from armature.structures import Poses

#: A red disc above a green one, joined.
SKELETON = make("lamp", ["red", "green"], [["red", "green"]], flip_pairs=[], sigmas=[0.1, 0.1])
CANVAS = (96, 128)


class Discs(nn.Module):
    """Finds pairs of discs, red and green, in reading order of the red ones; score 0.9."""

    layout = torch.contiguous_format

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.batches: list[int] = []

    def find(self, images: Tensor, given: Any = None) -> list[Poses]:
        self.batches.append(len(images))
        with self.clock.span("network"):
            return [self._one(image.permute(1, 2, 0).numpy()) for image in images]

    def _one(self, image: np.ndarray) -> Poses:
        spots = [_middles((image[..., k] > 0.6) & (image[..., 1 - k] < 0.35) & (image[..., 2] < 0.35)) for k in (0, 1)]
        pairs = []
        for red in spots[0]:
            if len(spots[1]):
                green = min(spots[1], key=lambda g: float(np.hypot(*(g - red))))
                if np.hypot(*(green - red)) < 22:
                    pairs.append([red, green])
        points = torch.tensor(np.array(pairs), dtype=torch.float32).reshape(-1, 2, 2)
        count = len(points)
        boxes = torch.cat([points.amin(1) - 5, points.amax(1) + 5], 1) if count else torch.zeros(0, 4)
        return Poses(points, torch.full((count, 2), 0.8), boxes, torch.full((count,), 0.9) - 0.01 * torch.arange(count))


def _middles(mask: np.ndarray) -> np.ndarray:
    count, _, stats, middles = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    return middles[1:][stats[1:, cv2.CC_STAT_AREA] > 4] + 0.5 if count > 1 else np.zeros((0, 2))


def predictor(views: Views | None = None, **options: Any) -> Predictor:
    """A predictor of discs in float32 on the CPU."""
    given = {"precision": "32-true", "device": "cpu", "batch_size": 4, **options}
    return Predictor(Discs(), SKELETON, views or Whole(CANVAS), **given)  # type: ignore[arg-type]


def picture(places: Sequence[tuple[float, float]], size: tuple[int, int] = CANVAS, radius: float = 4.0) -> np.ndarray:
    """A dark picture with a lamp (red, and green 16 px below) at each place, xy continuous px."""
    picture = np.full((*size, 3), 30, np.uint8)
    for x, y in places:
        for colour, down in (((230, 20, 20), 0.0), ((20, 230, 20), 4 * radius)):
            at = (round((x - 0.5) * 16), round((y + down - 0.5) * 16))
            cv2.circle(picture, at, round(radius * 16), colour, cv2.FILLED, cv2.LINE_AA, 4)
    return picture


def walk(index: int) -> tuple[float, float]:
    """Where the lamp of a film stands in a frame."""
    return 20.0 + 1.5 * index, 30.0 + 6 * np.sin(index / 9)


def film(file: Path, count: int = 40, rate: int = 25, skip: Sequence[int] = ()) -> Path:
    """A film of one walking lamp; frames in ``skip`` are left out, so that the times after them jump."""
    import av

    with av.open(str(file), "w") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.height, stream.width = CANVAS
        stream.pix_fmt, stream.options = "yuv444p", {"crf": "5", "g": "12"}
        for index in range(count):
            if index not in skip:
                frame = av.VideoFrame.from_ndarray(picture([walk(index)]), format="rgb24")
                frame.pts = index
                container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file


class Endless:
    """A film of generated frames, as long as anybody wants."""

    film, live, rate, name = True, False, 25.0, "endless"

    def __init__(self, total: int, size: tuple[int, int] = CANVAS, stop_at: int | None = None) -> None:
        self.total, self.size, self.stop_at = total, size, stop_at

    def read(self, start: int = 0, after: float | None = None) -> Any:
        for index in range(start, self.total):
            item: Item = Frame(picture([walk(index % 60)], self.size), self.name, index, index / 25)
            yield item
