"""Two pictures as one: pixels blended, everybody of both labelled (Zhang et al. 2018, as YOLO detectors do it)."""

from __future__ import annotations

import cv2
import numpy as np

from armature.data.augment.covering import either
from armature.data.augment.occasion import BLEND, Another, Occasional, bounded
from armature.data.geometry import together
from armature.data.sample import Sample


class MixUp(Occasional):
    """The sample blended with another one; people, ignored pixels and unknown keypoints are those of both.

    Labels are not weighted: in a picture of both everybody is to be found (Zhang et al. 2019, "Bag of freebies").
    ``to_source`` and the id stay those of the first.

    Args:
        alpha: the share of the first picture is drawn from Beta(alpha, alpha).
        probability, passes: see ``Occasional``.

    Raises:
        ConfigError: alpha not above 0, or see ``Occasional``.
    """

    stage = BLEND

    def __init__(self, probability: float = 0.15, alpha: float = 32.0, passes: int | None = None) -> None:
        super().__init__(probability, passes)
        self.alpha = bounded(self, "alpha", (alpha, alpha), 1e-3, 1e6)[0]

    def __call__(self, sample: Sample, rng: np.random.Generator, another: Another) -> Sample:
        share = rng.beta(self.alpha, self.alpha)
        other = another(rng)
        image = cv2.addWeighted(sample.image, share, other.image, 1 - share, 0)
        return sample._replace(
            image=image,
            people=together([sample.people, other.people]),
            ignore=either(sample.ignore, other.ignore),
            known=either(sample.known, other.known, np.logical_and),
        )
