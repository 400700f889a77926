"""Four pictures around a point, as one training picture (Bochkovskiy et al. 2020, section 3.3)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from armature.data.geometry import Matrix, Size, translation
from armature.errors import ConfigError


class Mosaic:
    """Which pictures are shown together, and where.

    Each is as large as a letterbox would make it and touches, with one corner, a point that lies anywhere in the middle
    half of a field of twice the canvas; the field's middle comes to the canvas's, and the training geometry after it.

    Args:
        probability: of a mosaic; a sample is a single picture otherwise.
        passes: over the data that have mosaics; later ones have none (published: all but the last ten epochs); None:
            all of them.

    Raises:
        ConfigError: a probability that is none, or passes below 0.
    """

    def __init__(self, probability: float = 1.0, passes: int | None = None) -> None:
        if not 0 <= probability <= 1 or (passes is not None and passes < 0):
            raise ConfigError(
                f"mosaic: probability lies in [0, 1], passes is at least 0 or null; found {probability} and {passes}"
            )
        self.probability, self.passes = probability, passes

    def companions(self, count: int, epoch: int, rng: np.random.Generator) -> list[int]:
        """Three indices below ``count`` of what is shown beside a picture, or none."""
        if self.passes is not None and epoch >= self.passes:
            return []
        return rng.integers(count, size=3).tolist() if rng.random() < self.probability else []

    def places(self, sizes: Sequence[Size], canvas: Size, rng: np.random.Generator) -> list[Matrix]:
        """For pictures of these (H, W) the matrix from each to the canvas, clockwise from the upper left."""
        height, width = canvas
        x, y = (rng.random(2) - 0.5) * (width, height) + (width / 2, height / 2)
        return [self._beside(size, canvas, (x, y), which) for which, size in enumerate(sizes)]

    def _beside(self, size: Size, canvas: Size, point: tuple[float, float], which: int) -> Matrix:
        scale = min(canvas[0] / size[0], canvas[1] / size[1])
        left, above = which in (0, 3), which in (0, 1)
        x, y = point[0] - scale * size[1] * left, point[1] - scale * size[0] * above
        return translation(x, y) @ np.diag([scale, scale, 1.0])
