"""From one skeleton's points to another's, by name.

Names are compared in three steps, the first that finds something wins: as they are; as ``canonical`` writes them, which
knows the usual spellings of sides (``left_wrist``, ``l_wrist``, ``LWrist``, ``wrist_left``) and the synonyms of
``ALIASES``; and, only where it is asked for, as the middle of two other points (``DERIVED``).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from armature.skeletons import SkeletonError, make, restrict
from armature.structures import Skeleton

#: Our word for a point, and what other data sets and programs call it. Sides are told apart before.
#: OpenPose's neck is halfway between the shoulders, where MPII's thorax is, whatever its name says: give
#: ``names: {neck: thorax}`` for it.
ALIASES: dict[str, tuple[str, ...]] = {
    "head_top": ("top_of_head", "top_head", "crown", "vertex", "head"),  # "head": CrowdPose's files
    "neck": ("upper_neck", "head_bottom"),  # MPII, PoseTrack
    "thorax": ("mid_shoulder", "shoulder_center", "shoulder_centre"),
    "pelvis": ("mid_hip", "hip_center", "hip_centre", "center_hip", "centre_hip"),
    "nose": ("nose_tip", "snout"),
    "ear": ("ear_base",),
    "big_toe": ("toe_big",),
    "small_toe": ("toe_small", "little_toe"),
    "tail_base": ("root_of_tail", "tail_root", "tail_set"),
    "front_paw": ("fore_paw", "front_foot", "fore_foot"),
    "back_paw": ("hind_paw", "rear_paw", "back_foot", "hind_foot", "rear_foot"),
    **{f"thumb{i}": (f"thumb_{joint}",) for i, joint in enumerate(("cmc", "mcp", "ip", "tip"), 1)},
    **{
        f"{finger}{i}": (f"{finger}_{joint}", *(f"{word}{end}" for word in words for end in (f"_{joint}", f"{i}")))
        for finger, words in {
            "forefinger": ("index", "index_finger"),
            "middle_finger": ("middle",),
            "ring_finger": ("ring",),
            "pinky_finger": ("pinky", "little", "little_finger"),
        }.items()
        for i, joint in enumerate(("mcp", "pip", "dip", "tip"), 1)
    },
}

#: Names of points that may be made halfway between two others. OpenPose's neck and mid_hip are defined so; necks that
#: were labelled by eye (LSP, AI Challenger, CrowdPose) lie higher.
DERIVED: dict[str, tuple[str, str]] = {
    **dict.fromkeys(("neck", "thorax", *ALIASES["thorax"]), ("left_shoulder", "right_shoulder")),
    **dict.fromkeys(("pelvis", *ALIASES["pelvis"]), ("left_hip", "right_hip")),
}

_SIDES = {"left": "left", "l": "left", "right": "right", "r": "right"}
#: After a side, one letter of an animal's legs: L_F_Elbow.
_ENDS = {"f": "front", "b": "back"}
_TOKEN = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
#: Words that are also written with the letter of their side stuck to them: lwrist. Not "ear": rear is a word.
_GLUED = re.compile(r"([lr])(wrist|elbow|shoulder|hip|knee|ankle|eye|heel|bigtoe|smalltoe|hand|foot)")


def _squashed(name: str) -> str:
    return re.sub(r"[\W_]", "", name).lower()


_MIDDLES = {_squashed(name): ends for name, ends in DERIVED.items()}
_KNOWN = {_squashed(word): part for part, words in ALIASES.items() for word in (part, *words)}


def canonical(name: str) -> str:
    """The name in one spelling: the side first, then our word for the part, lower case: ``LWrist`` is ``left_wrist``.

    A word that is not known keeps its letters and loses its separators; so do two sides or none.
    """
    tokens = [t for raw in _TOKEN.findall(name) for t in _unglued(raw.lower())]
    sides = [_SIDES[t] for t in tokens if t in _SIDES]
    rest = [t for t in tokens if t not in _SIDES]
    if len(sides) != 1 or not rest:
        sides, rest = [], tokens
    words = [_ENDS.get(t, t) if sides and len(rest) > 1 else t for t in rest]
    squashed = "".join(words)
    return "_".join([*sides, _KNOWN.get(squashed, squashed)])


def _unglued(token: str) -> list[str]:
    """``leftear`` as left and ear, ``earleft`` and ``lwrist`` likewise."""
    for side in ("left", "right"):
        if token != side and token.startswith(side):
            return [side, token[len(side) :]]
        if token != side and token.endswith(side):
            return [token[: -len(side)], side]
    glued = _GLUED.fullmatch(token)
    return list(glued.groups()) if glued else [token]


@dataclass(frozen=True)
class Correspondence:
    """Where each point of a target skeleton comes from.

    Attributes:
        source, target: the skeletons.
        origins: for each of the target's points the indices of the source's: one, two or more of whose middle it is, or
            none where the source does not have it.
    """

    source: Skeleton
    target: Skeleton
    origins: tuple[tuple[int, ...], ...]

    @property
    def known(self) -> tuple[bool, ...]:
        """Which of the target's points the source has."""
        return tuple(bool(origin) for origin in self.origins)

    @property
    def identical(self) -> bool:
        """Whether nothing changes but names."""
        return self.origins == tuple((i,) for i in range(self.source.count))

    def points(
        self, keypoints: NDArray[np.float64], visibility: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Points (..., K, 2) and flags (..., K) in the target's order; those that are unknown or unlabelled are 0.

        A middle is as visible as the least visible of the points it lies between.
        """
        flags = self.scores(visibility)
        return np.where(flags[..., None] > 0, self.places(keypoints), 0.0), flags

    def places(self, keypoints: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points (..., K, 2) in the target's order, whatever their flags; 0 where the source has none."""
        moved = np.zeros((*keypoints.shape[:-2], self.target.count, 2))
        for k, origin in enumerate(self.origins):
            if origin:
                moved[..., k, :] = keypoints[..., list(origin), :].mean(-2)
        return moved

    def scores(self, scores: NDArray) -> NDArray:
        """Scores or flags (..., K) in the target's order: the least of a point's origins, 0 where it has none."""
        moved = np.zeros((*scores.shape[:-1], self.target.count), scores.dtype)
        for k, origin in enumerate(self.origins):
            if origin:
                moved[..., k] = scores[..., list(origin)].min(-1)
        return moved


def between(
    source: Skeleton,
    target: Skeleton,
    derive: bool = False,
    names: Mapping[str, str | Sequence[str]] | None = None,
) -> Correspondence:
    """Which of the source's points each of the target's is, by name.

    Args:
        derive: also make points that the source lacks out of two that it has (``DERIVED``).
        names: of the target's points, what the source calls them, or several points whose middle they are; for what
            the names alone do not tell. A point of the target named nothing (null) is left out.

    Raises:
        SkeletonError: ``names`` of points that do not exist, or skeletons without a common point.
    """
    given = _given(source, target, names or {})
    exact = {name: i for i, name in enumerate(source.keypoints)}
    spelled = _unambiguous(source)
    single = _unambiguous(target)
    origins = []
    for name in target.keypoints:
        word = canonical(name)
        if name in given:
            origins.append(given[name])
        elif name in exact:
            origins.append((exact[name],))
        elif word in spelled and word in single and source.keypoints[spelled[word]] not in target.keypoints:
            origins.append((spelled[word],))
        else:
            origins.append(_derived(name, spelled) if derive else ())
    if not any(origins):
        lists = f"{_few(source.keypoints)} and {_few(target.keypoints)}"
        raise SkeletonError(f"skeletons '{source.name}' and '{target.name}' have no keypoint in common: {lists}")
    return Correspondence(source, target, tuple(origins))


def union(skeletons: Sequence[Skeleton], name: str = "union") -> Skeleton:
    """All points of several skeletons, those of the first one first; common ones once, under their first name.

    Limbs and mirrors are those of all. Sigmas are kept if every point has one.

    Raises:
        SkeletonError: none given, or mirrors that contradict each other.
    """
    whole = _at_least_one(skeletons)[0]
    for other in skeletons[1:]:
        whole = _both(whole, other, name)
    return restrict(whole, range(whole.count), name)


def intersection(skeletons: Sequence[Skeleton], name: str = "intersection") -> Skeleton:
    """The points that all of several skeletons have, in the first one's order and under its names, with its sigmas.

    A point whose mirror is not common to all is left out as well: it could not be mirrored in training.

    Raises:
        SkeletonError: none given, or nothing common.
    """
    first = _at_least_one(skeletons)[0]
    common = set(range(first.count))
    for other in skeletons[1:]:
        common &= {i for i, known in enumerate(between(other, first).known) if known}
    kept = [i for i in sorted(common) if first.flip[i] in common]
    if not kept:
        raise SkeletonError(f"skeletons {[s.name for s in skeletons]} have no pair or middle keypoint common to all")
    return restrict(first, kept, name)


def _both(first: Skeleton, second: Skeleton, name: str) -> Skeleton:
    try:
        origins = between(first, second).origins
    except SkeletonError:  # nothing in common
        origins = ((),) * second.count
    new = [k for k, origin in enumerate(origins) if not origin]
    names = [*first.keypoints, *(_fresh(second.keypoints[k], first) for k in new)]
    place = {k: origin[0] for k, origin in enumerate(origins) if origin}
    place |= {k: first.count + n for n, k in enumerate(new)}
    flips = [*_pairs(first.flip), *(tuple(sorted((place[a], place[b]))) for a, b in _pairs(second.flip))]
    edges = dict.fromkeys(frozenset(e) for e in first.edges)
    edges |= dict.fromkeys(frozenset((place[a], place[b])) for a, b in second.edges)
    sigmas = None
    if first.sigmas is not None and second.sigmas is not None:
        sigmas = [*first.sigmas, *(second.sigmas[k] for k in new)]
    return make(
        name,
        names,
        [[names[i] for i in sorted(edge)] for edge in edges],
        [[names[a], names[b]] for a, b in dict.fromkeys(flips)],
        sigmas,
    )


def _pairs(flip: Sequence[int]) -> list[tuple[int, int]]:
    return [(i, f) for i, f in enumerate(flip) if i < f]


def _fresh(name: str, first: Skeleton) -> str:
    """A name that the first skeleton does not have; only where ``names`` told apart what is called the same."""
    return name if name not in first.keypoints else f"{name}_2"


def _at_least_one(skeletons: Sequence[Skeleton]) -> Sequence[Skeleton]:
    if not skeletons:
        raise SkeletonError("a union or intersection needs at least one skeleton")
    return skeletons


def _unambiguous(skeleton: Skeleton) -> dict[str, int]:
    """Canonical name -> index, without the names that two points would share."""
    words = [canonical(name) for name in skeleton.keypoints]
    return {word: i for i, word in enumerate(words) if words.count(word) == 1}


def _derived(name: str, spelled: Mapping[str, int]) -> tuple[int, ...]:
    ends = [spelled[end] for end in _MIDDLES.get(_squashed(name), ()) if end in spelled]
    return tuple(ends) if len(ends) == 2 else ()


def _given(source: Skeleton, target: Skeleton, names: Mapping[str, str | Sequence[str]]) -> dict[str, tuple[int, ...]]:
    """Indices of the source's points for the target's points that ``names`` speaks of."""
    found = {}
    for name, origin in names.items():
        _index(target, name)
        listed = [origin] if isinstance(origin, str) else list(origin or ())
        found[name] = tuple(_index(source, each) for each in listed)
    return found


def _index(skeleton: Skeleton, name: str) -> int:
    if name in skeleton.keypoints:
        return skeleton.keypoints.index(name)
    close = difflib.get_close_matches(name, skeleton.keypoints, 1, 0.6)
    near = f", did you mean '{close[0]}'?" if close else f"; it has {_few(skeleton.keypoints)}"
    raise SkeletonError(f"names: skeleton '{skeleton.name}' has no keypoint '{name}'{near}")


def _few(names: Sequence[str]) -> str:
    return f"[{', '.join(names[:8])}{', ...' if len(names) > 8 else ''}]"
