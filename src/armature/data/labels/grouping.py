"""Whose point is it: people from points, boxes and polygons that a tool labelled one by one."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from armature.data.labels.form import Category, Labels, Person, nobody
from armature.data.labels.held import everybody
from armature.errors import DataError

#: What people are called where a tool names their points only.
OBJECT = "object"


@dataclass(frozen=True)
class Mark:
    """One labelled point; ``group`` is what the tool ties it to others by, None for nothing."""

    name: str
    at: tuple[float, float]
    visibility: int = 2
    group: Hashable | None = None


@dataclass(frozen=True, eq=False)
class Outline:
    """A labelled box (4,) xyxy, or a polygon (P, 2), of one object."""

    category: str
    box: NDArray[np.float64] | None = None
    polygon: NDArray[np.float64] | None = None
    group: Hashable | None = None


@dataclass(eq=False)
class Somebody:
    """A person whose points are still called by name."""

    category: str
    box: NDArray[np.float64] | None = None
    polygons: list[NDArray[np.float64]] = field(default_factory=list)
    marks: dict[str, Mark] = field(default_factory=dict)
    group: Hashable | None = None


def gather(marks: Sequence[Mark], outlines: Sequence[Outline]) -> list[Somebody]:
    """The people of one picture.

    What has the same group belongs together. A point without a group belongs to the smallest box around it that no
    group claims; without any box all such points are one person.

    Raises:
        DataError: a name comes twice in one person, or a point is in no box: nothing says whose it is.
    """
    people: dict[Hashable, Somebody] = {}
    loose: list[Somebody] = []
    for outline in outlines:
        if outline.group is None:
            loose.append(Somebody(outline.category))
        own = loose[-1] if outline.group is None else people.setdefault(outline.group, Somebody(outline.category))
        _add(own, outline)
    free = [one for one in loose if one.box is not None]
    single: Somebody | None = None
    for mark in marks:
        if mark.group is not None:
            own = people.setdefault(mark.group, Somebody(OBJECT, group=mark.group))
        elif free:
            own = _around(mark, free)
        else:
            own = single = single or Somebody(OBJECT)
        if mark.name in own.marks:
            raise DataError(
                f"point '{mark.name}' is labelled twice and nothing says whose it is: group each object's points in "
                "the tool, or draw a box around each object"
            )
        own.marks[mark.name] = mark
    return [*people.values(), *loose, *([single] if single else [])]


def _add(own: Somebody, outline: Outline) -> None:
    own.category = outline.category
    own.group = outline.group
    if outline.box is not None:
        if own.box is not None:
            raise DataError(f"an object of '{own.category}' has two boxes in one group")
        own.box = outline.box
    if outline.polygon is not None:
        own.polygons.append(outline.polygon)


def _around(mark: Mark, free: Sequence[Somebody]) -> Somebody:
    boxes = np.array([one.box for one in free])
    inside = ((boxes[:, :2] <= mark.at) & (mark.at <= boxes[:, 2:])).all(1)
    if not inside.any():
        raise DataError(f"point '{mark.name}' at {mark.at} is in no box: nothing says whose it is")
    sides = boxes[:, 2:] - boxes[:, :2]
    return free[int(np.where(inside, sides.prod(1), np.inf).argmin())]


def named_categories(people: Sequence[Sequence[Somebody]], order: Sequence[str] = ()) -> tuple[Category, ...]:
    """The categories of all pictures' people and the points that theirs have, in the given order, then as they come.

    A single category has the points of the order that nobody has, too.
    """
    points: dict[str, dict[str, None]] = {}
    for one in (one for somebodies in people for one in somebodies):
        points.setdefault(one.category, {}).update(dict.fromkeys(one.marks))
    if len(points) == 1:
        points = {name: dict.fromkeys([*order, *found]) for name, found in points.items()}
    rank = {name: i for i, name in enumerate(order)}
    return tuple(
        Category(name, tuple(sorted(found, key=lambda n: rank.get(n, len(rank))))) for name, found in points.items()
    )


def person(one: Somebody, categories: Sequence[Category]) -> Person:
    """The person with points in the order of its category."""
    which = next(i for i, c in enumerate(categories) if c.name == one.category)
    names = categories[which].keypoints
    keypoints, visibility = nobody(len(names))
    for name, mark in one.marks.items():
        place = names.index(name)
        keypoints[place], visibility[place] = mark.at, mark.visibility
    return Person(which, keypoints * (visibility[:, None] > 0), visibility, one.box, polygons=tuple(one.polygons))


def nameless(labels: Labels) -> list[str]:
    """What tools lose that give a category to boxes and polygons only: categories of people without either."""
    loose = [p for p in everybody(labels) if p.box is None and not p.polygons]
    gone = sum(labels.categories[p.category].name != OBJECT for p in loose)
    bare = sum(not p.labelled for p in loose)
    lines = [f"{gone} people's category names (they have no box that could carry it)"] if gone else []
    lines += [f"{bare} people with neither box nor points"] if bare else []
    pointed = [c for c in labels.categories if c.keypoints]
    used = {(p.category, i) for p in everybody(labels) for i in np.flatnonzero(p.visibility).tolist()}
    unseen = sum(len(c.keypoints) for c in pointed) - len(used) if len(pointed) > 1 else 0
    return lines + ([f"{unseen} names of keypoints that nobody has"] if unseen else [])
