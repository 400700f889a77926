"""Which skeleton the people of a category have: the config's, a known one of the same names, or one made of theirs."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence

from armature import config_folders, skeletons
from armature.data.labels.form import Category, placeholders
from armature.errors import UserError
from armature.structures import Skeleton


def choose(category: Category, wanted: Skeleton | None) -> Skeleton:
    """A skeleton with the category's keypoints in their order.

    The config's where the names agree, or where the category has as many points without names of their own; one of the
    project's with the same names, or of nameless points with the same mirror pairs; otherwise one made of the category:
    its limbs, its mirror pairs or those that its names tell.
    """
    names = category.keypoints
    if wanted is not None and not named(names) and len(names) == wanted.count:
        return wanted
    known = [*([wanted] if wanted is not None else []), *project()]
    same = [s for s in known if _plain(s.keypoints) == _plain(names)]
    same += [s for s in known if sorted(_plain(s.keypoints)) == sorted(_plain(names))]
    if same:
        return _in_order(same[0], names)
    if category.flip is not None and not named(names):
        alike = [s for s in project() if s.flip == category.flip]
        if alike:
            return alike[0]
    edges = [[names[a], names[b]] for a, b in category.edges]
    pairs = None if category.flip is None else [[names[i], names[f]] for i, f in enumerate(category.flip) if i < f]
    try:
        return skeletons.make(category.name, names, edges, pairs)
    except UserError:  # a left without a right
        return skeletons.make(category.name, names, edges, [])


def of_count(name: str, count: int) -> Category:
    """A category of which only the number of keypoints is known."""
    return Category(name, placeholders(count))


@functools.cache
def project() -> tuple[Skeleton, ...]:
    """The project's skeletons, the shortest names first."""
    folder = config_folders.project() / "skeleton"
    return tuple(skeletons.load(file) for file in sorted(folder.glob("*.yaml"), key=lambda f: (len(f.stem), f.stem)))


def named(names: Sequence[str]) -> bool:
    """Whether points have names, and not only numbers."""
    return not all(re.fullmatch(r"\D*\d+", name) for name in names)


def _plain(names: Sequence[str]) -> list[str]:
    return [re.sub(r"[\s_-]", "", name).lower() for name in names]


def _in_order(known: Skeleton, names: Sequence[str]) -> Skeleton:
    place = {name: i for i, name in enumerate(_plain(known.keypoints))}
    order = [place[name] for name in _plain(names)]
    return known if order == sorted(order) else skeletons.restrict(known, order)
