"""What follows from the data of ``data=folder`` for the rest of a config: skeleton, canvas, mirroring, what decides.

``${folder:FIELD}`` in a config stands for one of these facts. They are found once, and said once.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import yaml
from omegaconf import DictConfig, OmegaConf

from armature import config_folders, skeleton_guess, skeletons
from armature.data import recognising
from armature.data.folder import choose, splits
from armature.data.labels.form import Category, Labels
from armature.errors import ConfigError, DataError

#: People are to be at least this tall on the canvas, if it need not be larger than the pictures or LARGEST for that.
TALL = 64
SMALLEST, USUAL, LARGEST, STRIDE = 128, 256, 640, 32
#: So many points without names are no coincidence.
UNMISTAKABLE = 60

_SKELETON = ("name", "keypoints", "edges", "flip_pairs", "sigmas", "groups")
_Fields = dict[str, Any]


@dataclasses.dataclass(frozen=True, eq=False)
class Facts:
    """About a folder: fields of its skeleton, whether left and right are known, (H, W), and all of it in words."""

    skeleton: _Fields
    mirror: bool
    canvas: tuple[int, int]
    said: tuple[str, ...]
    skeleton_said: str


def resolve(field: str, root: DictConfig) -> Any:
    """The value of ``${folder:field}`` in a config.

    Raises:
        ConfigError: the config has no ``data.path``. DataError: the data cannot be read.
    """
    path = OmegaConf.select(root, "data.path")
    if path is None:
        raise ConfigError("skeleton=of/data takes the keypoints from the data: it needs data=folder data.path=FOLDER")
    options = OmegaConf.select(root, "data.options")
    plain = OmegaConf.to_container(options, resolve=True) if OmegaConf.is_config(options) else {}
    settings = [OmegaConf.select(root, f"data.{name}") for name in ("format", "category", "own_splits")]
    try:
        found = facts(str(path), json.dumps(plain, sort_keys=True), *settings)
    except DataError:
        if OmegaConf.select(root, "unreadable") != "report":
            raise
        return None  # data check reads the folder again and says all that is wrong with it
    given = _given_skeleton(root)
    _say(found, given is None, _given_canvas(root) or found.canvas)
    if field in _SKELETON:
        return found.skeleton.get(field)
    mirror = found.mirror if given is None else True
    sigmas = (found.skeleton if given is None else given).get("sigmas")
    values = {"canvas": list(found.canvas), "mirror": mirror, "flip": 0.5 if mirror else 0.0}
    values["primary"] = "val/AP" if sigmas else "val/error/mean"
    return values[field]


@functools.lru_cache(maxsize=4)
def facts(path: str, options: str, form: str | None, category: str | None, own_splits: bool | None) -> Facts:
    """Everything about a folder."""
    name, reason = (form, f"taken as {form}") if form else recognising.recognise(path)
    labels = recognising.read_once(path, form, json.loads(options))
    own, left = choose(labels, category)
    fields, mirror, words = _skeleton(labels, own)
    canvas = _canvas(labels, own)
    said = [f"{path}: {reason} (data.format={name})", f"  {_counts(labels, own, left)}"]
    said.append(f"  {_divided(labels, own_splits is not False)}")
    return Facts(fields, mirror, canvas, tuple(said), f"  {words}")


@functools.lru_cache(maxsize=4)
def _say(found: Facts, own_skeleton: bool, canvas: tuple[int, int]) -> None:
    if os.environ.get("LOCAL_RANK", "0") in ("", "0"):
        said = "\n".join(found.said) + f"; canvas {canvas[1]}x{canvas[0]}"
        print("\n".join([said, *([found.skeleton_said] if own_skeleton else [])]), flush=True)


def _given_canvas(root: DictConfig) -> tuple[int, int] | None:
    """(H, W) of a canvas that the config gives; None where it is that of the data."""
    plain = OmegaConf.to_container(root, resolve=False)
    canvas = plain["data"].get("canvas") if isinstance(plain, dict) else None
    if canvas is None or str(canvas).startswith("${folder:"):
        return None
    height, width = OmegaConf.select(root, "data.canvas")
    return int(height), int(width)


def _given_skeleton(root: DictConfig) -> _Fields | None:
    """The fields of the config's skeleton; None where it is that of the data."""
    plain = OmegaConf.to_container(root, resolve=False)
    found = plain.get("skeleton") if isinstance(plain, dict) else None
    own = not isinstance(found, dict) or str(found.get("keypoints")).startswith("${folder:")
    return None if own else found  # type: ignore[return-value]


def _counts(labels: Labels, own: Sequence[int], left: Sequence[int]) -> str:
    people = sum(p.category in own and p.labelled for i in labels.images for p in i.people)
    names = [labels.categories[i].name for i in own]
    kinds = f"'{names[0]}'" if len(names) == 1 else f"{len(names)} categories ('{names[0]}' and others)"
    words = f"{len(labels.images):,} pictures, {people:,} labelled of {kinds}"
    words += f", {len(labels.categories[own[0]].keypoints)} keypoints"
    others = ", ".join(f"'{labels.categories[i].name}'" for i in left)
    return words + (f"; left out, since their keypoints are others: {others} (data.category=NAME)" if left else "")


def _divided(labels: Labels, own_splits: bool) -> str:
    parts = splits(labels) if own_splits else None
    if parts is None:
        return "no splits of its own are used: divided by data.split"
    unused = len(labels.images) - len(parts[0]) - len(parts[1])
    return f"its own splits: {len(parts[0]):,} to learn from, {len(parts[1]):,} to judge by" + (
        f", {unused:,} unused" if unused else ""
    )


