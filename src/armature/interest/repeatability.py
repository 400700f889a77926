"""How often a point comes back in another view of the same plane, and how far from where it belongs.

Repeatability (Mikolajczyk et al. 2005; as DeTone et al. 2018, *SuperPoint*, app. A, have it): of the points of both
views that both views show, the share with a point of the other view within epsilon px, measured in the second view:
(repeated in 1 + repeated in 2) / (N1 + N2). Localisation error: the mean distance of those within epsilon, px.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from armature.interest import homographies
from armature.interest.homographies import Homography, Size

#: px; the middle one is that of the localisation error and of a correct match.
EPSILONS = (1.0, 3.0, 5.0)
#: px from a view's edge within which nothing is compared.
MARGIN = 4.0


@dataclass(frozen=True)
class Found:
    """The points of one picture: xy (N, 2) continuous px, best first; descriptors (N, D) of unit length or None."""

    xy: NDArray[np.float64]
    descriptors: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.xy)

    def among(self, mask: NDArray) -> Found:
        """Those of them that a mask or indices name."""
        return Found(self.xy[mask], None if self.descriptors is None else self.descriptors[mask])


@dataclass(frozen=True)
class Shared:
    """The points of both views that both views show.

    Attributes:
        first, second: each in its own view. seen: (N1, 2) the first's in the second view.
    """

    first: Found
    second: Found
    seen: NDArray[np.float64]


def in_both(first: Found, second: Found, homography: Homography, size: Size, there: Size) -> Shared:
    """The points that both views of sizes (H, W) show, ``MARGIN`` px from every edge.

    Args:
        homography: first -> second.
    """
    back = np.asarray(np.linalg.inv(homography), np.float64)
    a = homographies.shared(first.xy, homography, np.eye(3), size, there, MARGIN)
    b = homographies.shared(second.xy, back, np.eye(3), there, size, MARGIN)
    one = first.among(a)
    return Shared(one, second.among(b), homographies.apply(homography, one.xy))


def sums(both: Shared) -> dict[str, tuple[float, float]]:
    """Above and below the line: ``repeatability@1``, ``@3``, ``@5`` and ``localisation`` (px, of those within 3)."""
    here, there = _nearest(both.seen, both.second.xy), _nearest(both.second.xy, both.seen)
    each = np.concatenate([here, there])
    found = {f"repeatability@{eps:g}": (float((each <= eps).sum()), float(len(each))) for eps in EPSILONS}
    near = each[each <= EPSILONS[1]]
    return found | {"localisation": (float(near.sum()), float(len(near)))}


def _nearest(points: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N,) px to the nearest of the others; infinite where there is none."""
    if not len(points) or not len(others):
        return np.full(len(points), np.inf)
    return np.asarray(cKDTree(others).query(points)[0])
