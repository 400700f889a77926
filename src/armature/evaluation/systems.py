"""What a comparison needs of a system: its metrics under any weighting of the images, alone or mixed with another's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from armature.errors import UserError
from armature.evaluation import oks
from armature.evaluation.medians import Medians
from armature.evaluation.ratios import Ratios
from armature.evaluation.resampled_oks import Judged, Wanted, numbers_under
from armature.evaluation.results import Predictions, Truth


@dataclass(frozen=True)
class System:
    """One run (one seed), or one results file, judged. I is the number of images.

    Attributes:
        name: unique among those compared. truth: what it was judged against.
        matches: for the ten OKS numbers. ratios: every metric that is a ratio of sums over images.
        medians: every metric that is a median.
        slices: matches whose lanes are slices of the people (``slices.py``); they give ``AP/<lane>`` and ``AR/<lane>``.
    """

    name: str
    truth: Truth
    matches: oks.Matches | None = None
    ratios: Ratios | None = None
    medians: Medians | None = None
    slices: oks.Matches | None = None

    @classmethod
    def build(
        cls,
        name: str,
        truth: Truth,
        predictions: Predictions,
        sigmas: NDArray[np.float64],
        ratios: Sequence[Ratios] = (),
        medians: Medians | None = None,
        max_detections: int = oks.MAX_DETECTIONS,
    ) -> System:
        """A system of its predictions, with OKS of these (K,) sigmas.

        Raises:
            UserError: sigmas of another number than the keypoints; ratios of another number of images.
        """
        matches = oks.match(truth, predictions, sigmas, max_detections)
        return cls(name, truth, matches, Ratios.join(ratios) if ratios else None, medians)

    def __post_init__(self) -> None:
        images = len(self.truth.image_ids)
        for what, part in (("ratios", self.ratios and len(self.ratios.top)), ("medians", self._median_images())):
            if part is not None and part != images:
                raise UserError(f"system '{self.name}': {what} of {part} images; the truth has {images}")

    @property
    def outputs(self) -> Outputs:
        """The metrics by image."""
        return Outputs(
            oks=None if self.matches is None else Judged.of(self.matches),
            slices=None if self.slices is None else Judged.of(self.slices),
            ratios=self.ratios,
            medians=self.medians,
        )

    @property
    def images(self) -> int:
        """I."""
        return len(self.truth.image_ids)

    def _median_images(self) -> int | None:
        return None if self.medians is None else self.medians.images


@dataclass(frozen=True)
class Outputs:
    """Metrics as functions of how often each image counts; parts that a system does not have are None."""

    oks: Judged | None = None
    slices: Judged | None = None
    ratios: Ratios | None = None
    medians: Medians | None = None

    @classmethod
    def side_by_side(cls, a: Outputs, b: Outputs, names: Sequence[str]) -> Outputs:
        """Two systems as one with 2 I images, so that weights choose whose output counts in each image.

        Args:
            names: the metrics that will be asked for; parts that they do not need are left out.
        """
        have = {a._part(name) for name in names} & {b._part(name) for name in names}
        oks_, slices, ratios, medians = (p in have for p in ("oks", "slices", "ratios", "medians"))
        return cls(
            Judged.side_by_side(a.oks, b.oks) if oks_ and a.oks and b.oks else None,
            Judged.side_by_side(a.slices, b.slices) if slices and a.slices and b.slices else None,
            _stacked(a.ratios, b.ratios, names) if ratios and a.ratios and b.ratios else None,
            Medians.side_by_side(a.medians, b.medians) if medians and a.medians and b.medians else None,
        )

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Every metric that can be asked for."""
        sliced = [f"{kind}/{lane}" for kind in ("AP", "AR") for lane in (self.slices.lanes if self.slices else ())]
        ratios, medians = (part.names if part else () for part in (self.ratios, self.medians))
        return tuple(dict.fromkeys([*(oks.NUMBERS if self.oks else ()), *sliced, *ratios, *medians]))

    def under(self, weights: NDArray, names: Sequence[str], workers: int = 1) -> NDArray[np.float64]:
        """(R, N) the named metrics under each weighting; NaN where there is nobody to judge.

        Args:
            weights: (R, I) how often each image counts, whole numbers >= 0. workers: threads.

        Raises:
            UserError: a metric that there is not, or wrong weights.
        """
        parts = {name: self._part(name) for name in names}
        found = np.full((len(weights), len(names)), np.nan)
        for kind in dict.fromkeys(parts.values()):
            own = [name for name in names if parts[name] == kind]
            found[:, [name in own for name in names]] = self._under(kind, weights, own, workers)
        return found

    def _part(self, name: str) -> str:
        """Which part gives this metric."""
        if self.oks is not None and name in oks.NUMBERS:
            return "oks"
        if self.slices is not None and name.partition("/")[2] in self.slices.lanes and name[:3] in ("AP/", "AR/"):
            return "slices"
        for kind, part in (("ratios", self.ratios), ("medians", self.medians)):
            if part is not None and name in part.names:
                return kind
        raise UserError(f"there is no metric '{name}' here; there are {', '.join(self.names) or 'none'}")

    def _under(self, kind: str, weights: NDArray, names: list[str], workers: int) -> NDArray[np.float64]:
        if kind == "oks":
            assert self.oks is not None
            return numbers_under(self.oks, weights, {name: oks.NUMBERS[name] for name in names}, workers)
        if kind == "slices":
            assert self.slices is not None
            wanted: Wanted = {name: (name[:2], name[3:], None) for name in names}
            return numbers_under(self.slices, weights, wanted, workers)
        if kind == "ratios":
            assert self.ratios is not None
            return _chosen(self.ratios, names).under(weights)
        assert self.medians is not None
        return self.medians.under(weights, workers)[:, [self.medians.names.index(name) for name in names]]


