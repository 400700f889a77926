"""Medians over rows (keypoints, people, ...) under any weighting of the images that the rows belong to.

A median is no sum over images, so unlike ``Ratios`` it needs the rows themselves. They are sorted once; the median of
a weighting is then where the running count of rows passes one half.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from armature.errors import UserError
from armature.evaluation.pck import Localisation
from armature.evaluation.resampled_oks import whole
from armature.evaluation.results import Truth

#: How many rows, in all weightings of a block, are counted at once.
BLOCK = 2**19


@dataclass(frozen=True)
class Medians:
    """N medians. Letters in shapes: I images, N medians, L rows of all of them, R weightings.

    Attributes:
        names: N flat metric names.
        values: (L,) median by median, each ascending. image: (L,) image of each. lengths: (N,) rows of each median.
        images: I.
    """

    names: tuple[str, ...]
    values: NDArray[np.float64]
    image: NDArray[np.int64]
    lengths: NDArray[np.int64]
    images: int

    @classmethod
    def of(cls, columns: Mapping[str, tuple[NDArray[np.int64], NDArray[np.float64]]], images: int) -> Medians:
        """Medians by name from the (L,) image and (L,) value of their rows; NaN rows are left out.

        Args:
            images: I.
        """
        order = {name: np.argsort(values, kind="stable") for name, (_, values) in columns.items()}
        order = {name: rows[: np.count_nonzero(~np.isnan(columns[name][1]))] for name, rows in order.items()}
        return cls(
            tuple(columns),
            np.concatenate([np.zeros(0), *(columns[name][1][rows] for name, rows in order.items())]),
            np.concatenate([np.zeros(0, np.int64), *(columns[name][0][rows] for name, rows in order.items())]),
            np.array([len(rows) for rows in order.values()], np.int64),
            images,
        )

    @classmethod
    def pixel_errors(cls, truth: Truth, localisation: Localisation) -> Medians:
        """``error/median`` (px) over all labelled keypoints that have a prediction, and of each keypoint."""
        image, distances = truth.image[localisation.person], localisation.distances
        columns = {"error/median": (np.repeat(image, distances.shape[1]), distances.ravel())}
        columns |= {f"error/median/{name}": (image, distances[:, k]) for k, name in enumerate(truth.names)}
        return cls.of(columns, len(truth.image_ids))

    @classmethod
    def side_by_side(cls, a: Medians, b: Medians) -> Medians:
        """Two systems' medians as of 2 I images, first those of ``a``; each row counts with its own system's image.

        Raises:
            UserError: medians that are not the same.
        """
        if a.names != b.names:
            raise UserError(f"two systems have different medians: {', '.join(a.names)} and {', '.join(b.names)}")
        rows = np.repeat(np.arange(len(a.names)), a.lengths), np.repeat(np.arange(len(b.names)), b.lengths)
        column, values = np.concatenate(rows), np.concatenate([a.values, b.values])
        order = np.lexsort((values, column))
        image = np.concatenate([a.image, b.image + a.images])
        return cls(a.names, values[order], image[order], a.lengths + b.lengths, a.images + b.images)

    def under(self, weights: NDArray, workers: int = 1) -> NDArray[np.float64]:
        """(R, N) the medians under each weighting, as of rows repeated so often; NaN where there is no row.

        Args:
            weights: (R, I) how often each image counts, whole numbers >= 0. workers: threads.

        Raises:
            UserError: weights of another shape, negative, or not whole.
        """
        counts = whole(weights, self.images)
        rows = max(1, BLOCK // max(len(self.values), 1))
        blocks = [counts[start : start + rows] for start in range(0, len(counts), rows)]
        with ThreadPoolExecutor(max(workers, 1)) as pool:
            return np.concatenate([np.zeros((0, len(self.names))), *pool.map(self._block, blocks)])

    def _block(self, weights: NDArray[np.int64]) -> NDArray[np.float64]:
        """(B, N) the medians of a block of B weightings: the mean of the two middle rows, which may be the same."""
        many = len(self.values)
        if not many:
            return np.full((len(weights), len(self.names)), np.nan)
        counts = np.zeros((len(weights), many + 1), np.int64)
        np.cumsum(weights.take(self.image, axis=1), axis=1, out=counts[:, 1:])
        ends = np.cumsum(self.lengths)
        before, total = counts[:, ends - self.lengths], counts[:, ends] - counts[:, ends - self.lengths]
        offset = np.concatenate([[0], np.cumsum(counts[:-1, -1])])[:, None]
        running = (counts[:, 1:] + offset).ravel()
        middle = [np.searchsorted(running, before + offset + half) for half in ((total + 1) // 2, total // 2 + 1)]
        low, high = (self.values[np.minimum(place % many, many - 1)] for place in middle)
        return np.where(total > 0, (low + high) / 2, np.nan)
