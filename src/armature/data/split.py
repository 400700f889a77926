"""Parts of a data set: subsets and reproducible splits."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from armature.data.groups import fields_of, groups
from armature.data.opened import Opened, opened
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

    def open(self, index: int, epoch: int = 0) -> Opened:
        """The index-th chosen image, its pixels not yet read."""
        return opened(self.source, self.indices[index], epoch)

    def fingerprint(self) -> str:
        """sha256 over the source's and the choice."""
        return hashlib.sha256(f"{self.source.fingerprint()}{self.indices}".encode()).hexdigest()

    def fields(self) -> dict[str, list[str | None]]:
        """What the labels say of the chosen images; see ``groups.Described``."""
        return {name: [values[i] for i in self.indices] for name, values in fields_of(self.source).items()}

    def check(self) -> list[Problem]:
        """The source's problems among the chosen images; indices count in this subset."""
        if not isinstance(self.source, Checkable):
            return []
        place = {chosen: i for i, chosen in enumerate(self.indices)}
        return [Problem(place[p.index], p.file, p.reason) for p in self.source.check() if p.index in place]


class Split(Protocol):
    """How a source is divided. ``by``: what stays together (see ``groups``); None: every picture is on its own."""

    by: str | None

    def __call__(self, count: int, groups: Sequence[str] | None = None) -> tuple[list[int], list[int]]:
        """Indices of training and of validation, each ascending; ``groups`` has one name a picture."""
        ...

    def describe(self) -> dict[str, object]:
        """What reports and provenance say about it."""
        ...


class Fraction:
    """A random split that holds out a share for validation.

    Args:
        val: share of the images, in (0, 1); at least one image (or group) is held out and one kept. Whole groups are
            held out, in random order, wherever one brings the share nearer.
        seed: the split depends on it and on the number of images only, or on the groups' names and sizes.
        by: what stays together: ``folder``, a field of the labels, or a pattern; see ``groups.groups``.
    """

    def __init__(self, val: float = 0.1, seed: int = 0, by: str | None = None) -> None:
        if not 0 < val < 1:
            raise ConfigError(f"split: val is the share held out, between 0 and 1; found {val}")
        self.val, self.seed, self.by = val, seed, by

    def __call__(self, count: int, groups: Sequence[str] | None = None) -> tuple[list[int], list[int]]:
        """Indices of training and of validation, each ascending."""
        rng = np.random.default_rng(self.seed)
        if groups is not None:
            sizes = _sizes(groups, 2)
            return _divided(groups, self._held(sizes, [list(sizes)[i] for i in rng.permutation(len(sizes))]))
        _enough(count, 2)
        held = min(max(1, round(count * self.val)), count - 1)
        order = rng.permutation(count)
        return sorted(order[held:].tolist()), sorted(order[:held].tolist())

    def _held(self, sizes: dict[str, int], order: Sequence[str]) -> set[str]:
        wanted, held, size = self.val * sum(sizes.values()), set[str](), 0
        for name in order:
            if len(held) < len(order) - 1 and abs(size + sizes[name] - wanted) < abs(size - wanted):
                held.add(name)
                size += sizes[name]
        # Where every group alone is more than twice the share.
        return held or {min(order, key=lambda name: sizes[name])}

    def describe(self) -> dict[str, object]:
        """What reports and provenance say about it."""
        return {"kind": "fraction", "share": self.val, "seed": self.seed, "by": self.by}


class Fold:
    """One fold of a k-fold cross-validation: every image is held out in exactly one fold.

    Args:
        fold: which, from 0. folds: how many. seed: the same for all folds of one cross-validation.
        by: what stays together, see ``groups.groups``; folds are then as equal in images as whole groups allow.
    """

    def __init__(self, fold: int = 0, folds: int = 5, seed: int = 0, by: str | None = None) -> None:
        if folds < 2 or not 0 <= fold < folds:
            raise ConfigError(
                f"split: fold must be in 0..folds-1 with at least 2 folds; found fold={fold}, folds={folds}"
            )
        self.fold, self.folds, self.seed, self.by = fold, folds, seed, by

    def __call__(self, count: int, groups: Sequence[str] | None = None) -> tuple[list[int], list[int]]:
        """Indices of training and of validation, each ascending."""
        rng = np.random.default_rng(self.seed)
        if groups is not None:
            sizes = _sizes(groups, self.folds)
            return _divided(groups, self._held(sizes, [list(sizes)[i] for i in rng.permutation(len(sizes))]))
        _enough(count, self.folds)
        order = rng.permutation(count)
        held = sorted(order[self.fold :: self.folds].tolist())
        return sorted(set(range(count)) - set(held)), held

    def _held(self, sizes: dict[str, int], order: Sequence[str]) -> set[str]:
        """Largest groups first, each to the fold that has fewest images."""
        filled, folds = [0] * self.folds, [set[str]() for _ in range(self.folds)]
        for name in sorted(order, key=lambda name: -sizes[name]):
            least = filled.index(min(filled))
            folds[least].add(name)
            filled[least] += sizes[name]
        return folds[self.fold]

    def describe(self) -> dict[str, object]:
        """What reports and provenance say about it."""
        return {"kind": "fold", "fold": self.fold, "folds": self.folds, "seed": self.seed, "by": self.by}


def divide(source: Source, split: Split) -> tuple[Subset, Subset]:
    """The parts of a source to learn from and to judge by.

    Raises:
        ConfigError: too few images or groups, or no such groups.
    """
    by = getattr(split, "by", None)  # a split of one's own may know nothing of groups
    kept, held = split(len(source)) if by is None else split(len(source), groups(source, by))
    return Subset(source, kept), Subset(source, held)


def fold_of(split: Split | None, fold: int, folds: int) -> Fold:
    """The fold of a cross-validation that is like a split in its seed and in what it keeps together."""
    return Fold(fold, folds, getattr(split, "seed", 0), getattr(split, "by", None))


def digest(source: Source) -> str:
    """sha256 over the images of a source, whatever their order and their labels: equal where the pictures are."""
    names = sorted(f"{record.image_id}:{record.file}" for record in source.records)
    return hashlib.sha256("\n".join(names).encode()).hexdigest()


def _sizes(groups: Sequence[str], needed: int) -> dict[str, int]:
    """Group -> number of images, in the order of names: the split must not depend on the order of files."""
    names, counts = np.unique(np.array(groups, dtype=object).astype(str), return_counts=True)
    if len(names) < needed:
        found = f"one group, '{names[0]}'" if len(names) == 1 else f"{len(names)} groups ({', '.join(names)})"
        raise ConfigError(
            f"split: all {len(groups)} images are in {found}; needs at least {needed}: group them by something else, "
            "or divide them one by one (data.split.by=null)"
        )
    return dict(zip(names.tolist(), counts.tolist(), strict=True))


def _divided(groups: Sequence[str], held: set[str]) -> tuple[list[int], list[int]]:
    kept = [i for i, name in enumerate(groups) if name not in held]
    return kept, [i for i, name in enumerate(groups) if name in held]


def _enough(count: int, needed: int) -> None:
    if count < needed:
        raise ConfigError(f"split: {count} images cannot be split; needs at least {needed}")
