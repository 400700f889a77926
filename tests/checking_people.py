"""Sound people and pictures for the tests of ``armature.checking``."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np

from armature.checking.facts import SIDE, Facts
from armature.checking.findings import Finding

SIZE = (240, 320)

#: A figure that stands upright and looks at us, x and y in shares of its box, in the order of ``coco_person``.
FIGURE = np.array(
    [
        *[[0.5, 0.10], [0.56, 0.07], [0.44, 0.07], [0.62, 0.09], [0.38, 0.09], [0.75, 0.24], [0.25, 0.24]],
        *[[0.85, 0.40], [0.15, 0.40], [0.9, 0.54], [0.1, 0.54], [0.66, 0.54], [0.34, 0.54]],
        *[[0.68, 0.75], [0.32, 0.75], [0.7, 0.96], [0.3, 0.96]],
    ]
)
CORNER, SIDES = np.array([100.0, 20.0]), np.array([80.0, 200.0])


def upright(seed: int = 0, corner: np.ndarray = CORNER, sides: np.ndarray = SIDES) -> np.ndarray:
    """(17, 2) points of the figure in a box, each a little off."""
    rng = np.random.default_rng(seed)
    return corner + (FIGURE + rng.normal(0, 0.01, FIGURE.shape)) * sides


def sound(seed: int) -> Facts:
    """Facts of a readable picture of noise that is like no other."""
    rng = np.random.default_rng(seed)
    small = cv2.resize(rng.integers(0, 255, (6, 6), dtype=np.uint8), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    return Facts(SIZE, 1, rng.bytes(16), np.asarray(small, np.uint8))


def instances(found: Iterable[Finding]) -> list[int | None]:
    """Whom the findings are about."""
    return [finding.instance for finding in found]
