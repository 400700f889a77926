"""Skeleton files: one YAML each, under ``conf/skeleton/`` or anywhere a user names."""

from __future__ import annotations

import colorsys
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from armature.errors import UserError
from armature.structures import Skeleton

#: Sigma used for OKS where nobody has measured any: that of COCO's wrists. COCO's 17 points lie between 0.025
#: (eyes) and 0.107 (hips), 0.067 in the mean.
DEFAULT_SIGMA = 0.062

#: Groups that a skeleton file may give where its names do not tell the halves of a body.
UPPER, LOWER = "upper_body", "lower_body"
#: Words in names of points of the lower half, of people and of four-legged animals; everything else is above, and so
#: are front legs.
_LOWER_WORDS = re.compile(
    r"hip|knee|ankle|toe|heel|foot|feet|(back|hind|rear)_?(paw|elbow|leg)|pelvis|tail", re.IGNORECASE
)
_FRONT_WORDS = re.compile(r"front|fore", re.IGNORECASE)
#: What a body must have for its halves to be told apart by names.
_BODY_WORDS = (re.compile(r"shoulder|withers", re.IGNORECASE), re.compile(r"hip|back_elbow", re.IGNORECASE))
#: What says "left" in a name, as ``mirrored_name`` reads it.
_LEFT = re.compile(r"left|^l(?=[_-])|(?<=[_-])l$", re.IGNORECASE)


class SkeletonError(UserError):
    """A skeleton file that contradicts itself."""


def make(
    name: str,
    keypoints: Sequence[str],
    edges: Sequence[Sequence[str]] = (),
    flip_pairs: Sequence[Sequence[str]] | None = None,
    sigmas: Sequence[float] | None = None,
    colours: Sequence[Sequence[int]] | None = None,
    groups: Mapping[str, Sequence[str]] | None = None,
) -> Skeleton:
    """A checked skeleton from the fields of a skeleton file.

    Args:
        name: how reports call it.
        keypoints: K names; order is the order of every array.
        edges: pairs of names.
        flip_pairs: pairs of names that change places in a mirror; None derives them from ``left``/``right`` in names.
        sigmas: K OKS sigmas, or None where nobody has measured any.
        colours: K RGB triples; None colours left sides, right sides and the middle differently, or, where nothing has
            a mirror, all points one after another.
        groups: names of the keypoints that are reported together, by the name of the group; None derives them from
            the keypoints' names (``left_wrist`` and ``right_wrist`` are ``wrists``).

    Raises:
        SkeletonError: unknown or repeated names, a flip that is no involution, wrong lengths; names the field.
    """
    names = tuple(keypoints)
    if len(set(names)) != len(names):
        raise SkeletonError(f"skeleton '{name}': keypoints repeats {sorted({n for n in names if names.count(n) > 1})}")
    index = {n: i for i, n in enumerate(names)}
    for field, value in (("sigmas", sigmas), ("colours", colours)):
        if value is not None and len(value) != len(names):
            raise SkeletonError(f"skeleton '{name}': {field} has {len(value)} entries for {len(names)} keypoints")
    if sigmas is not None and any(not s > 0 for s in sigmas):
        raise SkeletonError(f"skeleton '{name}': sigmas must be > 0; found {list(sigmas)}")
    for field, listed in (("edges", edges), ("flip_pairs", flip_pairs or ())):
        if odd := [pair for pair in listed if isinstance(pair, str) or len(pair) != 2]:
            raise SkeletonError(f"skeleton '{name}': {field} must be pairs of names; found {odd[0]!r}")
    flip = _flip(name, names, index, flip_pairs)
    pairs = tuple((_find(name, "edges", index, a), _find(name, "edges", index, b)) for a, b in edges)
    given = tuple((int(r), int(g), int(b)) for r, g, b in colours) if colours is not None else _colours(names, flip)
    grouped = tuple(
        (k, tuple(_find(name, f"groups.{k}", index, n) for n in listed)) for k, listed in (groups or {}).items()
    )
    return Skeleton(name, names, pairs, flip, tuple(map(float, sigmas)) if sigmas is not None else None, given, grouped)


def load(path: str | Path) -> Skeleton:
    """The skeleton of one YAML file (the ``_target_`` line is for Hydra and not needed here).

    Raises:
        SkeletonError: the file is missing, is not YAML, or contradicts itself; names the file.
    """
    path = Path(path)
    try:
        fields = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise SkeletonError(f"skeleton file {path}: {error}") from error
    if not isinstance(fields, dict):
        raise SkeletonError(f"skeleton file {path}: expected the fields name, keypoints, ...; found {fields!r:.60}")
    fields.pop("_target_", None)
    try:
        return make(**fields)
    except TypeError as error:
        known = "name, keypoints, edges, flip_pairs, sigmas, colours, groups"
        raise SkeletonError(f"skeleton file {path}: {error}; known fields: {known}") from error


