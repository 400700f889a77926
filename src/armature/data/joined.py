"""Several data sets as one, whatever keypoints each of them labels."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import accumulate

from armature.data.mapped import Mapped
from armature.data.opened import Opened
from armature.data.source import Picture, Problem, Source
from armature.errors import ConfigError
from armature.skeleton_mapping import intersection, union
from armature.structures import Record, Skeleton

#: What ``skeleton`` may say besides a skeleton.
_WAYS = {"union": union, "intersection": intersection}


class Joined:
    """One source made of several, one after another; every person has the same keypoints, found by name.

    A keypoint that a source does not label is never supervised by its pictures. Image and annotation ids are the
    source's own times the number of sources, plus its place: what belongs to whom can be told, and none comes twice.

    Args:
        sources: at least one, by name or in order; each with a skeleton of its own.
        skeleton: the keypoints wanted; or ``union`` or ``intersection`` of the sources' own. A network is built for the
            config's ``skeleton``, so that configs say ``${skeleton}`` here; ``armature data skeleton join=[a,b]``
            writes the file of a union or an intersection.
        derive: also make points that a source lacks halfway between two that it has (neck, thorax, pelvis).
        names: by source name, what the source calls keypoints, where names alone do not tell; see
            ``skeleton_mapping.between``.

    Raises:
        ConfigError: no source, an unknown word for ``skeleton``, or ``names`` of a source that is not there.
        SkeletonError: a source without any of the keypoints wanted.
    """

    def __init__(
        self,
        sources: Mapping[str, Source] | Sequence[Source],
        skeleton: Skeleton | str = "union",
        derive: bool = False,
        names: Mapping[str, Mapping[str, str | Sequence[str]]] | None = None,
    ) -> None:
        named = dict(sources) if isinstance(sources, Mapping) else {str(i): s for i, s in enumerate(sources)}
        if not named:
            raise ConfigError("joined data: sources must name at least one data set; found none")
        if lost := sorted(set(names or {}) - set(named)):
            raise ConfigError(f"joined data: names speaks of {lost}, which are no sources; those are {list(named)}")
        self.names = tuple(named)
        self.skeleton = _target([s.skeleton for s in named.values()], skeleton)
        self.sources = [Mapped(s, self.skeleton, derive, (names or {}).get(n)) for n, s in named.items()]
        self._ends = list(accumulate(len(s) for s in self.sources))
        self._records: list[Record] | None = None

    def __len__(self) -> int:
        return self._ends[-1]

    @property
    def records(self) -> list[Record]:
        """The records of all sources, in their order."""
        if self._records is None:
            self._records = [self._own(r, n) for n, s in enumerate(self.sources) for r in s.records]
        return self._records

    def read(self, index: int, epoch: int = 0) -> tuple[Picture, Record]:
        """Picture and record of the index-th image, counted through all sources."""
        number = self.number(index)
        picture, record = self.sources[number].read(index - self._start(number), epoch)
        return picture, self._own(record, number)

    def open(self, index: int, epoch: int = 0) -> Opened:
        """The index-th image, counted through all sources, its pixels not yet read."""
        number = self.number(index)
        found = self.sources[number].open(index - self._start(number), epoch)
        return found.known_as(self._own(found.record, number))

    def number(self, index: int) -> int:
        """Which source, from 0, an image is from.

        Raises:
            IndexError: there is no such image.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"image {index} of joined data of {len(self)}")
        return bisect_right(self._ends, index)

    def fingerprint(self) -> str:
        """sha256 over those of all sources, in order."""
        return hashlib.sha256("/".join(s.fingerprint() for s in self.sources).encode()).hexdigest()

    def fields(self) -> dict[str, list[str | None]]:
        """Every source's, and the source's name as ``source``; see ``groups.Described``."""
        said = [source.fields() for source in self.sources]
        names = dict.fromkeys(name for fields in said for name in fields)
        parts = list(zip(said, self.sources, strict=True))
        found = {n: [v for f, s in parts for v in f.get(n, [None] * len(s))] for n in names}
        own: list[str | None] = [name for name, s in zip(self.names, self.sources, strict=True) for _ in range(len(s))]
        return found | {"source": own}

    def check(self) -> list[Problem]:
        """All sources' problems; indices count through all sources."""
        starts = [self._start(n) for n in range(len(self.sources))]
        return [
            replace(problem, index=start + problem.index)
            for start, source in zip(starts, self.sources, strict=True)
            for problem in source.check()
        ]

    def _start(self, number: int) -> int:
        return self._ends[number - 1] if number else 0

    def _own(self, record: Record, number: int) -> Record:
        count = len(self.sources)
        ids = record.annotation_ids * count + number
        return replace(record, image_id=record.image_id * count + number, annotation_ids=ids)


def _target(own: Sequence[Skeleton], wanted: Skeleton | str) -> Skeleton:
    if isinstance(wanted, Skeleton):
        return wanted
    if wanted not in _WAYS:
        raise ConfigError(f"joined data: skeleton={wanted}: give a skeleton, or one of {', '.join(_WAYS)}")
    return _WAYS[wanted](own, "+".join(dict.fromkeys(s.name for s in own)))
