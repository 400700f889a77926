"""Where a skeleton's points are drawn: people, faces, hands and four-legged animals as they look, others as graphs.

Positions are of no unit, y downwards, as seen by a camera in front of a person: the person's left is on the right.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from armature.skeleton_mapping import canonical
from armature.structures import Skeleton

#: Canonical name -> place.
Places = dict[str, tuple[float, float]]

#: With fewer points than this nothing tells a known figure from another that has the same names.
FEWEST = 6

_STEPS = 400  # of the stress majorisation; it settles within a hundred for all skeletons that come with the project


def layout(skeleton: Skeleton) -> NDArray[np.float64]:
    """(K, 2) places: of the first known figure that has all of the skeleton's points, else from its limbs."""
    words = [canonical(name) for name in skeleton.keypoints]
    for figure in FIGURES if len(set(words)) == len(words) >= FEWEST else ():
        places = figure()
        if all(word in places for word in words):
            return np.array([places[word] for word in words])
    return from_limbs(skeleton)


def from_limbs(skeleton: Skeleton) -> NDArray[np.float64]:
    """(K, 2) places at distances like the number of limbs between points, mirrored points opposite each other.

    Stress majorisation (Gansner et al., Graph Drawing 2004) with weights 1 / d^2, the mean of the drawing and its
    mirror image taken after each step, so that the result is its own mirror image.
    """
    apart = _hops(skeleton)
    weight = 1 / np.where(apart > 0, apart, np.inf) ** 2
    pinned = np.linalg.pinv(np.diag(weight.sum(1)) - weight)
    flip = np.array(skeleton.flip)
    points = _start(skeleton, apart)
    for _ in range(_STEPS):
        away = points[:, None] - points
        real = np.maximum(np.linalg.norm(away, axis=-1), 1e-9)
        points = pinned @ ((weight * apart / real)[..., None] * away).sum(1)
        points = (points + points[flip] * [-1, 1]) / 2
    return points


