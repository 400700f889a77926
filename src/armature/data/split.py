"""Parts of a data set: subsets and reproducible splits."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from armature.data.source import Checkable, Picture, Problem, Source
from armature.errors import ConfigError
from armature.structures import Record, Skeleton


class Subset:
    """A source of some of another's images.

    Args:
        indices: positions in ``source``, in the order of this one.
    """

    def __init__(self, source: Source, indices: Sequence[int]) -> None:
        self.source, self.indices = source, [int(i) for i in indices]

    @property
    def skeleton(self) -> Skeleton:
        """The source's."""
        return self.source.skeleton

    @property
    def records(self) -> list[Record]:
        """The records of the chosen images."""
        records = self.source.records
        return [records[i] for i in self.indices]

    def __len__(self) -> int:
        return len(self.indices)

    def read(self, index: int, epoch: int = 0) -> tuple[Picture, Record]:
        """Picture and record of the index-th chosen image."""
        return self.source.read(self.indices[index], epoch)

    def fingerprint(self) -> str:
        """sha256 over the source's and the choice."""
        return hashlib.sha256(f"{self.source.fingerprint()}{self.indices}".encode()).hexdigest()

    def check(self) -> list[Problem]:
        """The source's problems among the chosen images; indices count in this subset."""
        if not isinstance(self.source, Checkable):
            return []
        place = {chosen: i for i, chosen in enumerate(self.indices)}
        return [Problem(place[p.index], p.file, p.reason) for p in self.source.check() if p.index in place]


class Fraction:
    """A random split that holds out a share for validation.

    Args:
        val: share of the images, in (0, 1); at least one image is held out and one kept.
        seed: the split depends on it and on the number of images only.
    """

    def __init__(self, val: float = 0.1, seed: int = 0) -> None:
        if not 0 < val < 1:
            raise ConfigError(f"split: val is the share held out, between 0 and 1; found {val}")
        self.val, self.seed = val, seed

    def __call__(self, count: int) -> tuple[list[int], list[int]]:
        """Indices of training and of validation, each ascending."""
        _enough(count, 2)
        held = min(max(1, round(count * self.val)), count - 1)
        order = np.random.default_rng(self.seed).permutation(count)
        return sorted(order[held:].tolist()), sorted(order[:held].tolist())

    def describe(self) -> dict[str, object]:
        """What reports and provenance say about it."""
        return {"kind": "fraction", "val": self.val, "seed": self.seed}


class Fold:
    """One fold of a k-fold cross-validation: every image is held out in exactly one fold.

    Args:
        fold: which, from 0. folds: how many. seed: the same for all folds of one cross-validation.
    """

    def __init__(self, fold: int = 0, folds: int = 5, seed: int = 0) -> None:
        if folds < 2 or not 0 <= fold < folds:
            raise ConfigError(
                f"split: fold must be in 0..folds-1 with at least 2 folds; found fold={fold}, folds={folds}"
            )
        self.fold, self.folds, self.seed = fold, folds, seed

    def __call__(self, count: int) -> tuple[list[int], list[int]]:
        """Indices of training and of validation, each ascending."""
        _enough(count, self.folds)
        order = np.random.default_rng(self.seed).permutation(count)
        held = sorted(order[self.fold :: self.folds].tolist())
        return sorted(set(range(count)) - set(held)), held

    def describe(self) -> dict[str, object]:
        """What reports and provenance say about it."""
        return {"kind": "fold", "fold": self.fold, "folds": self.folds, "seed": self.seed}


def _enough(count: int, needed: int) -> None:
    if count < needed:
        raise ConfigError(f"split: {count} images cannot be split; needs at least {needed}")
