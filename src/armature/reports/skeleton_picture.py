"""One skeleton as a picture: points in their colours, limbs, names, mirrors and sigmas."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from armature import run_folder
from armature.errors import UserError
from armature.reports.skeleton_layout import layout
from armature.skeletons import halves
from armature.structures import Skeleton

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: With more points than this their numbers stand beside them, and their names in the list only.
NAMED = 30
#: Points in a column of the list.
_ROWS = 34
ENDINGS = (".png", ".svg", ".pdf")
_EDGE, _INK, _QUIET = "#3a3f47", "#1c1e22", "#6a707a"


def save(skeleton: Skeleton, path: str | Path, places: ArrayLike | None = None) -> Path:
    """Writes the picture, PNG, SVG or PDF by the name's ending.

    Args:
        places: (K, 2), y downwards; None takes ``skeleton_layout.layout``.

    Raises:
        UserError: another ending.
    """
    path = Path(path)
    if path.suffix not in ENDINGS:
        raise UserError(f"{path}: a picture's name ends in one of {', '.join(ENDINGS)}")
    import matplotlib

    matplotlib.use("Agg")
    points = np.asarray(places, float) if places is not None else layout(skeleton)
    figure = _figure(skeleton, _upright(points))
    path.parent.mkdir(parents=True, exist_ok=True)
    run_folder.write(path, lambda temporary: figure.savefig(temporary, format=path.suffix[1:]))
    return path


def _upright(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scaled to a longer side of 1, y upwards, the smallest values 0."""
    low = points.min(0)
    span = max(float(np.ptp(points, axis=0).max()), 1e-9)
    scaled = (points - low) / span
    return np.stack([scaled[:, 0], scaled[:, 1].max() - scaled[:, 1]], 1)


def _figure(skeleton: Skeleton, points: NDArray[np.float64]) -> Any:
    from matplotlib.figure import Figure

    columns = -(-skeleton.count // _ROWS)
    size = 7.0 if skeleton.count <= NAMED else 11.0
    width, height = np.maximum(points.max(0), 0.35) * size + (2.4 if skeleton.count <= NAMED else 0.6, 0.6)
    listed = 2.9 * columns
    height = max(height, 1.2 + 0.175 * min(skeleton.count, _ROWS))
    figure = Figure(figsize=(width + listed, height + 0.5), dpi=130, facecolor="white")
    top = 1 - 0.5 / (height + 0.5)
    axes = figure.add_axes((0, 0, width / (width + listed), top))
    _draw(axes, skeleton, points)
    text = figure.add_axes((width / (width + listed), 0, listed / (width + listed), top))
    _list(text, skeleton, columns, height)
    figure.text(0.12 / (width + listed) * 1.5, 1 - 0.3 / (height + 0.5), _title(skeleton), fontsize=11, color=_INK)
    return figure


def _draw(axes: Axes, skeleton: Skeleton, points: NDArray[np.float64]) -> None:
    colours = np.array(skeleton.colours) / 255
    for a, b in skeleton.edges:
        axes.plot(*points[[a, b]].T, color=_EDGE, lw=5 if skeleton.count <= NAMED else 2.6, solid_capstyle="round")
    for a, b in skeleton.edges:
        steps = np.linspace(0, 1, 9).tolist()
        for start, stop in itertools.pairwise(steps):
            ends = points[a] + np.outer([start, stop], points[b] - points[a])
            mixed = colours[a] + (colours[b] - colours[a]) * (start + stop) / 2
            axes.plot(*ends.T, color=mixed, lw=3.2 if skeleton.count <= NAMED else 1.4)
    dot = 70 if skeleton.count <= NAMED else 16
    axes.scatter(points[:, 0], points[:, 1], s=dot, c=colours, edgecolors=_EDGE, linewidths=1.0, zorder=3)
    _label(axes, skeleton, points)
    axes.set_aspect("equal")
    axes.margins(0.12 if skeleton.count > NAMED else 0.16)
    axes.axis("off")


def _label(axes: Axes, skeleton: Skeleton, points: NDArray[np.float64]) -> None:
    """Names (or numbers) on the side of a point that looks away from the middle of the figure."""
    import matplotlib.patheffects as effects

    middle = (points[:, 0].min() + points[:, 0].max()) / 2
    named = skeleton.count <= NAMED
    for i, (x, y) in enumerate(points):
        right = x >= middle - 1e-6
        axes.annotate(
            skeleton.keypoints[i] if named else str(i),
            (x, y),
            xytext=((8 if named else 4) * (1 if right else -1), 0 if named else 3),
            textcoords="offset points",
            ha="left" if right else "right",
            va="center",
            fontsize=7.5 if named else 5.5,
            color=_INK,
            zorder=4,
            path_effects=[effects.withStroke(linewidth=2.2, foreground="white")],
        )


def _list(axes: Axes, skeleton: Skeleton, columns: int, height: float) -> None:
    """Number, name, mirror and sigma of every point, in columns."""
    axes.set_xlim(0, columns)
    axes.set_ylim(-height, 0)
    axes.axis("off")
    upper_lower = halves(skeleton)
    lower = set(upper_lower[1]) if upper_lower else set()
    for i, name in enumerate(skeleton.keypoints):
        column, row = divmod(i, _ROWS)
        y = -0.15 - 0.175 * row
        mark = np.array(skeleton.colours[i]) / 255
        axes.scatter([column + 0.03], [y], s=26, c=[mark], edgecolors=_EDGE, linewidths=0.7)
        mirror = f"  mirror {skeleton.flip[i]}" if skeleton.flip[i] != i else ""
        sigma = f"  {skeleton.sigmas[i]:.3g}" if skeleton.sigmas is not None else ""
        half = "  lower" if i in lower else ""
        axes.text(column + 0.07, y, f"{i:>3} {name}", fontsize=7.5, va="center", color=_INK)
        axes.text(column + 0.97, y, f"{mirror}{sigma}{half}", fontsize=6.5, va="center", ha="right", color=_QUIET)


def _title(skeleton: Skeleton) -> str:
    pairs = sum(i < f for i, f in enumerate(skeleton.flip))
    sigmas = "sigmas beside the names" if skeleton.sigmas is not None else "no sigmas"
    counts = f"{skeleton.count} keypoints, {len(skeleton.edges)} limbs, {pairs} mirrored pairs"
    return f"{skeleton.name}: {counts}, {sigmas}"
