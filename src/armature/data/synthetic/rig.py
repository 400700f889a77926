"""A jointed figure built of balls: its joints, its named points, its parts, and how it may move.

A part is the convex hull of up to four balls fixed to joints: one ball is an eye, two are a limb, four a trunk. Seen
from any side, the outline of such a hull is the convex hull of circles: every part of every figure is drawn alike.

Frames: a figure at rest faces +z (the viewer), its left side is +x, up is +y. Units are metres of a grown person; only
proportions matter, for every figure is scaled to the picture afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Vector = tuple[float, float, float]

#: Balls that make one part at most.
BALLS = 4


@dataclass
class Pose:
    """One way to hold the body: angles in degrees about x (bend), y (twist) and z (spread) by joint name.

    ``mean``, ``spread`` (standard deviation) and ``swing`` (amplitude of a shared random phase: walking). An entry for
    ``arm`` serves ``left_arm`` and ``right_arm``; on the right, twist and spread change their sign and swing is half a
    period late.
    """

    weight: float
    mean: Mapping[str, Vector] = field(default_factory=dict)
    spread: Mapping[str, Vector] = field(default_factory=dict)
    swing: Mapping[str, Vector] = field(default_factory=dict)


@dataclass(frozen=True)
class View:
    """From where figures are seen, in degrees: means and standard deviations; a negative deviation means any angle."""

    yaw: tuple[float, float] = (0.0, -1.0)
    elevation: tuple[float, float] = (8.0, 9.0)
    roll: tuple[float, float] = (0.0, 7.0)


@dataclass(frozen=True)
class Rig:
    """A kind of figure as arrays, ready for drawing many at once; made by ``Builder.build``.

    J joints, S balls, A parts, K points of the skeleton, O poses, G groups of proportions.

    Attributes:
        levels: pairs (children, parents) of joint indices, root first.
        offsets: (J, 3) place of the joint in its parent's frame.
        groups: (J,) the column of proportions that stretches what is fixed to the joint; stretch: (J, 3) how much.
        ball_joint, ball_at, ball_radius: (S,), (S, 3), (S,).
        part_balls: (A, 4) ball indices, the last one repeated; part_bias: (A,) added to the depth in sorting parts.
        part_material: (A,) index into ``materials``; 255 parts at most. spans: per material its first part and the one
            after its last: parts are sorted by material. part_limb: (A,) parts of one limb are lit as one.
        point_joint, point_at: (K,), (K, 3). facial: (K,) bool, on the surface of a head.
        carriers: (K, 256) bool, part p shows point k; surface: the same, but only while the normal looks at the viewer.
        normals: (K, 3) in the joint's frame; facing: (K,) how much of them must point at the viewer to show the point.
        weights, mean, spread, swing: (O,), (O, J, 3) radians; phase: (J,) radians; limits: (2, J, 3) radians.
        reach: height of the figure at rest, in its own units: what the scale of a picture refers to.
        handed: True if half of the figures are drawn mirrored (a hand); shadow: whether it stands on a floor.
    """

    name: str
    levels: tuple[tuple[Ints, Ints], ...]
    offsets: Floats
    groups: Ints
    stretch: Floats
    ball_joint: Ints
    ball_at: Floats
    ball_radius: Floats
    part_names: tuple[str, ...]
    part_balls: Ints
    part_bias: Floats
    part_material: Ints
    part_limb: Ints
    spans: tuple[tuple[int, int], ...]
    materials: tuple[str, ...]
    point_joint: Ints
    point_at: Floats
    facial: NDArray[np.bool_]
    carriers: NDArray[np.bool_]
    surface: NDArray[np.bool_]
    normals: Floats
    facing: Floats
    weights: Floats
    mean: Floats
    spread: Floats
    swing: Floats
    phase: Floats
    limits: Floats
    view: View
    reach: float
    handed: bool
    shadow: bool


@dataclass(frozen=True)
class _Point:
    joint: str
    at: Vector
    shown_by: tuple[str, ...]
    surface: tuple[str, ...]
    normal: Vector
    facing: float


class Builder:
    """Collects joints, parts, points and poses by name, then builds a Rig for the points a skeleton asks for."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._joints: dict[str, tuple[str | None, Vector, str, Vector]] = {}
        self._parts: dict[str, tuple[str, list[tuple[str, Vector, float]], float, str]] = {}
        self._points: dict[str, _Point] = {}
        self._limits: dict[str, tuple[Vector, Vector]] = {}

    def joint(
        self, name: str, parent: str | None, at: Vector, group: str = "body", stretch: Vector = (0.08, 0.08, 0.05)
    ) -> None:
        """Adds a joint at a place in its parent's frame."""
        self._joints[name] = (parent, at, group, stretch)

    def part(
        self, name: str, material: str, *balls: tuple[str, Vector, float], bias: float = 0.0, limb: str = ""
    ) -> None:
        """Adds a part: the hull of balls, each (joint, place, radius); parts of one limb show no seam."""
        self._parts[name] = (material, list(balls), bias, limb or name)

    def point(
        self,
        names: str | Sequence[str],
        joint: str,
        at: Vector,
        shown_by: Sequence[str],
        surface: Sequence[str] = (),
        normal: Vector = (0.0, 0.0, 1.0),
        facing: float = 0.0,
    ) -> None:
        """Adds a point that skeletons may ask for under any of several names."""
        for name in (names,) if isinstance(names, str) else names:
            self._points[spelling(name)] = _Point(joint, at, tuple(shown_by), tuple(surface), normal, facing)

    def limit(self, joint: str, low: Vector, high: Vector) -> None:
        """Sets the angles (degrees) that a joint never leaves; for a right joint give those of the left."""
        self._limits[joint] = (low, high)

    def knows(self, names: Sequence[str]) -> bool:
        """True if every name is a point of this figure."""
        return all(spelling(n) in self._points for n in names)

    def build(
        self,
        names: Sequence[str],
        poses: Sequence[Pose],
        view: View,
        reach: float,
        handed: bool = False,
        shadow: bool = False,
    ) -> Rig:
        """The figure as arrays, with the K points in the order of ``names``."""
        order = list(self._joints)
        index = {n: i for i, n in enumerate(order)}
        groups = sorted({g for _, _, g, _ in self._joints.values()})
        part_names = tuple(sorted(self._parts, key=lambda p: self._parts[p][0]))
        balls = [b for p in part_names for b in self._parts[p][1]]
        points = [self._points[spelling(n)] for n in names]
        materials = tuple(sorted({m for m, *_ in self._parts.values()}))
        worn = [self._parts[p][0] for p in part_names]
        limbs = [self._parts[p][3] for p in part_names]
        return Rig(
            name=self.name,
            levels=self._levels(index),
            offsets=np.array([self._joints[n][1] for n in order], float),
            groups=np.array([groups.index(self._joints[n][2]) for n in order]),
            stretch=np.array([self._joints[n][3] for n in order], float),
            ball_joint=np.array([index[j] for j, _, _ in balls]),
            ball_at=np.array([at for _, at, _ in balls], float),
            ball_radius=np.array([r for _, _, r in balls], float),
            part_names=part_names,
            part_balls=self._part_balls(part_names),
            part_bias=np.array([self._parts[p][2] for p in part_names], float),
            part_material=np.array([materials.index(self._parts[p][0]) for p in part_names]),
            part_limb=np.array([limbs.index(limb) for limb in limbs]),
            spans=tuple((worn.index(m), worn.index(m) + worn.count(m)) for m in materials),
            materials=materials,
            point_joint=np.array([index[p.joint] for p in points], int),
            point_at=np.array([p.at for p in points], float).reshape(-1, 3),
            facial=np.array([p.joint == "head" and bool(p.surface) for p in points], bool),
            carriers=_table([p.shown_by for p in points], part_names),
            surface=_table([p.surface for p in points], part_names),
            normals=np.array([p.normal for p in points], float).reshape(-1, 3),
            facing=np.array([p.facing for p in points], float),
            weights=np.cumsum([p.weight for p in poses]) / sum(p.weight for p in poses),
            mean=np.radians([_angles(p.mean, order) for p in poses]),
            spread=np.radians([_angles(p.spread, order) for p in poses]),
            swing=np.radians([_angles(p.swing, order) for p in poses]),
            phase=np.array([np.pi if n.startswith("right") else 0.0 for n in order]),
            limits=self._limit_array(order),
            view=view,
            reach=reach,
            handed=handed,
            shadow=shadow,
        )

    def _levels(self, index: dict[str, int]) -> tuple[tuple[Ints, Ints], ...]:
        depth: dict[str, int] = {}
        for name, (parent, *_) in self._joints.items():
            depth[name] = 0 if parent is None else depth[parent] + 1
        levels = []
        for d in range(1, max(depth.values()) + 1):
            names = [n for n in index if depth[n] == d]
            levels.append(
                (np.array([index[n] for n in names]), np.array([index[str(self._joints[n][0])] for n in names]))
            )
        return tuple(levels)

    def _part_balls(self, part_names: Sequence[str]) -> Ints:
        rows, start = [], 0
        for name in part_names:
            count = len(self._parts[name][1])
            rows.append([start + min(i, count - 1) for i in range(BALLS)])
            start += count
        return np.array(rows)

    def _limit_array(self, order: Sequence[str]) -> Floats:
        limits = np.radians(np.array([[(-180.0,) * 3] * len(order), [(180.0,) * 3] * len(order)]))
        for i, name in enumerate(order):
            bare = name.removeprefix("left_").removeprefix("right_")
            if bare in self._limits:
                low, high = np.radians(self._limits[bare])
                if name.startswith("right_"):
                    low, high = low * (1, -1, -1), high * (1, -1, -1)
                limits[0, i], limits[1, i] = np.minimum(low, high), np.maximum(low, high)
        return limits


