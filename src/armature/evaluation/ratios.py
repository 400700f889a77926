"""Metrics that are one sum over images divided by another, under any weighting of the images.

PCK, mean errors, recalls and shares are such ratios. Kept as sums for each image they can be formed again for a
thousand resamplings of the images by two products of matrices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Ratios:
    """N metrics of I images. Letters in shapes: I images (in the truth's order), N metrics, R resamplings.

    Attributes:
        names: N flat metric names (``PCK@0.2``, ``error/mean/left_wrist``, ...).
        top, bottom: (I, N) what each image adds above and below the line.
    """

    names: tuple[str, ...]
    top: NDArray[np.float64]
    bottom: NDArray[np.float64]

    def under(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """(R, N) the metrics under each weighting of the images; NaN where nothing is below the line.

        Args:
            weights: (R, I) how often each image counts.
        """
        with np.errstate(invalid="ignore", divide="ignore"):
            values = (weights @ self.top) / (weights @ self.bottom)
        return np.where(np.isfinite(values), values, np.nan)

    def numbers(self) -> dict[str, float]:
        """Each metric by name with every image counted once; NaN where nothing is below the line."""
        # sums down the columns and no product, whose last bit would depend on how many other metrics there are
        with np.errstate(invalid="ignore", divide="ignore"):
            values = self.top.sum(0) / self.bottom.sum(0)
        return dict(zip(self.names, np.where(np.isfinite(values), values, np.nan).tolist(), strict=True))

    @classmethod
    def join(cls, parts: Sequence[Ratios]) -> Ratios:
        """All metrics of several, which must be of the same images."""
        names = tuple(name for part in parts for name in part.names)
        return cls(names, np.concatenate([p.top for p in parts], 1), np.concatenate([p.bottom for p in parts], 1))

    @classmethod
    def by_image(
        cls, names: Sequence[str], image: NDArray[np.int64], images: int, top: NDArray, bottom: NDArray
    ) -> Ratios:
        """Ratios of rows (people, keypoints, ...) summed by the image they belong to.

        Args:
            image: (L,) image index of each row. images: I. top, bottom: (L, N) what each row adds.
        """
        sums = []
        for rows in (top, bottom):
            total = np.zeros((images, len(names)))
            np.add.at(total, image, np.nan_to_num(np.asarray(rows, np.float64)))
            sums.append(total)
        return cls(tuple(names), *sums)
