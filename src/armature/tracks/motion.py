"""Where somebody will be next: a Kalman filter with constant velocity, in units of the person's size."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

Point = Float[NDArray[np.float64], "2"]


@dataclass
class Motion:
    """Position and velocity of a point, and how uncertain they are; x and y alike and independent.

    Acceleration is white noise (Bar-Shalom, Li and Kirubarajan 2001, section 6.2.2: the continuous model).

    Attributes:
        position, velocity: px, px a second.
        covariance: (2, 2) of position and velocity along either axis.
        size: of the person in px; both noises are shares of it.
        agility: power of the acceleration: sizes^2 / s^3. noise: of a measured position, sizes.
    """

    position: Point
    size: float
    velocity: Point = field(default_factory=lambda: np.zeros(2))
    covariance: Float[NDArray[np.float64], "2 2"] = field(default_factory=lambda: np.zeros((2, 2)))
    agility: float = 2.0
    noise: float = 0.03

    @classmethod
    def begun(
        cls, position: Point, size: float, agility: float = 2.0, noise: float = 0.03, speed: float = 2.0
    ) -> Motion:
        """Somebody seen once, who may move with ``speed`` sizes a second in any direction."""
        covariance = np.diag([(noise * size) ** 2, (speed * size) ** 2])
        return cls(np.array(position, float), size, np.zeros(2), covariance, agility, noise)

    @property
    def spread(self) -> float:
        """Variance of the position along either axis, px^2."""
        return float(self.covariance[0, 0])

    def forward(self, seconds: float) -> None:
        """What is known ``seconds`` later, when nothing new was seen."""
        step = np.array([[1.0, seconds], [0.0, 1.0]])
        power = self.agility * self.size**2
        added = power * np.array([[seconds**3 / 3, seconds**2 / 2], [seconds**2 / 2, seconds]])
        self.position = self.position + seconds * self.velocity
        self.covariance = step @ self.covariance @ step.T + added

    def see(self, position: Point, size: float) -> None:
        """What is known after the position was measured now."""
        self.size = size
        gain = self.covariance[:, 0] / (self.covariance[0, 0] + (self.noise * size) ** 2)
        missed = np.asarray(position) - self.position
        self.position, self.velocity = self.position + gain[0] * missed, self.velocity + gain[1] * missed
        self.covariance = self.covariance - np.outer(gain, self.covariance[0])
