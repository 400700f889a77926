"""A data set under examination: pictures, and the people in them as flat arrays, sound or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from armature.checking import likeness
from armature.checking.findings import Finding, Place
from armature.checking.likeness import Pair
from armature.structures import Skeleton

if TYPE_CHECKING:
    from armature.checking.facts import Facts


@dataclass(frozen=True)
class Picture:
    """One picture that the labels name.

    Attributes:
        file: as the data call it. path: where it lies. size: (H, W) that the labels say; (0, 0) where they do not.
        split: "train", "val", "test" or "". ident: the file's image id.
    """

    file: str
    path: Path
    size: tuple[int, int] = (0, 0)
    split: str = ""
    ident: int | None = None


@dataclass(frozen=True, eq=False)
class Group:
    """N people with the same K keypoints, crowds included.

    Coordinates are continuous source pixels. What a file does not say is NaN, -1 in ``counted`` and ``idents``.

    Attributes:
        category: what the data call them. picture: (N,) indices of ``Subject.pictures``. idents: (N,) annotation ids.
        keypoints: (N, K, 2) xy. visibility: (N, K). boxes: (N, 4) xyxy. areas: (N,) px^2. crowd: (N,).
        counted: (N,) what the file says is the number of labelled points. origin: (N, 2) place in ``Subject.files``
        and among the annotations there, -1 for people of other formats.
    """

    category: str
    skeleton: Skeleton
    picture: NDArray[np.int64]
    idents: NDArray[np.int64]
    keypoints: NDArray[np.float64]
    visibility: NDArray[np.int64]
    boxes: NDArray[np.float64]
    areas: NDArray[np.float64]
    crowd: NDArray[np.bool_]
    counted: NDArray[np.int64]
    origin: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.picture)

    @cached_property
    def on(self) -> NDArray[np.bool_]:
        """(N, K): labelled points."""
        return self.visibility > 0

    @cached_property
    def people(self) -> NDArray[np.bool_]:
        """(N,): single people with any labelled point."""
        return self.on.any(1) & ~self.crowd

    @cached_property
    def bounds(self) -> NDArray[np.float64]:
        """(N, 4) xyxy of the labelled points; NaN without any."""
        on = self.on[..., None]
        low = np.where(on, self.keypoints, np.inf).min(1, initial=np.inf)
        high = np.where(on, self.keypoints, -np.inf).max(1, initial=-np.inf)
        found = np.concatenate([low, high], 1)
        return np.where(np.isfinite(found), found, np.nan)

    def extent(self) -> NDArray[np.float64]:
        """(N,) diagonal of the labelled points, px; at least 1."""
        bounds = self.bounds
        return np.fmax(np.hypot(bounds[:, 2] - bounds[:, 0], bounds[:, 3] - bounds[:, 1]), 1.0)


@dataclass(frozen=True)
class LabelFile:
    """A COCO file as it was read, for mending: its path and content."""

    path: Path
    content: dict[str, Any]
    split: str = ""


@dataclass(eq=False)
class Subject:
    """A whole data set.

    Attributes:
        title: how it is called. found: what was found while reading. unlisted: pictures on the disk without labels, by
        the folder that was looked through.
        files: COCO files, for mending. tree: the folder that a whole data set was read from, None for single files.
        facts: what the pictures themselves say, one each; () before they were read.
    """

    title: str
    pictures: list[Picture] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    found: list[Finding] = field(default_factory=list)
    unlisted: dict[Path, list[str]] = field(default_factory=dict)
    files: list[LabelFile] = field(default_factory=list)
    tree: Path | None = None
    facts: Sequence[Facts] = ()

    def at(
        self, severity: str, kind: str, what: str, fix: str, group: int, row: int, keypoint: int = -1, other: int = -1
    ) -> Finding:
        """A finding about one person (and one keypoint), with everything that names it."""
        own = self.groups[group]
        picture = int(own.picture[row])
        ident = int(own.idents[row])
        name = own.skeleton.keypoints[keypoint] if keypoint >= 0 else ""
        where = self.pictures[picture]
        place = Place(picture, group, row, keypoint, other)
        return Finding(severity, kind, what, fix, where.file, ident if ident >= 0 else None, name, where.split, place)

    def of_picture(self, severity: str, kind: str, what: str, fix: str, picture: int, other: int = -1) -> Finding:
        """A finding about one picture, or about a pair."""
        where = self.pictures[picture]
        return Finding(severity, kind, what, fix, where.file, split=where.split, place=Place(picture, other=other))

    def half_read(self, split: str) -> bool:
        """Whether labels of a split could not be read, or not all of them, so that what is not there says nothing."""
        kinds = ("unreadable_labels", "invalid_annotation")
        return any(f.kind in kinds and f.split in ("", split) for f in self.found)

    def sizes(self) -> NDArray[np.float64]:
        """(P, 2) (H, W) of every picture: as labelled, as it is where the labels do not say, NaN where nobody knows."""
        known = [picture.size for picture in self.pictures]
        for i, facts in enumerate(self.facts):
            if not max(known[i]):
                known[i] = facts.size
        found = np.array(known, float).reshape(-1, 2)
        return np.where(found > 0, found, np.nan)

    @cached_property
    def alike(self) -> list[Pair]:
        """Pairs of pictures that look alike, as indices of ``pictures``; those that cannot be read are left out."""
        readable = [i for i, facts in enumerate(self.facts) if not facts.fault]
        found = likeness.alike(np.array([self.facts[i].miniature for i in readable]))
        return [replace(pair, first=readable[pair.first], second=readable[pair.second]) for pair in found]

    def splits(self) -> dict[str, NDArray[np.int64]]:
        """Indices of the pictures of each split, in order of appearance."""
        places: dict[str, list[int]] = {}
        for i, picture in enumerate(self.pictures):
            places.setdefault(picture.split, []).append(i)
        return {name: np.array(own) for name, own in places.items()}
