"""A generated data set of one rigid thing: a painted plate with named points, somewhere in a picture."""

from __future__ import annotations

import hashlib
import json

import cv2
import numpy as np
from numpy.typing import NDArray

from armature.data.geometry import translation
from armature.data.source import Picture
from armature.data.synthetic.backdrop import backdrop
from armature.errors import DataError
from armature.interest import homographies
from armature.structures import Record, Skeleton

#: Where the points are on the plate, as shares of its sides.
PLACES = ((0.06, 0.06), (0.94, 0.06), (0.94, 0.94), (0.06, 0.94), (0.5, 0.5), (0.5, 0.2))
_PLATE = 160


class RigidPlate:
    """Pictures of one and the same plate, turned, scaled, moved and a little tilted; a Source.

    Args:
        skeleton: of six points, ``plate``. length: pictures. size: (H, W) px. seed: of the places; ``plate``: of what
            is painted on it. rotation: largest angle to either side, degrees. scale: least and most side, as a share of
            the picture's shorter side. tilt: how far each corner may be off, as a share of half a side.

    Raises:
        DataError: a skeleton with another number of points, or no pictures.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        length: int,
        size: tuple[int, int] = (192, 256),
        seed: int = 0,
        plate: int = 7,
        rotation: float = 180.0,
        scale: tuple[float, float] = (0.45, 0.75),
        tilt: float = 0.1,
    ) -> None:
        if skeleton.count != len(PLACES) or length < 1:
            raise DataError(
                f"RigidPlate: a plate has {len(PLACES)} points and skeleton '{skeleton.name}' {skeleton.count}; give "
                f"skeleton=plate and a length of at least 1 (found {length})"
            )
        self.skeleton, self.length, self.size, self.seed = (
            skeleton,
            int(length),
            (int(size[0]), int(size[1])),
            int(seed),
        )
        self.plate_seed, self.rotation, self.tilt = int(plate), float(rotation), float(tilt)
        self.scale = (float(scale[0]), float(scale[1]))
        self._plate = painted(self.plate_seed)
        self._records: list[Record] | None = None

    def __len__(self) -> int:
        return self.length

    @property
    def records(self) -> list[Record]:
        """All records, in order."""
        if self._records is None:
            self._records = [self._place(i)[1] for i in range(self.length)]
        return self._records

    def read(self, index: int, epoch: int = 0) -> tuple[Picture, Record]:
        """The picture (H, W, 3) and its record; the epoch does not matter."""
        if not 0 <= index < self.length:
            raise IndexError(f"picture {index} of {self.length} rigid plates")
        homography, record = self._place(index)
        rng = np.random.default_rng((self.seed, index, 1))
        scene = backdrop(*self.size, rng)
        indices = translation(-0.5, -0.5) @ homography @ translation(0.5, 0.5)
        shape = (self.size[1], self.size[0])
        plate = cv2.warpPerspective(self._plate, indices, shape, flags=cv2.INTER_AREA)
        full = np.full(self._plate.shape[:2], 1.0, np.float32)
        share = cv2.warpPerspective(full, indices, shape, flags=cv2.INTER_LINEAR)[..., None]
        light = float(rng.uniform(0.75, 1.2))
        picture = scene * (1 - share) + plate * share * light + rng.normal(0, 2.0, scene.shape)
        return np.clip(picture + 0.5, 0, 255).astype(np.uint8), record

    def fingerprint(self) -> str:
        """sha256 over everything the pictures follow from."""
        told = [self.length, self.size, self.seed, self.plate_seed, self.rotation, self.scale, self.tilt]
        return hashlib.sha256(json.dumps([*told, self.skeleton.keypoints]).encode()).hexdigest()

    def _place(self, index: int) -> tuple[NDArray[np.float64], Record]:
        """Plate px -> picture px, and the record."""
        rng = np.random.default_rng((self.seed, index))
        height, width = self.size
        side = float(rng.uniform(*self.scale)) * min(height, width)
        angle = np.radians(rng.uniform(-self.rotation, self.rotation))
        square = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float64) / 2
        corners = (square + rng.uniform(-self.tilt, self.tilt, (4, 2)) / 2) * side
        corners = corners @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        room = np.abs(corners).max(0) + 2
        limits = np.array([width, height], np.float64)
        corners = corners + rng.uniform(np.minimum(room, limits / 2), np.maximum(limits - room, limits / 2))
        flat = (square + 0.5) * _PLATE
        homography = np.asarray(cv2.getPerspectiveTransform(flat.astype(np.float32), corners.astype(np.float32)))
        points = homographies.apply(homography, np.array(PLACES) * _PLATE)
        inside = ((points >= 0) & (points < limits)).all(1)
        low, high = np.clip(corners.min(0), 0, limits), np.clip(corners.max(0), 0, limits)
        x, y = corners.T
        area = 0.5 * abs(float(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))))
        record = Record(
            index + 1,
            "",
            self.size,
            points[None],
            np.where(inside, 2, 0)[None].astype(np.int64),
            np.concatenate([low, high])[None],
            np.array([area]),
            np.zeros(1, bool),
            np.array([index + 1]),
        )
        return homography, record


def painted(seed: int) -> Picture:
    """What is on the plate: random discs and bars on a light ground, different in every corner."""
    rng = np.random.default_rng(seed)
    fine = np.full((4 * _PLATE, 4 * _PLATE, 3), (225, 220, 205), np.uint8)
    for _ in range(45):
        colour = tuple(int(v) for v in rng.integers(20, 235, 3))
        x, y = (int(v) for v in rng.integers(0, 4 * _PLATE, 2))
        if rng.random() < 0.5:
            cv2.circle(fine, (x, y), int(rng.integers(12, 60)), colour, cv2.FILLED, cv2.LINE_AA)
        else:
            box = ((x, y), tuple(float(v) for v in rng.uniform(20, 150, 2)), float(rng.uniform(0, 180)))
            cv2.fillPoly(fine, [cv2.boxPoints(box).astype(np.int32)], colour, cv2.LINE_AA)
    cv2.rectangle(fine, (0, 0), (4 * _PLATE - 1, 4 * _PLATE - 1), (40, 40, 45), 16)
    return np.asarray(cv2.resize(fine, (_PLATE, _PLATE), interpolation=cv2.INTER_AREA))
