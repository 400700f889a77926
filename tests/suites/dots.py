"""A data set of three coloured dots and a detector that finds them by their colour: its answers are known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from armature.data.geometry import FILL
from armature.skeletons import make
from armature.structures import Poses, Record
from armature.suites.scenes import Scene, identity, on_canvas
from armature.suites.subject import Subject

SIZE = (64, 96)
DOTS = make("dots", ["red", "green", "blue"])


def picture(points: np.ndarray, size: tuple[int, int] = SIZE, spread: float = 2.0) -> np.ndarray:
    """A smooth dot of each colour at continuous points (3, 2), on the colour that lies beside every picture."""
    y, x = (np.arange(n) + 0.5 for n in size)
    image = np.empty((*size, 3))
    for channel, (px, py) in enumerate(points):
        image[..., channel] = FILL[channel] + 120 * np.exp(
            -((x[None] - px) ** 2 + (y[:, None] - py) ** 2) / (2 * spread**2)
        )
    return np.round(image).astype(np.uint8)


def scene(number: int, size: tuple[int, int] = SIZE) -> Scene:
    """Three dots well inside the canvas, different in every picture."""
    rng = np.random.default_rng(number)
    middle = np.array([size[1], size[0]]) / 2
    points = middle + rng.uniform(-10, 10, (3, 2))
    box = np.array([[*(points.min(0) - 2), *(points.max(0) + 2)]])
    record = Record(
        number,
        "",
        size,
        points[None],
        np.full((1, 3), 2),
        box,
        np.array([400.0]),
        np.zeros(1, bool),
        np.array([number]),
    )
    return Scene(picture(points, size), identity(), on_canvas(record, identity(), size))


class Finder(Subject):
    """Says where the dots are, by the centre of what is brighter than the background, plus an error of its own."""

    def __init__(self, error: tuple[float, float] = (0.0, 0.0)) -> None:
        super().__init__("finder", module=None, skeleton=DOTS, canvas=SIZE)  # type: ignore[arg-type]
        self.error = error

    @property
    def anonymous(self) -> bool:
        return False

    def find(self, pictures: Sequence[np.ndarray]) -> list[Poses]:
        found = []
        for image in pictures:
            light = np.clip(image.astype(float) - np.array(FILL) - 3, 0, None)
            y, x = (np.arange(n) + 0.5 for n in image.shape[:2])
            mass = light.sum((0, 1))
            if not (mass > 50).all():
                found.append(Poses(torch.zeros(0, 3, 2), torch.zeros(0, 3), torch.zeros(0, 4), torch.zeros(0)))
                continue
            points = np.stack([(light * x[None, :, None]).sum((0, 1)), (light * y[:, None, None]).sum((0, 1))], -1)
            points = points / mass[:, None] + self.error
            box = np.concatenate([points.min(0), points.max(0)])[None]
            found.append(
                Poses(*(torch.from_numpy(v).float() for v in (points[None], np.ones((1, 3)), box, np.ones(1))))
            )
        return found
