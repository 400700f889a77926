"""People gathered one by one into the flat arrays of a group."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from armature.checking.subject import Group
from armature.structures import Skeleton


class Rows:
    """The people of one category, so far."""

    def __init__(self, category: str, skeleton: Skeleton) -> None:
        self.category, self.skeleton = category, skeleton
        self._arrays: list[tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]] = []
        self._numbers: list[tuple[int, int, float, bool, int, int, int]] = []

    def __len__(self) -> int:
        return len(self._numbers)

    def add(
        self,
        picture: int,
        keypoints: NDArray[np.float64],
        visibility: NDArray[np.int64],
        box: NDArray[np.float64] | None = None,
        area: float | None = None,
        crowd: bool = False,
        ident: int = -1,
        counted: int = -1,
        origin: tuple[int, int] = (-1, -1),
    ) -> None:
        """One person; (K, 2) and (K,) in the order of the skeleton, None for what the file does not say."""
        self._arrays.append((keypoints, visibility, np.full(4, np.nan) if box is None else box))
        self._numbers.append((picture, ident, np.nan if area is None else area, crowd, counted, *origin))

    def group(self) -> Group:
        """All of them as arrays."""
        count, k = len(self), self.skeleton.count
        columns = [np.array(column) for column in zip(*self._numbers, strict=True)] or [np.zeros(0)] * 7
        picture, idents, areas, crowd, counted, file, place = columns
        return Group(
            self.category,
            self.skeleton,
            picture.astype(np.int64),
            idents.astype(np.int64),
            np.array([a[0] for a in self._arrays], float).reshape(count, k, 2),
            np.array([a[1] for a in self._arrays], np.int64).reshape(count, k),
            np.array([a[2] for a in self._arrays], float).reshape(count, 4),
            areas.astype(float),
            crowd.astype(bool),
            counted.astype(np.int64),
            np.stack([file, place], 1).astype(np.int64),
        )
