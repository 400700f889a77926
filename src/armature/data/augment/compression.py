"""JPEG's blocks and halos, as pictures from elsewhere have them."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from armature.data.augment.occasion import COMPRESS, Another, Occasional, bounded, whole_number
from armature.data.sample import Sample
from armature.data.source import Picture


class Jpeg(Occasional):
    """The canvas after it was written as a JPEG file and read again; labels stay.

    Args:
        quality: bounds of JPEG's quality, 1 to 100, both included, drawn uniformly.
        probability, passes: see ``Occasional``.

    Raises:
        ConfigError: qualities that are none, or see ``Occasional``.
    """

    stage = COMPRESS

    def __init__(self, probability: float = 0.6, quality: Sequence[int] = (20, 100), passes: int | None = None) -> None:
        super().__init__(probability, passes)
        self.quality = bounded(self, "quality", (quality[0], quality[1]), 1, 100)

    def __call__(self, sample: Sample, rng: np.random.Generator, another: Another) -> Sample:
        quality = whole_number(self.quality, rng)
        return sample._replace(image=compress(sample.image, quality))


def compress(picture: Picture, quality: int) -> Picture:
    """The picture (H, W, 3) RGB as a JPEG file of this quality holds it."""
    # OpenCV weighs its first channel as blue.
    written = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    read = cv2.imdecode(written, cv2.IMREAD_COLOR)
    return cv2.cvtColor(read, cv2.COLOR_BGR2RGB, dst=read)  # type: ignore[return-value]
