"""A skeleton guessed from labelled people: limbs from how rigid distances are, mirrored pairs from names and symmetry.

Guesses, for a person to confirm: pictures are flat, people turn and bend, and nothing here knows anatomy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from armature.errors import DataError
from armature.skeletons import mirrored_name

#: Two points must be labelled together this often for their distance to say anything.
LEAST = 5
#: Share of a distance's mean that counts beside its deviation.
SHORT = 0.2
#: Points whose mirror images lie within this share of the figure's size of each other may be a pair.
NEAR = 0.12
#: Axes that are tried for the mirror.
_AXES = 180
_ROUNDS = 12


@dataclass(frozen=True)
class Guess:
    """What the data suggest.

    Attributes:
        edges: pairs of indices, a tree over all points that were labelled with others. spread: of each edge, the
            standard deviation of its length relative to the person, in percent.
        flip: K indices; an involution. by_name: which points names alone told. off: of each pair that only symmetry
            tells, how far it is from exact symmetry, as a share of the figure's size. doubts: what else to look at, in
            sentences.
        shape: (K, 2) the mean figure, y downwards, its root mean square size 1; NaN for a point nobody labelled.
        counts: (K,) people with the point labelled.
    """

    edges: tuple[tuple[int, int], ...]
    spread: tuple[float, ...]
    flip: tuple[int, ...]
    by_name: tuple[bool, ...]
    off: dict[tuple[int, int], float]
    doubts: tuple[str, ...]
    shape: NDArray[np.float64]
    counts: NDArray[np.int64]


def guess(names: tuple[str, ...], keypoints: NDArray[np.float64], labelled: NDArray[np.bool_]) -> Guess:
    """Edges, mirrored pairs and mean figure of people (G, K, 2), of whose points ``labelled`` (G, K) are known.

    Raises:
        DataError: fewer than ``LEAST`` people with two labelled points.
    """
    useful = labelled.sum(1) >= 2
    if useful.sum() < LEAST:
        raise DataError(f"only {int(useful.sum())} people have two or more labelled keypoints; {LEAST} are needed")
    points, on = keypoints[useful], labelled[useful]
    shape = mean_shape(points, on)
    edges, spread = rigid_tree(points * _scales(points, on, shape)[:, None, None], on)
    flip, by_name, off, doubts = _flip(names, shape)
    doubts += [f"'{names[k]}' is labelled in {n} people only" for k, n in enumerate(on.sum(0)) if n < LEAST]
    linked = {k for edge in edges for k in edge}
    doubts += [f"'{name}' has no limb: it is never labelled with others" for k, name in enumerate(names)
               if k not in linked and len(names) > 1]  # fmt: skip
    return Guess(edges, spread, flip, by_name, off, tuple(doubts), shape, on.sum(0))


def rigid_tree(
    points: NDArray[np.float64], on: NDArray[np.bool_]
) -> tuple[tuple[tuple[int, int], ...], tuple[float, ...]]:
    """The spanning tree of the distances that vary least, in people scaled alike, and each one's deviation in percent.

    A bone changes its length in a picture only by turning; points of different bones also move against each other. Of
    distances equally rigid (all of a face are) the shorter one is taken. Points that are hardly ever labelled together
    are not joined.
    """
    from scipy.sparse.csgraph import minimum_spanning_tree

    count = points.shape[1]
    cost, spread = np.zeros((count, count)), np.zeros((count, count))
    for i in range(count):
        for j in range(i + 1, count):
            both = on[:, i] & on[:, j]
            if both.sum() >= min(LEAST, len(on)):
                lengths = np.linalg.norm(points[both, i] - points[both, j], axis=-1)
                spread[i, j] = lengths.std()
                # Never exactly 0, which would be no edge for scipy.
                cost[i, j] = np.hypot(spread[i, j], SHORT * lengths.mean()) + 1e-9
    rows, columns = minimum_spanning_tree(cost).nonzero()
    edges = sorted((int(min(a, b)), int(max(a, b))) for a, b in zip(rows, columns, strict=True))
    return tuple(edges), tuple(round(100 * float(spread[e]), 2) for e in edges)


def mean_shape(points: NDArray[np.float64], on: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(K, 2) the mean figure after people were laid upon each other by shift, scale and rotation (Gower 1975).

    Rotation only where it helps: people mostly stand upright and keep that, animals seen from above do not.
    """
    upright = _procrustes(points, on, turn=False)
    turned = _procrustes(points, on, turn=True)
    return turned if _spread(points, on, turned, True) < 0.5 * _spread(points, on, upright, False) else upright


def _procrustes(points: NDArray[np.float64], on: NDArray[np.bool_], turn: bool) -> NDArray[np.float64]:
    seed = int(on.sum(1).argmax())
    shape = np.where(on[seed][:, None], points[seed], np.nan)
    shape = _normal(shape)
    for _ in range(_ROUNDS):
        laid = np.stack([_laid(p, o, shape, turn) for p, o in zip(points, on, strict=True)])
        seen = np.isfinite(laid).all(-1)
        total = np.where(seen[..., None], laid, 0).sum(0)
        shape = _normal(np.where(seen.any(0)[:, None], total / np.maximum(seen.sum(0), 1)[:, None], np.nan))
    return shape


