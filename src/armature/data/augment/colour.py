"""Brightness, contrast, saturation, hue and grey in the loader, as one linear map of colours a picture."""

from __future__ import annotations

import math

import cv2
import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from armature.data.augment.occasion import COMPRESS, Another, Occasional, bounded
from armature.data.sample import Sample

#: What of each channel is brightness (ITU-R BT.601).
LUMA = np.array([0.299, 0.587, 0.114])
#: Contrast is about this grey, which no picture has to be looked at for.
MIDDLE = 127.5


class Colour(Occasional):
    """Changed colours, drawn anew for every picture; labels stay.

    All four are linear in a pixel's colour, so that together they are one 3 x 4 matrix, applied and rounded once:
    brightness times 1 +- brightness; contrast times 1 +- contrast about the middle grey; saturation: distance from the
    pixel's own grey times 1 +- saturation; hue: turned about the grey axis by up to hue of a full turn (of chroma in
    YIQ, not in HSV: fully saturated colours differ a little). For networks that train on a CPU, where colours on a
    batch (``augmentation.Photometric``) take longer than everything else in the loader.

    Args:
        probability, passes: see ``Occasional``; of brightness to hue.
        brightness, contrast, saturation, hue: half-ranges, drawn uniformly.
        grey: probability of a picture without colours, on its own.

    Raises:
        ConfigError: ranges outside [0, 1], hue outside [0, 0.5], or see ``Occasional``.
    """

    stage = COMPRESS

    def __init__(
        self,
        probability: float = 0.8,
        brightness: float = 0.3,
        contrast: float = 0.3,
        saturation: float = 0.3,
        hue: float = 0.03,
        grey: float = 0.05,
        passes: int | None = None,
    ) -> None:
        super().__init__(1.0, passes)
        self.jitter = bounded(self, "probability", (probability, probability), 0, 1)[0]
        ranges = {"brightness": brightness, "contrast": contrast, "saturation": saturation, "grey": grey}
        for name, value in ranges.items():
            bounded(self, name, (value, value), 0, 1)
        bounded(self, "hue", (hue, hue), 0, 0.5)
        self.ranges, self.grey = np.array([brightness, contrast, saturation, hue]), grey

    def __call__(self, sample: Sample, rng: np.random.Generator, another: Another) -> Sample:
        turn, fade, *draws = rng.random(6)  # always as many
        brightness, contrast, saturation, hue = self.ranges * (2 * np.array(draws) - 1) * (turn < self.jitter)
        change = colour_map(1 + brightness, 1 + contrast, 0.0 if fade < self.grey else 1 + saturation, hue)
        if np.array_equal(change, np.eye(3, 4)):
            return sample
        return sample._replace(image=cv2.transform(sample.image, change))


def colour_map(
    brightness: float = 1.0, contrast: float = 1.0, saturation: float = 1.0, hue: float = 0.0
) -> Float[NDArray[np.float64], "3 4"]:
    """The matrix that takes (r, g, b, 1), 0 to 255, to the changed colour: hue, saturation, brightness, then contrast.

    Args:
        hue: share of a full turn.
    """
    # In YIQ a turn leaves Y alone, and goes the other way round than hue in HSV.
    angle = -2 * math.pi * hue
    turned = _RGB @ _turn(angle) @ _YIQ
    linear = (_GREY + saturation * (_EYE - _GREY)) @ turned * (brightness * contrast)
    return np.concatenate([linear, np.full((3, 1), MIDDLE * (1 - contrast))], 1)


_YIQ = np.array([LUMA, [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
_RGB, _EYE, _GREY = np.linalg.inv(_YIQ), np.eye(3), np.outer(np.ones(3), LUMA)


def _turn(angle: float) -> NDArray[np.float64]:
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
