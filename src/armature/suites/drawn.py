"""Numbers under resamplings of the pictures, so that whatever is computed of several of them keeps its interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from armature.evaluation.bootstrap import Interval, bca, left_out, weights
from armature.evaluation.ratios import Ratios

Values = NDArray[np.float64]
#: Of less than this nothing can be lost: what is relative to it is no number.
LEAST = 0.01


@dataclass(frozen=True)
class Draws:
    """How often each picture counts: once each, in resamples, and with parts left out.

    Attributes:
        counts: (1 + R + J, I). resamples: R. level: of the intervals.
    """

    counts: NDArray[np.int32]
    resamples: int
    level: float = 0.95

    @classmethod
    def of(cls, images: int, resamples: int = 1000, seed: int = 0, level: float = 0.95) -> Draws:
        """The same draws for everything that is measured on these pictures, so that all is paired.

        Raises:
            UserError: no pictures, or fewer than two resamples.
        """
        whole = np.ones((1, images), np.int32)
        counts = np.concatenate([whole, weights(images, resamples, seed), left_out(images, seed)])
        return cls(counts, resamples, level)

    def interval(self, values: Values) -> Interval:
        """(1 + R + J,) values as an estimate with its BCa interval."""
        return bca(float(values[0]), values[1 : 1 + self.resamples], values[1 + self.resamples :], self.level)

    def intervals(self, named: Mapping[str, Values]) -> dict[str, Interval]:
        """The same of several."""
        return {name: self.interval(values) for name, values in named.items()}

    def ratios(self, ratios: Ratios) -> dict[str, Values]:
        """Each ratio under every draw."""
        return dict(zip(ratios.names, ratios.under(self.counts.astype(np.float64)).T, strict=True))


def mean(values: Sequence[Values]) -> Values:
    """The mean of several under every draw, of those that are numbers; NaN where none is."""
    stacked = np.stack(list(values))
    there = np.isfinite(stacked)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(there, stacked, 0.0).sum(0) / np.where(there.any(0), there.sum(0), np.nan))


def relative(changed: Values, clean: Values) -> Values:
    """``changed / clean`` under every draw; NaN throughout where the estimate of ``clean`` is below ``LEAST``."""
    if not clean[0] >= LEAST:
        return np.full_like(clean, np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(clean > 0, changed / clean, np.nan))