def _laid(points: NDArray[np.float64], on: NDArray[np.bool_], shape: NDArray[np.float64], turn: bool) -> NDArray:
    """A person's points upon the shape; NaN where not labelled, all NaN where fewer than two points are common."""
    common = on & np.isfinite(shape).all(-1)
    if common.sum() < 2:
        return np.full_like(points, np.nan)
    # As complex numbers a similarity is one multiplication, and its least squares one division.
    z, w = points[:, 0] + 1j * points[:, 1], shape[:, 0] + 1j * shape[:, 1]
    middle, onto = z[common].mean(), w[common].mean()
    a, b = z[common] - middle, w[common] - onto
    factor = (a.conj() @ b) / max((a.conj() @ a).real, 1e-12)
    if not turn:
        factor = np.linalg.norm(b) / max(np.linalg.norm(a), 1e-6)
    laid = (z - middle) * factor + onto
    return np.where(on[:, None], np.stack([laid.real, laid.imag], -1), np.nan)


def _spread(points: NDArray[np.float64], on: NDArray[np.bool_], shape: NDArray[np.float64], turn: bool) -> float:
    """Mean squared distance of people's points from the shape's."""
    laid = np.stack([_laid(p, o, shape, turn) for p, o in zip(points, on, strict=True)])
    return float(np.nanmean(((laid - shape) ** 2).sum(-1)))


def _normal(shape: NDArray[np.float64]) -> NDArray[np.float64]:
    centred = shape - np.nanmean(shape, 0)
    return centred / max(float(np.sqrt(np.nanmean((centred**2).sum(-1)))), 1e-12)


def _scales(points: NDArray[np.float64], on: NDArray[np.bool_], shape: NDArray[np.float64]) -> NDArray[np.float64]:
    """(G,) factors that make each person as large as the shape, by the points labelled on them."""
    factors = []
    for person, labelled in zip(points, on, strict=True):
        common = labelled & np.isfinite(shape).all(-1)
        own, other = (p[common] - p[common].mean(0) for p in (person, shape))
        factors.append(np.linalg.norm(other) / max(float(np.linalg.norm(own)), 1e-6))
    return np.array(factors)


# ---------------------------------------------------------------------- mirrors


def _flip(
    names: tuple[str, ...], shape: NDArray[np.float64]
) -> tuple[tuple[int, ...], tuple[bool, ...], dict[tuple[int, int], float], list[str]]:
    """The mirror of every point, whether its name told it, how symmetric the others are, and what is doubtful."""
    index = {name: i for i, name in enumerate(names)}
    flip, told, doubts = list(range(len(names))), [False] * len(names), []
    for i, name in enumerate(names):
        other = mirrored_name(name)
        if other != name and other in index:
            flip[i], told[i] = index[other], True
        elif other != name:
            doubts.append(f"'{name}' has a side in its name, but there is no '{other}'")
    off = {(i, j): distance for i, j, distance in _symmetric(shape, [not t for t in told], flip)}
    for i, j in off:
        flip[i], flip[j] = j, i
    if any(told) and off:
        pairs = ", ".join(f"'{names[i]}' and '{names[j]}'" for i, j in off)
        doubts.append(f"other names tell the sides, but only positions say that these change places: {pairs}")
    return tuple(flip), tuple(told), off, doubts


def _symmetric(shape: NDArray[np.float64], free: list[bool], flip: list[int]) -> list[tuple[int, int, float]]:
    """Pairs among the free points that the best mirror axis through the middle puts upon each other, and how nearly.

    Known pairs count for the axis too. A free point on the axis is its own mirror.
    """
    from scipy.optimize import linear_sum_assignment

    on = np.flatnonzero(np.isfinite(shape).all(-1) & np.array(free))
    known = [i for i in np.flatnonzero(np.isfinite(shape).all(-1)) if not free[i]]
    if len(on) < 2:
        return []
    best: tuple[float, list[tuple[int, int, float]]] = (np.inf, [])
    for angle in np.arange(_AXES) * np.pi / _AXES:
        across = np.array([np.cos(angle), np.sin(angle)])
        mirrored = shape - 2 * np.outer(shape @ across, across)
        apart = np.linalg.norm(mirrored[on][:, None] - shape[on], axis=-1)
        rows, columns = linear_sum_assignment(apart + apart.T)
        fixed = sum(float(np.linalg.norm(mirrored[i] - shape[flip[i]])) for i in known)
        total = float(apart[rows, columns].sum()) + fixed
        mutual = [(int(on[a]), int(on[b]), float(apart[a, b])) for a, b in zip(rows, columns, strict=True)
                  if a < b and columns[b] == a and apart[a, b] < NEAR]  # fmt: skip
        # A mirror that moves nothing is no mirror: a straight row of points is symmetric along itself.
        if (mutual or known) and total < best[0]:
            best = (total, mutual)
    return best[1]
