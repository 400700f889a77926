"""A constant offset of a detector, found without labels: what a turned or mirrored picture gives away.

A detector that puts every point at its place plus ``b`` puts it, in a view with the linear part ``A``, at ``A x + b``.
Mapped back that is ``x + A^-1 b``, and the difference to the unchanged picture is ``(A^-1 - I) b``: twice the offset
across a mirror, and minus twice the offset under a turn of 180 degrees. Shifts show nothing of it. ``b`` is the least
squares solution over all keypoints that have not jumped, of all views whose linear part is not the identity.

Shapes: I images, R draws.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from armature.suites.consistency import Moves
from armature.suites.scenes import View

#: px below which an offset is none, however sure it is: what bilinear sampling does to a picture.
LEAST = 0.05


def label_free(
    parts: Sequence[tuple[View, Moves]], counts: NDArray[np.integer], keypoint: int | None = None
) -> NDArray[np.float64]:
    """(R, 2) the offset x, y in canvas px under each weighting of the images; NaN where no view can show it.

    Args:
        parts: views and what moved in them. counts: (R, I). keypoint: of one alone; None of all.
    """
    images = counts.shape[1]
    normal, right = np.zeros((images, 2, 2)), np.zeros((images, 2))
    for view, moved in parts:
        design = np.linalg.inv(view.matrix[:2, :2]) - np.eye(2)
        chosen = moved.steady if keypoint is None else moved.steady[:, [keypoint]]
        offset = moved.offset if keypoint is None else moved.offset[:, [keypoint]]
        number = np.bincount(moved.image, chosen.sum(1), minlength=images)
        total = np.zeros((images, 2))
        np.add.at(total, moved.image, np.where(chosen[..., None], offset, 0.0).sum(1))
        normal += number[:, None, None] * (design.T @ design)
        right += total @ design
    weights = counts.astype(np.float64)
    lhs, rhs = np.einsum("ri,ijk->rjk", weights, normal), weights @ right
    solvable = np.linalg.cond(np.nan_to_num(lhs)) < 1e9
    found = np.full((len(counts), 2), np.nan)
    if solvable.any():
        found[solvable] = np.linalg.solve(lhs[solvable], rhs[solvable][..., None])[..., 0]
    return found


def named(x: float, y: float, low: Sequence[float], high: Sequence[float]) -> str:
    """The offset in a sentence, and whether it is one at all.

    Args:
        low, high: ends of the intervals of x and y.
    """
    size = float(np.hypot(x, y))
    where = f"{size:.2f} px (x {x:+.2f} [{low[0]:+.2f}, {high[0]:+.2f}], y {y:+.2f} [{low[1]:+.2f}, {high[1]:+.2f}])"
    clear = [(low[i] > 0 or high[i] < 0) and abs((x, y)[i]) >= LEAST for i in range(2)]
    if not any(clear):
        return f"no constant offset to be seen: {where}"
    axes = " and ".join(
        f"{abs(value):.2f} px to the {name}" if axis == 0 else f"{abs(value):.2f} px {name}"
        for axis, value, name in (
            (0, x, "right" if x > 0 else "left"),
            (1, y, "down" if y > 0 else "up"),
        )
        if clear[axis]
    )
    return f"constant offset: on average a keypoint lies {axes} of where a turned or mirrored picture puts it; {where}"
