"""Names of keypoints that are another one's with a slip of the keyboard."""

from __future__ import annotations

import numpy as np

from armature.checking.subject import Group
from armature.skeletons import mirrored_name

#: A slip changes so many letters at most; the slip is seen in so small a share of the people, the name much more often.
MOST_LETTERS, RARE, TIMES = 2, 0.05, 10
#: Of shorter names, two letters are half of them.
LEAST_LENGTH = 4


def typos(group: Group) -> dict[int, int]:
    """The point that is meant by each point whose name is probably a slip, as indices.

    A rare name close to a frequent one, never both of one person. Names that have their mirror name (left_eye beside
    right_eye) are no slips, however close to others they are.
    """
    names, on = group.skeleton.keypoints, group.on[group.people]
    counts = on.sum(0)
    found: dict[int, int] = {}
    for i in np.flatnonzero((counts > 0) & (counts <= RARE * len(on))).tolist():
        mirror = mirrored_name(names[i])
        if len(names[i]) < LEAST_LENGTH or _numbered(names[i]) or (mirror != names[i] and mirror in names):
            continue
        close = [k for k in np.flatnonzero(counts >= TIMES * counts[i]).tolist() if _close(names[i], names[k])]
        close = [k for k in close if names[k] != mirror and not (on[:, i] & on[:, k]).any()]
        if close:
            found[i] = min(close, key=lambda k: distance(names[i], names[k]))
    return found


def _numbered(name: str) -> bool:
    return any(letter.isdigit() for letter in name)


def _close(a: str, b: str) -> bool:
    return abs(len(a) - len(b)) <= MOST_LETTERS and distance(a, b) <= MOST_LETTERS


def distance(a: str, b: str) -> int:
    """Letters that must be changed, added or left out to turn one name into the other (Levenshtein 1966)."""
    row = list(range(len(b) + 1))
    for i, letter in enumerate(a, 1):
        above, row = row, [i]
        for k, other in enumerate(b, 1):
            row.append(min(above[k] + 1, row[k - 1] + 1, above[k - 1] + (letter != other)))
    return row[-1]
