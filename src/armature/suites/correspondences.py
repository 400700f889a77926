"""Two views side by side: which points came back."""

from __future__ import annotations

import cv2
import numpy as np

from armature.data.source import Picture
from armature.interest import repeatability
from armature.interest.pairs import Pair
from armature.interest.repeatability import EPSILONS, Found
from armature.suites.strips import beside

#: Came back within 3 px, and did not.
_BACK, _GONE = (46, 204, 113), (231, 76, 60)


def picture(first: Picture, second: Picture, here: Found, there: Found, pair: Pair) -> tuple[str, Picture]:
    """Caption and picture: points that both views show, green where one of the other view is within 3 px, else red."""
    both = repeatability.in_both(here, there, pair.homography, first.shape[:2], second.shape[:2])
    near = repeatability._nearest(both.seen, both.second.xy) <= EPSILONS[1]
    back = repeatability._nearest(both.second.xy, both.seen) <= EPSILONS[1]
    drawn = [_dots(first, both.first.xy, near), _dots(second, both.second.xy, back)]
    tall = max(d.shape[0] for d in drawn)
    drawn = [np.pad(d, ((0, tall - d.shape[0]), (0, 0), (0, 0)), constant_values=255) for d in drawn]
    share = (near.sum() + back.sum()) / max(1, len(near) + len(back))
    caption = f"{pair.kind}: {share:.0%} of {len(near)} and {len(back)} points that both views show came back (green)"
    return caption, beside(drawn)


def _dots(image: Picture, points: np.ndarray, good: np.ndarray) -> Picture:
    factor = 2 if max(image.shape[:2]) <= 400 else 1
    drawn = np.ascontiguousarray(cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC))
    for (x, y), fine in zip(points, good, strict=True):
        at = (round((x * factor - 0.5) * 16), round((y * factor - 0.5) * 16))
        cv2.circle(drawn, at, 4 * 16, (20, 20, 20), cv2.FILLED, cv2.LINE_AA, 4)
        cv2.circle(drawn, at, 3 * 16, _BACK if fine else _GONE, cv2.FILLED, cv2.LINE_AA, 4)
    return np.asarray(drawn)
