"""A picture before its pixels are read: who is in it comes first, and then as much of it as the canvas will show.

A picture of 640 x 480 that comes to a canvas of 256 x 192 is shrunk on the way; a JPEG can be decoded at a half, a
quarter or an eighth of its size in a part of the time, and a cache can hold it smaller than it is. Both need to know
beforehand where the picture goes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from armature.data.source import Picture, Source
from armature.structures import Record


class Pixels(NamedTuple):
    """A picture, perhaps smaller than its record says, and how many source px one of its px is, along x and y."""

    picture: Picture
    scale: tuple[float, float] = (1.0, 1.0)


def _unstamped() -> tuple[int, int]:
    return 0, 0


@dataclass(frozen=True)
class Opened:
    """One image of a source.

    Attributes:
        record: its people, source px.
        load: gives the pixels for the largest factor by which they will be drawn: at least so large, 1 is the whole.
        stamp: gives size and time of change of the file; (0, 0) where there is none.
    """

    record: Record
    load: Callable[[float], Pixels]
    stamp: Callable[[], tuple[int, int]] = _unstamped

    def onto(self, matrix: np.ndarray, reduced: bool = True) -> tuple[Picture, np.ndarray]:
        """The picture, and the matrix that takes its pixels where ``matrix`` takes those of the source.

        Args:
            matrix: (3, 3), source px -> canvas px. reduced: accept fewer pixels than there are, never fewer than the
                canvas shows.
        """
        picture, (x, y) = self.load(stretch(matrix) if reduced else 1.0)
        return (picture, matrix) if x == y == 1.0 else (picture, matrix @ np.diag([x, y, 1.0]))

    def known_as(self, record: Record) -> Opened:
        """The same picture with another record."""
        return replace(self, record=record)


def opened(source: Source, index: int, epoch: int = 0) -> Opened:
    """An image of any source: by its own ``open(index, epoch)`` where it has one, read at once otherwise."""
    own = getattr(source, "open", None)
    if own is not None:
        return own(index, epoch)  # type: ignore[no-any-return]
    picture, record = source.read(index, epoch)
    return Opened(record, lambda _: Pixels(picture))


def stretch(matrix: np.ndarray) -> float:
    """The largest factor by which a map lengthens anything: the larger singular value of its linear part."""
    a, b, c, d = matrix[0, 0], matrix[0, 1], matrix[1, 0], matrix[1, 1]
    whole, rest = a * a + b * b + c * c + d * d, a * d - b * c
    return float(np.sqrt((whole + np.sqrt(max(whole * whole - 4 * rest * rest, 0.0))) / 2))
