"""One half of somebody's body as the whole picture (Wang et al. 2018; HRNet, mmpose)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from armature.data.augment.occasion import Occasional, bounded, called
from armature.data.geometry import Size
from armature.errors import ConfigError
from armature.skeletons import halves
from armature.structures import Record, Skeleton

#: x1, y1, x2, y2 of a part of the picture, source px; it may reach beyond.
Region = tuple[int, int, int, int]


class HalfBody(Occasional):
    """The part of a picture that the training geometry shows instead of the whole: somebody's upper or lower body.

    Published for pictures of one person that are cut out of a photograph. In a picture of several, one of those with
    enough labelled keypoints is chosen at random; the others are still labelled where they are to be seen. The part
    lies around the mean of the half's labelled keypoints, as large as their bounds times ``padding``, but never so
    small that it is shown more than ``zoom`` times as large as in the letterbox. Mosaics are left as they are.

    Args:
        labelled: a person has at least so many labelled keypoints. least: and so many in the half that is shown; the
            other half is taken where the drawn one has fewer.
        padding: of the bounds, a factor. upper: probability of the upper half. zoom: limit, a factor.
        probability, passes: see ``Occasional``; the probability is for pictures with such a person.

    Raises:
        ConfigError: numbers that make no sense; raised by ``check``: a skeleton that is no body, or too small a one.
    """

    def __init__(
        self,
        probability: float = 0.3,
        labelled: int = 9,
        least: int = 3,
        padding: float = 1.5,
        upper: float = 0.7,
        zoom: float = 4.0,
        passes: int | None = None,
    ) -> None:
        super().__init__(probability, passes)
        self.labelled, self.least = labelled, int(bounded(self, "least", (least, least), 1, 1000)[0])
        self.padding = bounded(self, "padding", (padding, padding), 1, 100)[0]
        self.upper = bounded(self, "upper", (upper, upper), 0, 1)[0]
        self.zoom = bounded(self, "zoom", (zoom, zoom), 1, 1000)[0]

    def check(self, skeleton: Skeleton) -> None:
        """Passes in silence if the skeleton has two halves and enough keypoints."""
        if halves(skeleton) is None:
            raise ConfigError(
                f"{called(self)}: skeleton '{skeleton.name}' has no upper and lower body; its file can name them in "
                "the groups upper_body and lower_body"
            )
        if skeleton.count < self.labelled:
            raise ConfigError(
                f"{called(self)}: people of skeleton '{skeleton.name}' have {skeleton.count} keypoints, never "
                f"{self.labelled} labelled ones; give a smaller data.augment.half_body.labelled"
            )

    def region(self, record: Record, canvas: Size, skeleton: Skeleton, rng: np.random.Generator) -> Region | None:
        """The part of the record's picture to be shown, source px; None for the whole."""
        who, which = rng.random(2)
        whole = np.flatnonzero(~record.crowd & ((record.visibility > 0).sum(1) >= self.labelled))
        parts = halves(skeleton)
        if not len(whole) or parts is None:
            return None
        person = whole[int(who * len(whole))]
        first, second = parts if which < self.upper else parts[::-1]
        for half in (first, second):
            shown = [i for i in half if record.visibility[person, i] > 0]
            if len(shown) >= self.least:
                return self._around(record.keypoints[person, shown], record.size, canvas)
        return None

    def _around(self, points: NDArray[np.float64], size: Size, canvas: Size) -> Region:
        centre, extent = points.mean(0), (points.max(0) - points.min(0)) * self.padding
        sides = np.array(canvas[::-1], float)
        # The scales at which the whole picture and the part fill the canvas.
        whole, part = np.min(sides / size[::-1]), np.min(sides / np.maximum(extent, 1e-6))
        if part > self.zoom * whole:
            extent = sides / (self.zoom * whole)
        low, high = np.floor(centre - extent / 2), np.ceil(centre + extent / 2)
        return int(low[0]), int(low[1]), int(high[0]), int(high[1])
