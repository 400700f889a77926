"""Descriptors of two views matched, and the homography that follows from the matches."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from armature.interest import homographies
from armature.interest.homographies import Homography, Size
from armature.interest.repeatability import EPSILONS, Found, Shared

#: Lowe's ratio of the nearest to the second nearest distance; None would take every mutual nearest neighbour.
RATIO = 0.8
#: RANSAC: px of an inlier, tries, and the seed of OpenCV's generator.
_INLIER, _TRIES, _SEED = 3.0, 2000, 0


def mutual(a: NDArray[np.float64], b: NDArray[np.float64], ratio: float | None = None) -> NDArray[np.int64]:
    """(M, 2) indices of descriptors that are each other's nearest, and clearly so where a ratio is given.

    Args:
        a: (N, D). b: (N', D). ratio: distance to the nearest over that to the second nearest that is still accepted.
    """
    if not len(a) or not len(b):
        return np.zeros((0, 2), np.int64)
    apart = np.sqrt(np.maximum((a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * a @ b.T, 0))
    there, back = apart.argmin(1), apart.argmin(0)
    keep = back[there] == np.arange(len(a))
    if ratio is not None and apart.shape[1] > 1:
        nearest = np.partition(apart, 1, axis=1)[:, :2]
        keep &= nearest[:, 0] <= ratio * nearest[:, 1]
    return np.column_stack([np.arange(len(a))[keep], there[keep]])


def sums(both: Shared) -> dict[str, tuple[float, float]]:
    """Above and below the line; {} without descriptors.

    ``matching score``: mutual nearest neighbours within 3 px of where they belong, as a share of the points (DeTone et
    al. 2018: averaged over both views). ``matching precision``: as a share of the mutual nearest neighbours.
    """
    if both.first.descriptors is None or both.second.descriptors is None:
        return {}
    pairs = mutual(both.first.descriptors, both.second.descriptors)
    away = np.linalg.norm(both.seen[pairs[:, 0]] - both.second.xy[pairs[:, 1]], axis=1)
    right = float((away <= EPSILONS[1]).sum())
    total = len(both.first) + len(both.second)
    return {"matching score": (2 * right, float(total)), "matching precision": (right, float(len(pairs)))}


def homography_error(first: Found, second: Found, homography: Homography, size: Size) -> float:
    """px by which the corners of the first picture (H, W) miss, on average; infinite where no homography was found.

    From mutual nearest neighbours that pass Lowe's ratio, by RANSAC. All points are used: an estimator does not know
    what both views show.
    """
    if first.descriptors is None or second.descriptors is None:
        return np.nan
    pairs = mutual(first.descriptors, second.descriptors, RATIO)
    if len(pairs) < 4:
        return np.inf
    cv2.setRNGSeed(_SEED)
    source, target = first.xy[pairs[:, 0]], second.xy[pairs[:, 1]]
    estimate, _ = cv2.findHomography(source, target, cv2.RANSAC, _INLIER, maxIters=_TRIES, confidence=0.9999)
    if estimate is None:
        return np.inf
    height, width = size
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float64)
    away = homographies.apply(np.asarray(estimate), corners) - homographies.apply(homography, corners)
    error = float(np.linalg.norm(away, axis=1).mean())
    return error if np.isfinite(error) else np.inf