def spelling(name: str) -> str:
    """A keypoint name in one spelling: lower case, no separators, sides as ``left``/``right`` in front."""
    text = name.lower().replace("-", "_").replace(" ", "_").replace(".", "_")
    words = [w for w in text.split("_") if w]
    sides = {"l": "left", "r": "right", "left": "left", "right": "right"}
    side = [sides[w] for w in words if w in sides]
    rest = "".join(w for w in words if w not in sides)
    for s in ("left", "right"):
        if not side and s in rest:
            side, rest = [s], rest.replace(s, "", 1)
    return (side[0] if side else "") + rest


def _table(wanted: Sequence[Sequence[str]], part_names: Sequence[str]) -> NDArray[np.bool_]:
    table = np.zeros((len(wanted), 256), bool)
    for k, parts in enumerate(wanted):
        for part in parts:
            table[k, part_names.index(part)] = True
    return table


def _angles(given: Mapping[str, Vector], order: Sequence[str]) -> Floats:
    """(J, 3) degrees: names of a pair serve both sides, mirrored on the right; unknown names are a mistake of ours."""
    out = np.zeros((len(order), 3))
    for name, angles in given.items():
        hit = [i for i, n in enumerate(order) if n in (name, f"left_{name}", f"right_{name}")]
        assert hit, name
        for i in hit:
            mirror = (1, -1, -1) if order[i].startswith("right_") else (1, 1, 1)
            out[i] = np.array(angles) * mirror
    return out
