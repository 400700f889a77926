"""A data set in the keypoints of another skeleton."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from armature.data.groups import fields_of
from armature.data.opened import Opened, opened
from armature.data.source import Checkable, Picture, Problem, Source
from armature.skeleton_mapping import Correspondence, between
from armature.structures import Record, Skeleton


class Mapped:
    """A source whose people have another skeleton's keypoints, found by name; the others have visibility 0.

    What the source's own skeleton lacks is marked in ``Record.known``, so that no architecture learns from it that
    such a keypoint is absent. Boxes, areas, crowds and ids stay as they are.

    Args:
        source: with a skeleton of its own. skeleton: the keypoints wanted.
        derive, names: see ``skeleton_mapping.between``.

    Raises:
        SkeletonError: no common keypoint, or ``names`` of keypoints that do not exist.
    """

    def __init__(
        self,
        source: Source,
        skeleton: Skeleton,
        derive: bool = False,
        names: Mapping[str, str | Sequence[str]] | None = None,
    ) -> None:
        self.source, self.skeleton = source, skeleton
        self.correspondence = between(source.skeleton, skeleton, derive, names)
        self._records: list[Record] | None = None

    def __len__(self) -> int:
        return len(self.source)

    @property
    def records(self) -> list[Record]:
        """The source's records, keypoints mapped; made once."""
        if self._records is None:
            self._records = [mapped(record, self.correspondence) for record in self.source.records]
        return self._records

    def read(self, index: int, epoch: int = 0) -> tuple[Picture, Record]:
        """Picture and record, keypoints mapped."""
        picture, record = self.source.read(index, epoch)
        return picture, mapped(record, self.correspondence)

    def open(self, index: int, epoch: int = 0) -> Opened:
        """The image with its keypoints mapped, its pixels not yet read."""
        found = opened(self.source, index, epoch)
        return found.known_as(mapped(found.record, self.correspondence))

    def fingerprint(self) -> str:
        """sha256 over the source's and the mapping."""
        said = f"{self.source.fingerprint()}{self.skeleton.keypoints}{self.correspondence.origins}"
        return hashlib.sha256(said.encode()).hexdigest()

    def fields(self) -> dict[str, list[str | None]]:
        """The source's; see ``groups.Described``."""
        return fields_of(self.source)

    def check(self) -> list[Problem]:
        """The source's problems."""
        return self.source.check() if isinstance(self.source, Checkable) else []


def mapped(record: Record, correspondence: Correspondence) -> Record:
    """The record with the target's keypoints; ``known`` says which of them the data set labels, None: all."""
    origins = correspondence.origins
    known = np.array(correspondence.known)
    if record.known is not None:
        known = np.array([bool(o) and all(record.known[i] for i in o) for o in origins])
    keypoints, visibility = correspondence.points(record.keypoints, record.visibility)
    said = None if known.all() else tuple(known.tolist())
    return replace(record, keypoints=keypoints, visibility=visibility, known=said)
