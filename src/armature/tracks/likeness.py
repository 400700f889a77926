"""How alike two poses are: object keypoint similarity, between people found instead of found and annotated."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

Array = NDArray[np.float64]


def oks(
    first: Float[Array, "N K 2"],
    second: Float[Array, "M K 2"],
    areas: Float[Array, " N"],
    sigmas: Float[Array, " K"],
    weights: tuple[Float[Array, "N K"], Float[Array, "M K"]] | None = None,
    spread: Float[Array, " N"] | None = None,
) -> Float[Array, "N M"]:
    """OKS of every pose with every other (COCO's formula), in [0, 1].

    Args:
        areas: px^2 of the first. sigmas: COCO's constants, not doubled.
        weights: of the keypoints of each side, their scores; a keypoint counts with the product. None: all count alike.
        spread: px^2 by which the first may be elsewhere (the variance of a prediction), added to the keypoints' own.
    """
    squared = np.square(first[:, None] - second[None]).sum(-1)
    tolerance = np.square(2 * sigmas)[None] * areas[:, None] + (0.0 if spread is None else spread[:, None])
    alike = np.exp(-squared / (2 * tolerance[:, None] + np.spacing(1.0)))
    if weights is None:
        return np.asarray(alike.mean(-1))
    both = weights[0][:, None] * weights[1][None]
    return np.asarray((alike * both).sum(-1) / np.maximum(both.sum(-1), np.finfo(float).tiny))
