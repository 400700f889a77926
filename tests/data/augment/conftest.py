"""Pictures in which a bright pixel lies on every keypoint that is to be seen, on a dark ground."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from armature import skeletons
from armature.structures import Record, Skeleton

#: Above what the ground reaches, below what a lit pixel keeps when it is averaged, moved and blended.
GROUND, LIT = 8, 255


@pytest.fixture
def body() -> Skeleton:
    """A body of eight points with two halves."""
    upper = ["nose", "left_shoulder", "right_shoulder", "neck"]
    lower = ["left_hip", "right_hip", "left_knee", "right_knee"]
    return skeletons.make("body", upper + lower)


class LitPeople:
    """A source of ``count`` pictures, ``people`` beside each other in each, every visible keypoint a white pixel."""

    def __init__(self, skeleton: Skeleton, count: int, people: int, size: tuple[int, int], seed: int = 0) -> None:
        self.skeleton, self.size, self.people, self.seed = skeleton, size, people, seed
        self.records = [self._record(i) for i in range(count)]

    def _record(self, index: int) -> Record:
        rng = np.random.default_rng((self.seed, index))
        height, width = self.size
        wide = width // self.people
        keypoints = np.zeros((self.people, self.skeleton.count, 2))
        for person in range(self.people):
            # Different pixels, in a column of the picture of each person's own, none at its border.
            cells = rng.choice((wide - 4) * (height - 4), self.skeleton.count, replace=False)
            keypoints[person] = np.stack([cells % (wide - 4) + 2 + person * wide, cells // (wide - 4) + 2], 1) + 0.5
        return Record(
            image_id=index + 1,
            file="",
            size=self.size,
            keypoints=keypoints,
            visibility=rng.integers(0, 3, keypoints.shape[:2]),
            boxes=np.concatenate([keypoints.min(1) - 2, keypoints.max(1) + 2], 1),
            areas=np.full(self.people, 100.0),
            crowd=np.zeros(self.people, bool),
            annotation_ids=np.arange(self.people) + self.people * index + 1,
        )

    def __len__(self) -> int:
        return len(self.records)

    def read(self, index: int, epoch: int = 0) -> tuple[np.ndarray, Record]:
        record = self.records[index]
        picture = np.full((*self.size, 3), GROUND, np.uint8)
        x, y = np.floor(record.keypoints[record.visibility == 2]).astype(int).T
        picture[y, x] = LIT
        return picture, record

    def fingerprint(self) -> str:
        return f"lit{len(self)}"


@pytest.fixture
def lit(body: Skeleton) -> Callable[..., LitPeople]:
    """Sources of any length, with everybody's outline (a box) as regions on demand."""

    def make(
        count: int = 6,
        people: int = 2,
        size: tuple[int, int] = (64, 96),
        seed: int = 0,
        skeleton: Skeleton = body,
        outlines: bool = False,
        all_visible: bool = False,
    ) -> LitPeople:
        source = LitPeople(skeleton, count, people, size, seed)
        if all_visible:
            full = [np.full_like(r.visibility, 2) for r in source.records]
            source.records = [replace(r, visibility=v) for r, v in zip(source.records, full)]
        if outlines:
            source.records = [replace(r, regions=tuple((corners(b),) for b in r.boxes)) for r in source.records]
        return source

    return make


def corners(box: np.ndarray) -> np.ndarray:
    """(4, 2) of a box (4,) xyxy."""
    return np.array([[box[0], box[1]], [box[2], box[1]], [box[2], box[3]], [box[0], box[3]]])


@pytest.fixture
def light_at() -> Callable[..., float]:
    """How bright it is at a point of a picture: the brightest pixel within ``reach`` of the pixel that it lies in."""

    def measure(image: np.ndarray, point: np.ndarray, reach: int = 1) -> float:
        x, y = (int(v) for v in np.floor(point))
        rows, columns = slice(max(0, y - reach), y + reach + 1), slice(max(0, x - reach), x + reach + 1)
        return float(image[rows, columns].max())

    return measure