@dataclass(frozen=True)
class Group:
    """Systems that differ in their seed only: one result with n draws.

    Attributes:
        name: unique among those compared. systems: n of them, at least one.
    """

    name: str
    systems: tuple[System, ...]

    def __post_init__(self) -> None:
        if not self.systems:
            raise UserError(f"group '{self.name}' holds no system")

    @property
    def n(self) -> int:
        """How many seeds there are."""
        return len(self.systems)


def as_groups(entries: Sequence[System | Group]) -> list[Group]:
    """Groups as they are, and single systems as groups of one.

    Raises:
        UserError: a name that comes twice, or systems that were judged against different truth.
    """
    groups = [e if isinstance(e, Group) else Group(e.name, (e,)) for e in entries]
    names = [group.name for group in groups]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UserError(f"systems must have different names; '{twice[0]}' comes {names.count(twice[0])} times")
    everybody = [system for group in groups for system in group.systems]
    for other in everybody[1:]:
        check_same_truth(everybody[0], other)
    return groups


def check_same_truth(a: System, b: System) -> None:
    """Passes where both were judged against the same people in the same images.

    Annotation ids may differ, for they say nothing of the people.

    Raises:
        UserError: names the first thing that is not alike.
    """
    one, other = a.truth, b.truth
    if one is other:
        return
    pair = f"'{a.name}' and '{b.name}' cannot be compared"
    if not np.array_equal(one.image_ids, other.image_ids):
        alone = np.setxor1d(one.image_ids, other.image_ids)
        raise UserError(
            f"{pair}: their images differ ({len(one.image_ids)} and {len(other.image_ids)}; image {alone[0]} is in one "
            "only); judge both on the same images, or on the intersection"
        )
    if not np.array_equal(one.image, other.image):
        counts = [np.bincount(t.image, minlength=len(t.image_ids)) for t in (one, other)]
        where = one.image_ids[np.flatnonzero(counts[0] != counts[1])[0]]
        raise UserError(f"{pair}: their annotations differ in the number of people of image {where}")
    for name in ("keypoints", "visibility", "labelled", "areas", "crowd"):
        mine, theirs = getattr(one, name), getattr(other, name)
        if mine.shape != theirs.shape or not np.array_equal(mine, theirs):
            hint = f" (from {one.area_source} and {other.area_source})" if name == "areas" else ""
            raise UserError(f"{pair}: the {name} of their annotated people differ{hint}; judge both against one file")


def _chosen(ratios: Ratios, names: Sequence[str]) -> Ratios:
    columns = [ratios.names.index(name) for name in names]
    return Ratios(tuple(names), ratios.top[:, columns], ratios.bottom[:, columns])


def _stacked(a: Ratios, b: Ratios, names: Sequence[str]) -> Ratios:
    """Both systems' ratios as of 2 I images, those of ``names`` that both have."""
    shared = [name for name in a.names if name in b.names and name in names]
    a, b = _chosen(a, shared), _chosen(b, shared)
    return Ratios(tuple(shared), np.concatenate([a.top, b.top]), np.concatenate([a.bottom, b.bottom]))
