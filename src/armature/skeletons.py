"""Skeleton files: one YAML each, under ``conf/skeleton/`` or anywhere a user names."""

from __future__ import annotations

import colorsys
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from armature.errors import UserError
from armature.structures import Skeleton

#: Sigma used for OKS where nobody has measured any: that of COCO's wrists. COCO's 17 points lie between 0.025
#: (eyes) and 0.107 (hips), 0.067 in the mean.
DEFAULT_SIGMA = 0.062


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
        colours: K RGB triples; None colours left sides, right sides and the middle differently.
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
    given = tuple((int(r), int(g), int(b)) for r, g, b in colours) if colours is not None else _colours(flip)
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


def _colours(flip: tuple[int, ...]) -> tuple[tuple[int, int, int], ...]:
    """Warm colours for the first of each pair, cold ones for its mirror, greens for the middle."""
    hues = [0.33 if f == i else (0.02 if i < f else 0.50) for i, f in enumerate(flip)]
    spread = [h + 0.10 * (i / max(len(flip) - 1, 1)) for i, h in enumerate(hues)]
    rgb = [colorsys.hsv_to_rgb(h % 1.0, 0.85, 1.0) for h in spread]
    return tuple((round(r * 255), round(g * 255), round(b * 255)) for r, g, b in rgb)
