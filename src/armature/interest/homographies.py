"""Plane projective maps: drawing them at random, applying them to points and pictures, and what both views share.

Coordinates are continuous (a pixel spans [i, i + 1)); matrices act on column vectors (x, y, 1).
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from armature.data.geometry import FILL, translation
from armature.data.source import Picture

Homography = NDArray[np.float64]
Points = NDArray[np.float64]
Size = tuple[int, int]


def apply(homography: Homography, points: Points) -> Points:
    """Points (N, 2) after the map; NaN for those on or behind its horizon."""
    ahead = points @ homography[:, :2].T + homography[:, 2]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(ahead[:, 2:] > 1e-9, ahead[:, :2] / ahead[:, 2:], np.nan))


def draw(
    size: Size,
    rng: np.random.Generator,
    perspective: float = 0.2,
    rotation: float = 25.0,
    scale: tuple[float, float] = (0.75, 1.35),
    shift: float = 0.1,
) -> Homography:
    """A random view of a picture of (H, W): corners pulled about, then turned, scaled and moved about the middle.

    Args:
        perspective: how far each corner may go, as a share of half the side. rotation: largest angle to either side,
            degrees. scale: least and largest factor, drawn log-uniformly. shift: largest move, as a share of the side.
    """
    height, width = size
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float64)
    middle, sides = np.array([width, height]) / 2, np.array([width, height], np.float64)
    moved = corners + rng.uniform(-perspective, perspective, (4, 2)) * sides / 2
    angle = np.radians(rng.uniform(-rotation, rotation))
    factor = scale[0] * (scale[1] / scale[0]) ** rng.random()
    turn = factor * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = (moved - middle) @ turn.T + middle + rng.uniform(-shift, shift, 2) * sides
    return np.asarray(cv2.getPerspectiveTransform(corners.astype(np.float32), moved.astype(np.float32)), np.float64)


def warped(picture: Picture, homography: Homography, size: Size) -> Picture:
    """The picture seen by a homography on a canvas of (H, W), bilinear; what it does not show is ``FILL``."""
    # OpenCV counts pixel centres as whole numbers
    indices = translation(-0.5, -0.5) @ homography @ translation(0.5, 0.5)
    shown = cv2.warpPerspective(
        picture,
        indices,
        (size[1], size[0]),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=FILL,
    )
    return np.asarray(shown)


def shared(points: Points, homography: Homography, here: Homography, size: Size, there: Size, margin: float) -> NDArray:
    """(N,) bool: which points both views show, ``margin`` px away from every edge.

    Args:
        points: of one view. homography: from it to the other.
        here: from this view to the original picture of (H, W) ``size``, whose edges are visible in a view.
        there: (H, W) of the other view's canvas.
    """
    original, other = apply(here, points), apply(homography, points)
    return _inside(original, size, margin) & _inside(other, there, margin)


def _inside(points: Points, size: Size, margin: float) -> NDArray[np.bool_]:
    limits = np.array([size[1], size[0]], np.float64)
    with np.errstate(invalid="ignore"):
        return np.asarray(((points >= margin) & (points <= limits - margin)).all(1))
