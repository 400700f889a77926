"""What a data set is to everything behind it: pictures and records by index."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8
from numpy.typing import NDArray

from armature.structures import Record, Skeleton

#: An RGB picture, (H, W, 3).
Picture = UInt8[NDArray[np.uint8], "H W 3"]


class Source(Protocol):
    """A data set, fixed (files) or generated."""

    @property
    def skeleton(self) -> Skeleton:
        """The points its people are made of."""
        ...

    @property
    def records(self) -> list[Record]:
        """All records of epoch 0 in index order: what evaluation judges against."""
        ...

    def __len__(self) -> int: ...

    def read(self, index: int, epoch: int = 0) -> tuple[Picture, Record]:
        """One picture and the people in it, source px; fixed sources ignore the epoch."""
        ...

    def fingerprint(self) -> str:
        """sha256 over annotations and image list (generated sources: over their parameters)."""
        ...


@dataclass(frozen=True)
class Problem:
    """A picture that cannot be used: its index in the source, the file and what is wrong with it."""

    index: int
    file: str
    reason: str


@runtime_checkable
class Checkable(Protocol):
    """A source made of files, which can be checked before training starts."""

    def check(self) -> list[Problem]:
        """Every picture that is missing, unreadable, incomplete or of another size than stated."""
        ...
