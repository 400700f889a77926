"""A source whose pictures have a white dot at every keypoint, so that it can be told where they went."""

from __future__ import annotations

import numpy as np

from armature.data.source import Picture
from armature.skeletons import make
from armature.structures import Record, Skeleton

SKELETON = make(
    "four",
    ["left_a", "right_a", "left_b", "right_b"],
    [["left_a", "left_b"], ["right_a", "right_b"]],
    colours=[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 0]],
)
#: Radius of a dot, px of the source: a keypoint that is found on it is at most so far off.
RADIUS = 4


class Dots:
    """``count`` black pictures of (H, W) with one person each, whose four keypoints are white dots."""

    def __init__(self, count: int = 4, size: tuple[int, int] = (160, 240), skeleton: Skeleton = SKELETON) -> None:
        self.skeleton, self.size = skeleton, size
        rng = np.random.default_rng(3)
        self.points = rng.uniform(0.3, 0.7, (count, 1, 4, 2)) * (size[1], size[0])
        self.records = [self._record(i) for i in range(count)]

    def _record(self, index: int) -> Record:
        points = self.points[index]
        low, high = points[0].min(0) - 12, points[0].max(0) + 12
        box = np.concatenate([low, high])[None]
        area = np.array([(high - low).prod()])
        flags = np.array([[2, 2, 1, 2]])
        ids = np.array([index + 1])
        return Record(index + 10, f"dot_{index}.png", self.size, points, flags, box, area, np.zeros(1, bool), ids)

    def __len__(self) -> int:
        return len(self.records)

    def read(self, index: int, epoch: int = 0) -> tuple[Picture, Record]:
        y, x = np.indices(self.size) + 0.5
        image = np.zeros((*self.size, 3), np.uint8)
        for px, py in self.points[index][0]:
            image[np.hypot(x - px, y - py) <= RADIUS] = 255
        return image, self.records[index]

    def fingerprint(self) -> str:
        return "dots"


def near(image: Picture, point: np.ndarray, colour: tuple[int, int, int], radius: float = 1.0) -> float:
    """How far (0 to 442) the colour nearest to the given one within ``radius`` px of a point is from it."""
    x, y = point
    rows = np.arange(max(int(y - radius), 0), min(int(y + radius) + 1, image.shape[0]))
    columns = np.arange(max(int(x - radius), 0), min(int(x + radius) + 1, image.shape[1]))
    patch = image[rows[:, None], columns].reshape(-1, 3).astype(float)
    return float(np.linalg.norm(patch - colour, axis=1).min(initial=1000.0))
