"""Many figures of one rig in random poses, sizes and directions, by forward kinematics in a few array calls."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from armature.data.synthetic.rig import Floats, Rig


class Figures(NamedTuple):
    """P figures in the viewer's frame: x to the right, y up, z towards the viewer, in metres about each root.

    Attributes:
        balls: (P, S, 3); radii: (P, S).
        points: (P, K, 3); shown: (P, K) bool, the surface that carries the point looks at the viewer.
    """

    balls: Floats
    radii: Floats
    points: Floats
    shown: NDArray[np.bool_]


def pose(rig: Rig, count: int, rng: np.random.Generator) -> Figures:
    """Draws figures: pose, proportions, girth and direction are random, within the limits of the joints."""
    joints = len(rig.offsets)
    turned = _matrices(np.concatenate([_joint_angles(rig, count, rng), _view_angles(rig, count, rng)[:, None]], 1))
    rotation = turned[:, :joints]
    rotation[:, 0] = turned[:, joints] @ rotation[:, 0]
    noise = np.clip(rng.standard_normal((count, int(rig.groups.max()) + 2)), -2.0, 2.0)
    scale = 1.0 + noise[:, rig.groups, None] * rig.stretch
    place = np.zeros((count, joints, 3))
    for child, parent in rig.levels:
        rotation[:, child] = rotation[:, parent] @ rotation[:, child]
        place[:, child] = place[:, parent] + _turn(rotation[:, parent], rig.offsets[child] * scale[:, parent])
    balls = _fixed(rig.ball_joint, rig.ball_at, rotation, scale, place)
    radii = rig.ball_radius * (1.0 + 0.10 * noise[:, -1:])
    points = _fixed(rig.point_joint, rig.point_at, rotation, scale, place)
    if rig.handed:
        side = np.where(rng.random((count, 1)) < 0.5, -1.0, 1.0)
        balls[..., 0] *= side
        points[..., 0] *= side
    towards = np.einsum("pka,ka->pk", rotation[:, rig.point_joint, 2], rig.normals)
    return Figures(balls, radii, points, towards > rig.facing)


def _fixed(joint: NDArray[np.int64], at: Floats, rotation: Floats, scale: Floats, place: Floats) -> Floats:
    return place[:, joint] + _turn(rotation[:, joint], at * scale[:, joint])


def _turn(rotation: Floats, vector: Floats) -> Floats:
    return np.matmul(rotation, vector[..., None])[..., 0]


def _joint_angles(rig: Rig, count: int, rng: np.random.Generator) -> Floats:
    mode = np.minimum(np.searchsorted(rig.weights, rng.random(count)), len(rig.weights) - 1)
    phase = rng.random((count, 1, 1)) * (2 * np.pi) + rig.phase[None, :, None]
    noise = np.clip(rng.standard_normal((count, len(rig.offsets), 3)), -2.2, 2.2)
    angles = rig.mean[mode] + rig.spread[mode] * noise + rig.swing[mode] * np.sin(phase)
    return np.clip(angles, rig.limits[0], rig.limits[1])


def _view_angles(rig: Rig, count: int, rng: np.random.Generator) -> Floats:
    """(P, 3) radians from the figure's frame to the viewer's: turn about the upright (y), tilt (x), then roll (z)."""
    normal, uniform = rng.standard_normal((count, 3)), rng.random((count, 3))
    means, deviations = np.array([rig.view.elevation, rig.view.yaw, rig.view.roll]).T
    return np.radians(np.where(deviations < 0, uniform * 360.0 - 180.0, means + normal * deviations))


def _matrices(angles: Floats) -> Floats:
    """(..., 3, 3) = Rz Rx Ry for angles (..., 3) about x, y, z in radians."""
    c, s = np.cos(angles), np.sin(angles)
    cx, cy, cz = c[..., 0], c[..., 1], c[..., 2]
    sx, sy, sz = s[..., 0], s[..., 1], s[..., 2]
    out = np.empty((*angles.shape[:-1], 3, 3))
    out[..., 0, 0] = cz * cy - sz * sx * sy
    out[..., 0, 1] = -sz * cx
    out[..., 0, 2] = cz * sy + sz * sx * cy
    out[..., 1, 0] = sz * cy + cz * sx * sy
    out[..., 1, 1] = cz * cx
    out[..., 1, 2] = sz * sy - cz * sx * cy
    out[..., 2, 0] = -cx * sy
    out[..., 2, 1] = sx
    out[..., 2, 2] = cx * cy
    return out
