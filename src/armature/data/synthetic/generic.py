"""A figure for points that nobody knows, grown from the skeleton's edges: a rod for each, a colour for each point."""

from __future__ import annotations

import zlib
from collections import deque

import numpy as np

from armature.data.synthetic.rig import Builder, Pose, Rig, Vector, View
from armature.errors import DataError
from armature.structures import Skeleton

#: Seen from the front only: nothing on such a figure tells its front from its back.
VIEW = View(yaw=(0.0, 22.0), elevation=(0.0, 14.0), roll=(0.0, 12.0))
#: Parts are numbered in eight bits, and every point needs one.
_MOST = 255
_GOLDEN = 0.61803398875


def grow(skeleton: Skeleton) -> Rig:
    """The figure of a skeleton: joints at its points, pairs mirrored, bones along a spanning tree of its edges.

    Raises:
        DataError: more points than the label map can number.
    """
    if skeleton.count > _MOST:
        raise DataError(
            f"Synthetic: skeleton '{skeleton.name}' has {skeleton.count} keypoints; figures are drawn for up to {_MOST}"
        )
    parents = _tree(skeleton)
    places = _layout(skeleton, parents)
    low, high = places.min(0), places.max(0)
    unit = 1.6 / max(float((high - low).max()), 1e-6)
    places = (places - (low + high) / 2) * unit
    thickness = float(np.clip(0.55 / np.sqrt(skeleton.count), 0.03, 0.09))
    b = Builder(skeleton.name)
    b.joint("body", None, (0, 0, 0), "body", (0.1, 0.1, 0.1))
    bones = _bones(b, skeleton, parents, places, thickness)
    for i, name in enumerate(skeleton.keypoints):
        b.point(name, f"j{i}", (0, 0, 0), bones[i])
    bend = 26.0 / max(1.0, np.sqrt(skeleton.count / 8))
    moves: dict[str, Vector] = {f"j{i}": (bend * 0.6, bend * 0.6, bend) for i in range(skeleton.count)}
    return b.build(skeleton.keypoints, [Pose(1.0, {}, moves)], VIEW, 1.75)


def _bones(
    b: Builder, skeleton: Skeleton, parents: list[int], places: np.ndarray, thickness: float
) -> dict[int, list[str]]:
    """Adds joints and parts to the figure; the parts that show each point."""
    bones: dict[int, list[str]] = {i: [] for i in range(skeleton.count)}
    with_balls = 2 * skeleton.count < _MOST
    for i, parent in _outwards(parents):
        above = f"j{parent}" if parent >= 0 else "body"
        offset = _vector(places[i] - (places[parent] if parent >= 0 else 0.0))
        b.joint(f"j{i}", above, offset, f"g{min(i, skeleton.flip[i])}", (0.08, 0.08, 0.08))
        if parent >= 0:
            ends = (above, (0.0, 0.0, 0.0), thickness * 0.72), (f"j{i}", (0.0, 0.0, 0.0), thickness * 0.6)
            b.part(f"bone{i}", _paint(i, 0.8), *ends)
            bones[i].append(f"bone{i}")
            bones[parent].append(f"bone{i}")
        if with_balls or parent < 0:
            b.part(f"ball{i}", _paint(i, 1.0), (f"j{i}", (0.0, 0.0, 0.0), thickness), bias=thickness)
            bones[i].append(f"ball{i}")
    return bones


def _tree(skeleton: Skeleton) -> list[int]:
    """The parent of each point, -1 for the root: breadth first from the busiest point; islands hang on the root."""
    near: dict[int, list[int]] = {i: [] for i in range(skeleton.count)}
    for a, b in skeleton.edges:
        near[a].append(b)
        near[b].append(a)
    root = max(range(skeleton.count), key=lambda i: (len(near[i]), skeleton.flip[i] == i, -i))
    parents = [-2] * skeleton.count
    parents[root] = -1
    for start in [root, *range(skeleton.count)]:
        if parents[start] == -2:
            parents[start] = root
        queue = deque([start])
        while queue:
            here = queue.popleft()
            for there in near[here]:
                if parents[there] == -2:
                    parents[there] = here
                    queue.append(there)
    return parents


def _outwards(parents: list[int]) -> list[tuple[int, int]]:
    """(point, parent) so that parents come first."""
    done: list[tuple[int, int]] = [(parents.index(-1), -1)]
    for here, _ in done:
        done += [(i, here) for i, p in enumerate(parents) if p == here]
    return done


def _layout(skeleton: Skeleton, parents: list[int]) -> np.ndarray:
    """(K, 3) places at rest: children fan out from where their parent came from; a mirrored pair is mirrored in x."""
    rng = np.random.default_rng(zlib.crc32(repr((skeleton.keypoints, skeleton.edges)).encode()))
    places, heading = np.zeros((skeleton.count, 3)), np.full(skeleton.count, np.pi / 2)
    for here, parent in _outwards(parents):
        children = [i for i, p in enumerate(parents) if p == here]
        wide = np.pi * (2.0 if parent < 0 else 1.1) * (1 - 1 / (len(children) + 1))
        fan = np.linspace(-wide / 2, wide / 2, len(children)) if len(children) > 1 else np.zeros(1)
        for child, turn in zip(children, fan, strict=False):
            heading[child] = heading[here] + turn + rng.normal(0, 0.12)
            length = 0.75 ** min(_depth(parents, child), 6) * rng.uniform(0.85, 1.15)
            direction = np.array([np.cos(heading[child]), np.sin(heading[child]), rng.normal(0, 0.15)])
            places[child] = places[here] + length * direction
    return _spaced(_mirrored(skeleton, places + rng.normal(0, 0.02, places.shape)))


def _mirrored(skeleton: Skeleton, places: np.ndarray) -> np.ndarray:
    """The same layout with pairs on either side of x = 0 and, if there are pairs, all others on it."""
    paired = any(f != i for i, f in enumerate(skeleton.flip))
    for i, mirrored in enumerate(skeleton.flip):
        if mirrored > i:
            side = -1.0 if "right" in skeleton.keypoints[i].lower() else 1.0
            places[i, 0] = side * max(abs(places[i, 0]), 0.12)
            places[mirrored] = places[i] * (-1, 1, 1)
        elif mirrored == i and paired:
            places[i, 0] = 0.0
    return places


def _spaced(places: np.ndarray) -> np.ndarray:
    """The layout with points that lie on each other pushed apart; what is mirrored stays mirrored."""
    least = 0.8 * float(np.ptp(places[:, :2], axis=0).max()) / np.sqrt(len(places))
    for _ in range(80):
        apart = places[:, None, :2] - places[None, :, :2]
        distance = np.linalg.norm(apart, axis=-1) + 1e-9
        push = np.maximum(least - distance, 0.0) * (1.0 - np.eye(len(places)))
        places[:, :2] += 0.25 * (push[..., None] * apart / distance[..., None]).sum(1)
    return places


def _depth(parents: list[int], point: int) -> int:
    depth = 0
    while parents[point] >= 0:
        point, depth = parents[point], depth + 1
    return depth


def _paint(index: int, value: float) -> str:
    return f"hue:{(index * _GOLDEN) % 1.0:.4f}:{value}"


def _vector(xyz: np.ndarray) -> Vector:
    return float(xyz[0]), float(xyz[1]), float(xyz[2])