def sigmas_or_default(skeleton: Skeleton) -> tuple[float, ...]:
    """K sigmas; ``DEFAULT_SIGMA`` for every point where the skeleton has none (callers warn once, by name)."""
    return skeleton.sigmas if skeleton.sigmas is not None else (DEFAULT_SIGMA,) * skeleton.count


def halves(skeleton: Skeleton) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Indices of the upper and of the lower body, together all K; None for what is no body (a hand, a face).

    The file's groups ``upper_body`` and ``lower_body`` where it has both; otherwise by words in the names: hips and
    below (of animals, the tail and the hind legs) are the lower body, everything else the upper.
    """
    given = dict(skeleton.groups)
    if UPPER in given and LOWER in given:
        return given[UPPER], given[LOWER]
    if not all(any(word.search(name) for name in skeleton.keypoints) for word in _BODY_WORDS):
        return None
    below = [bool(_LOWER_WORDS.search(name)) and not _FRONT_WORDS.search(name) for name in skeleton.keypoints]
    upper, lower = (tuple(i for i, low in enumerate(below) if low is half) for half in (False, True))
    return upper, lower


def restrict(skeleton: Skeleton, kept: Sequence[int], name: str | None = None) -> Skeleton:
    """The skeleton of some of its points, in the order of ``kept``; a point whose mirror is not kept becomes its own.

    Raises:
        SkeletonError: nothing is kept, or a point twice.
    """
    place = {old: new for new, old in enumerate(kept)}
    if not place or len(place) != len(kept):
        raise SkeletonError(f"skeleton '{skeleton.name}': one or more different points must be kept; found {kept}")
    groups = ((n, tuple(place[i] for i in members if i in place)) for n, members in skeleton.groups)
    return Skeleton(
        name or skeleton.name,
        tuple(skeleton.keypoints[i] for i in kept),
        tuple((place[a], place[b]) for a, b in skeleton.edges if a in place and b in place),
        tuple(place.get(skeleton.flip[i], place[i]) for i in kept),
        tuple(skeleton.sigmas[i] for i in kept) if skeleton.sigmas is not None else None,
        tuple(skeleton.colours[i] for i in kept),
        tuple((n, members) for n, members in groups if members),
    )


def _find(skeleton: str, field: str, index: dict[str, int], point: str) -> int:
    if point not in index:
        known = f"keypoints: {list(index)}"
        raise SkeletonError(f"skeleton '{skeleton}': {field} names '{point}', which is no keypoint; {known}")
    return index[point]


def mirrored_name(point: str) -> str:
    """The name with left and right exchanged, in any of the usual spellings; unchanged for middle points."""
    swaps = {"left": "right", "right": "left", "Left": "Right", "Right": "Left", "LEFT": "RIGHT", "RIGHT": "LEFT"}
    for side, other in swaps.items():
        if side in point:
            return point.replace(side, other)
    for side, other in {"l": "r", "r": "l", "L": "R", "R": "L"}.items():
        for mark in ("_", "-"):
            if point.startswith(side + mark):
                return other + point[1:]
            if point.endswith(mark + side):
                return point[:-1] + other
    return point


def _flip(
    skeleton: str, names: tuple[str, ...], index: dict[str, int], pairs: Sequence[Sequence[str]] | None
) -> tuple[int, ...]:
    if pairs is None:
        flip = [_find(skeleton, f"the mirror name of '{n}'", index, mirrored_name(n)) for n in names]
    else:
        flip = list(range(len(names)))
        for a, b in pairs:
            i, j = _find(skeleton, "flip_pairs", index, a), _find(skeleton, "flip_pairs", index, b)
            flip[i], flip[j] = j, i
    wrong = [names[i] for i in range(len(flip)) if flip[flip[i]] != i]
    if wrong:
        rule = "flipping twice must change nothing"
        raise SkeletonError(f"skeleton '{skeleton}': flip_pairs is no involution at {wrong}: {rule}")
    return tuple(flip)


def _colours(names: tuple[str, ...], flip: tuple[int, ...]) -> tuple[tuple[int, int, int], ...]:
    """Warm colours for the left of each pair (the first where names do not tell), cold for its mirror, else greens."""
    left = [bool(_LEFT.search(name)) for name in names]
    warm = [left[i] if left[i] != left[f] else i < f for i, f in enumerate(flip)]
    hues = [0.33 if f == i else (0.02 if warm[i] else 0.50) for i, f in enumerate(flip)]
    paired = any(f != i for i, f in enumerate(flip))
    reach = 0.10 if paired else 0.60
    spread = [(h if paired else 0.02) + reach * (i / max(len(flip) - 1, 1)) for i, h in enumerate(hues)]
    rgb = [colorsys.hsv_to_rgb(h % 1.0, 0.85, 1.0) for h in spread]
    return tuple((round(r * 255), round(g * 255), round(b * 255)) for r, g, b in rgb)