def _skeleton(labels: Labels, own: Sequence[int]) -> tuple[_Fields, bool, str]:
    """Fields for ``skeletons.make``, whether left and right are known, and where it is from, in words."""
    category = labels.categories[own[0]]
    known = _known(category)
    if known is not None:
        how = "its names are those" if _named(category) else "its points have no names and are taken as those"
        words = f"skeleton: {how} of {known['name']}, with its limbs and mirror pairs"
        words += ", and sigmas" if known.get("sigmas") else ""
        return known, True, words if _named(category) else words + "; skeleton=NAME if they are others"
    return _guessed(labels, own, category)


def _known(category: Category) -> _Fields | None:
    """The project's skeleton with these names; of points without names, with as many and the same mirror pairs."""
    found: list[_Fields] = []
    others: list[_Fields] = []
    for file in sorted((config_folders.project() / "skeleton").glob("*.yaml"), key=lambda f: (len(f.stem), f.stem)):
        fields = {k: v for k, v in yaml.safe_load(file.read_text(encoding="utf-8")).items() if k in _SKELETON}
        if _plain(fields["keypoints"]) == _plain(category.keypoints):
            return fields
        if sorted(_plain(fields["keypoints"])) == sorted(_plain(category.keypoints)):
            others.append(fields)
        if not _named(category) and len(fields["keypoints"]) == len(category.keypoints):
            found.append(fields)
    if category.flip is not None:
        found = [f for f in found if skeletons.make(**f).flip == category.flip]
    elif len(category.keypoints) < UNMISTAKABLE:
        found = []
    return next(iter([*others, *found]), None)


def _named(category: Category) -> bool:
    """Whether the points have names, and not only numbers."""
    return not all(re.fullmatch(r"\D*\d+", name) for name in category.keypoints)


def _plain(names: Sequence[str]) -> list[str]:
    return [re.sub(r"[\s_-]", "", str(n)).lower() for n in names]


def _guessed(labels: Labels, own: Sequence[int], category: Category) -> tuple[_Fields, bool, str]:
    names = category.keypoints
    people = [p for i in labels.images for p in i.people if p.category in own and p.labelled and not p.crowd]
    edges = category.edges
    pairs = [(i, f) for i, f in enumerate(category.flip or ()) if i < f]
    told = ["limbs from the data"] if edges else []
    told += ["mirror pairs from the data"] if category.flip is not None else []
    mirror = category.flip is not None
    if not edges or not mirror:
        guess = _guess(names, people)
        if not edges and guess is not None:
            edges = guess.edges
            told.append("limbs guessed: the tree of the most rigid distances")
        if not mirror:
            pairs = _pairs_by_name(names)
            mirror = bool(pairs)
            told.append(f"{len(pairs)} mirror pairs by names" if pairs else _NO_SIDES)
    fields: _Fields = {"name": re.sub(r"\W+", "_", category.name) or "object", "keypoints": list(names), "sigmas": None}
    fields["edges"] = [[names[a], names[b]] for a, b in edges]
    fields["flip_pairs"] = [[names[a], names[b]] for a, b in pairs]
    return fields, mirror, f"skeleton: {'; '.join(told)}; no sigmas (armature data skeleton writes one to mend)"


_NO_SIDES = "no left and right in the names, so that no picture is mirrored"


def _guess(names: tuple[str, ...], people: Sequence[Any]) -> skeleton_guess.Guess | None:
    points = np.array([p.keypoints for p in people]).reshape(-1, len(names), 2)
    try:
        return skeleton_guess.guess(names, points, np.array([p.visibility > 0 for p in people]))
    except DataError:  # too few people to guess from
        return None


def _pairs_by_name(names: Sequence[str]) -> list[tuple[int, int]]:
    mirrored = [skeletons.mirrored_name(n) for n in names]
    return [
        (i, names.index(m))
        for i, m in enumerate(mirrored)
        if m in names and i < names.index(m) and mirrored[names.index(m)] == names[i]
    ]


def _canvas(labels: Labels, own: Sequence[int]) -> tuple[int, int]:
    """(H, W) that fits most pictures and shows people large enough.

    The longer side is 256, or less for smaller pictures, or more where half of the people would be under 64 px tall on
    it; the other side follows the pictures if they have one shape, and is as long if they have several.
    """
    sizes = np.array([i.size for i in labels.images if max(i.size)] or [(USUAL, USUAL)], float)
    sides = np.median(sizes.max(1))
    tall = [np.ptp(b) for b in _extents(labels, own)]
    wanted = USUAL if not tall else TALL * sides / max(float(np.median(tall)), 1.0)
    longer = _rounded(min(max(USUAL, wanted), LARGEST, max(sides, SMALLEST)))
    shape = sizes[:, 0] / sizes[:, 1]
    usual = float(np.median(shape))
    if np.mean(np.abs(np.log(shape / usual)) < 0.1) < 0.8:
        return longer, longer
    return (longer, _rounded(longer / usual)) if usual > 1 else (_rounded(longer * usual), longer)


def _extents(labels: Labels, own: Sequence[int]) -> list[np.ndarray]:
    """Along the longer side of each labelled person, both ends."""
    found = []
    for person in (p for i in labels.images for p in i.people if p.category in own and p.labelled and not p.crowd):
        points = person.keypoints[person.visibility > 0]
        low, high = (person.box[:2], person.box[2:]) if person.box is not None else (points.min(0), points.max(0))
        axis = int((high - low).argmax())
        found.append(np.array([low[axis], high[axis]]))
    return found


def _rounded(side: float) -> int:
    return max(STRIDE, int(np.ceil(side / STRIDE - 1e-6)) * STRIDE)


def forget() -> None:
    """Reads folders anew that have changed since."""
    facts.cache_clear()
    _say.cache_clear()
    recognising.forget()
