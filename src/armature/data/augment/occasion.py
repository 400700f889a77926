"""When an augmentation happens, and in which order several do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from armature.data.sample import Sample
from armature.errors import ConfigError

#: Another training picture on a canvas of its own, chosen and placed by these random numbers.
Another = Callable[[np.random.Generator], Sample]

#: Augmentations happen in this order, whatever order they are named in: people are added, pictures blended, pixels
#: covered, and what results is compressed as a camera would have done.
PASTE, BLEND, COVER, COMPRESS = range(4)


class Augmentation(Protocol):
    """Changes a sample; ``stage`` is one of ``PASTE``, ``BLEND``, ``COVER``, ``COMPRESS``."""

    stage: int

    def happens(self, epoch: int, rng: np.random.Generator) -> bool:
        """Whether it is this sample's turn."""
        ...

    def __call__(self, sample: Sample, rng: np.random.Generator, another: Another) -> Sample: ...


class Occasional:
    """What happens to some samples only.

    Args:
        probability: of happening to a sample. passes: over the data in which it happens, later ones are without; None:
            all.

    Raises:
        ConfigError: a probability that is none, or passes below 0.
    """

    def __init__(self, probability: float, passes: int | None = None) -> None:
        bounded(self, "probability", (probability, probability), 0, 1)
        if passes is not None and passes < 0:
            raise ConfigError(f"{called(self)}: passes is at least 0 or null; found {passes}")
        self.probability, self.passes = probability, passes

    def happens(self, epoch: int, rng: np.random.Generator) -> bool:
        """Whether it is this sample's turn; always one draw."""
        turn = rng.random() < self.probability
        return bool(turn) and (self.passes is None or epoch < self.passes)


def called(augmentation: object) -> str:
    """How messages call it."""
    return f"augmentation {type(augmentation).__name__}"


def bounded(
    augmentation: object, name: str, bounds: tuple[float, float], low: float, high: float
) -> tuple[float, float]:
    """The bounds of a draw, checked.

    Raises:
        ConfigError: not ascending, or outside [low, high]; names the parameter.
    """
    if not low <= bounds[0] <= bounds[1] <= high:
        one = bounds[0] == bounds[1]
        what, found = ("must lie", bounds[0]) if one else ("must be two ascending numbers", tuple(bounds))
        raise ConfigError(f"{called(augmentation)}: {name} {what} in [{low:g}, {high:g}]; found {found}")
    return bounds[0], bounds[1]


def whole_number(bounds: tuple[float, float], rng: np.random.Generator) -> int:
    """A whole number between the bounds, both included, drawn uniformly."""
    return int(rng.integers(int(bounds[0]), int(bounds[1]), endpoint=True))