def _start(skeleton: Skeleton, apart: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pairs at both sides of the middle, downwards by the distance from the first point."""
    own, flip = np.arange(skeleton.count), np.array(skeleton.flip)
    left = np.array([canonical(name).startswith("left_") for name in skeleton.keypoints])
    right = np.where(left | left[flip], left, own < flip)  # of the picture
    side = np.where(flip == own, 0.0, np.where(right, 1.0, -1.0))
    # A little of each point's number keeps points apart that nothing else tells apart, the same on both sides.
    jitter = 0.1 * np.sin(np.minimum(own, flip) * 2.4)
    x = side * (0.5 + apart[own, flip] / 2 + jitter)
    return np.stack([np.cos(own * 2.4) if (flip == own).all() else x, apart[0] + jitter], 1)


def _hops(skeleton: Skeleton) -> NDArray[np.float64]:
    """(K, K) limbs between points; pieces that no limb joins are two limbs more than the longest way apart."""
    from scipy.sparse.csgraph import shortest_path

    graph = np.zeros((skeleton.count, skeleton.count))
    for a, b in skeleton.edges:
        graph[a, b] = 1
    hops = shortest_path(graph, directed=False, unweighted=True)
    far = hops[np.isfinite(hops)].max(initial=0) + 2
    return np.where(np.isfinite(hops), hops, far)


# ---------------------------------------------------------------------- figures


def _mirrored(one_side: Mapping[str, tuple[float, float]], middle: Mapping[str, tuple[float, float]]) -> Places:
    """Both sides of a figure from its left one, by canonical names."""
    places = {canonical(name): at for name, at in middle.items()}
    for name, (x, y) in one_side.items():
        places[canonical(f"left_{name}")] = (x, y)
        places[canonical(f"right_{name}")] = (-x, y)
    return places


def person() -> Places:
    """Somebody standing, 1 high, the head larger than life."""
    side = {"eye": (0.035, 0.055), "ear": (0.08, 0.075), "shoulder": (0.12, 0.21), "elbow": (0.165, 0.36)}
    side |= {"wrist": (0.19, 0.5), "hip": (0.075, 0.52), "knee": (0.085, 0.73), "ankle": (0.09, 0.92)}
    side |= {"heel": (0.065, 0.97), "big_toe": (0.085, 1.02), "small_toe": (0.135, 1.0)}
    middle = {"head_top": (0.0, -0.03), "nose": (0.0, 0.095), "neck": (0.0, 0.165), "thorax": (0.0, 0.215)}
    return _mirrored(side, middle | {"pelvis": (0.0, 0.5)})


def hand() -> Places:
    """An open hand, palm to the camera, fingers up."""
    return {canonical(name): at for name, at in _hand("", "wrist").items()}


def _hand(prefix: str, root: str) -> Places:
    fingers = {
        "thumb": ((-0.2, 0.85), (-0.36, 0.68), (-0.47, 0.52), (-0.56, 0.4)),
        "forefinger": ((-0.17, 0.5), (-0.2, 0.32), (-0.215, 0.18), (-0.22, 0.06)),
        "middle_finger": ((0.0, 0.47), (0.0, 0.26), (0.0, 0.11), (0.0, -0.02)),
        "ring_finger": ((0.15, 0.5), (0.165, 0.32), (0.175, 0.18), (0.18, 0.06)),
        "pinky_finger": ((0.28, 0.57), (0.31, 0.44), (0.33, 0.34), (0.35, 0.24)),
    }
    joints = {f"{prefix}{name}{i}": at for name, places in fingers.items() for i, at in enumerate(places, 1)}
    return {root: (0.0, 1.0), **joints}


def face() -> Places:
    """A face with the points of 300-W and of WFLW, about 1 wide."""
    side: Places = {}
    for word, count in (("jaw", 8), ("contour", 16)):
        for i in range(1, count + 1):
            angle = (i - 1) / count * math.pi / 2
            side[f"{word}_{i}"] = (0.5 * math.cos(angle), 0.62 * math.sin(angle))
    for i in range(1, 6):
        side[f"brow_{i}"] = (0.5 - 0.08 * i, -0.2 - 0.06 * math.sin(math.pi * i / 6))
    side |= {"brow_outer": (0.44, -0.19), "brow_inner_upper": (0.1, -0.235), "brow_inner_lower": (0.1, -0.2)}
    for i, x in enumerate((0.36, 0.27, 0.18), 1):
        side[f"brow_upper_{i}"], side[f"brow_lower_{i}"] = (x, -0.26), (x, -0.215)
    side |= {"nostril_1": (0.09, 0.215), "nostril_2": (0.045, 0.232), "pupil": (0.245, -0.095)}
    side |= {"eye_outer": (0.36, -0.09), "eye_inner": (0.13, -0.08)}
    side |= {"eye_upper_1": (0.29, -0.135), "eye_upper_2": (0.2, -0.135)}
    side |= {"eye_lower_1": (0.29, -0.06), "eye_lower_2": (0.2, -0.06)}
    for i, x in enumerate((0.3, 0.245, 0.185), 1):
        side[f"lid_upper_{i}"], side[f"lid_lower_{i}"] = (x, -0.135), (x, -0.055)
    side |= {"mouth_outer": (0.2, 0.38), "lip_top_1": (0.12, 0.34), "lip_top_2": (0.045, 0.32)}
    side |= {"lip_bottom_1": (0.12, 0.45), "lip_bottom_2": (0.045, 0.475), "mouth_inner": (0.165, 0.385)}
    side |= {"lip_top_inner": (0.06, 0.365), "lip_bottom_inner": (0.06, 0.415)}
    middle = {f"nose_bridge_{i}": (0.0, -0.19 + 0.09 * i) for i in range(1, 5)}
    middle |= {"chin": (0.0, 0.62), "nose_base": (0.0, 0.24), "lip_top": (0.0, 0.33), "lip_bottom": (0.0, 0.48)}
    return _mirrored(side, middle | {"lip_top_inner": (0.0, 0.37), "lip_bottom_inner": (0.0, 0.42)})


def animal() -> Places:
    """A four-legged animal from its left, the head on the left; the right side is a little behind."""
    left = {"eye": (0.1, 0.2), "ear": (0.2, 0.1), "shoulder": (0.38, 0.42), "elbow": (0.4, 0.62)}
    left |= {"front_elbow": (0.39, 0.52), "front_knee": (0.42, 0.73), "front_paw": (0.41, 0.95)}
    left |= {"hip": (0.88, 0.42), "knee": (0.9, 0.65), "back_elbow": (0.88, 0.5), "back_knee": (0.95, 0.73)}
    left |= {"back_paw": (0.93, 0.95)}
    right = {"eye": (0.05, 0.22), "ear": (0.13, 0.08), "shoulder": (0.3, 0.4), "elbow": (0.29, 0.59)}
    right |= {"front_elbow": (0.3, 0.49), "front_knee": (0.29, 0.69), "front_paw": (0.27, 0.9)}
    right |= {"hip": (0.78, 0.4), "knee": (0.77, 0.61), "back_elbow": (0.78, 0.47), "back_knee": (0.8, 0.69)}
    right |= {"back_paw": (0.77, 0.9)}
    middle = {"nose": (0.0, 0.32), "throat": (0.2, 0.36), "neck": (0.25, 0.29), "withers": (0.38, 0.22)}
    middle |= {"tail_base": (0.98, 0.26)}
    sides = {canonical(f"{s}_{n}"): at for s, points in (("left", left), ("right", right)) for n, at in points.items()}
    return {canonical(name): at for name, at in middle.items()} | sides


def whole_person() -> Places:
    """A person with the face above the head and the hands beside the body, enlarged."""
    places = person() | {name: (0.75 * x, 0.62 * y - 0.52) for name, (x, y) in face().items()}
    for side, sign in (("left", -1), ("right", 1)):
        for name, (x, y) in _hand(f"{side}_", f"{side}_hand_root").items():
            places[canonical(name)] = (-sign * (0.38 - 0.42 * x * 0.8), 0.58 + 0.42 * (1 - y))
    return places


#: In the order in which they are tried.
FIGURES: Sequence[Callable[[], Places]] = (person, face, hand, animal, whole_person)
