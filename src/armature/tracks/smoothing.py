"""The one-euro filter: still points stand still, fast ones are not held back."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

Points = Float[NDArray[np.float64], "K 2"]


@dataclass(frozen=True)
class OneEuro:
    """Settings of the filter of Casiez, Roussel and Vogel (CHI 2012).

    Speeds are in sizes of the person a second, so that the same settings fit near and far people.

    Attributes:
        min_cutoff: Hz, of points at rest; lower is steadier. beta: Hz by which a speed of 1 raises it; more lags less.
        speed_cutoff: Hz, of the speed itself.
    """

    min_cutoff: float = 1.5
    beta: float = 3.0
    speed_cutoff: float = 1.0


@dataclass
class Smoothed:
    """The filter's memory of one person: points, their speed in px a second, and when that was."""

    points: Points
    speed: Points
    seconds: float

    @classmethod
    def begun(cls, points: Points, seconds: float) -> Smoothed:
        """At rest where they were first seen."""
        return cls(np.array(points, float), np.zeros_like(points, dtype=float), seconds)

    def follow(self, points: Points, seconds: float, size: float, settings: OneEuro) -> Points:
        """The points of a later moment, filtered.

        Args:
            size: of the person, px.
        """
        step = seconds - self.seconds
        if step <= 0:
            return self.points
        speed = (points - self.points) / step
        self.speed = self.speed + _share(settings.speed_cutoff, step) * (speed - self.speed)
        cutoff = settings.min_cutoff + settings.beta * np.abs(self.speed) / max(size, 1.0)
        self.points = self.points + _share(cutoff, step) * (points - self.points)
        self.seconds = seconds
        return self.points


def _share(cutoff: float | Points, step: float) -> float | Points:
    """How much of what is new is taken: the paper's alpha."""
    return 1.0 / (1.0 + 1.0 / (2 * math.pi * cutoff * step))
