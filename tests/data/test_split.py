"""Parts of a data set: disjoint, complete, and the same tomorrow."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from armature.data.source import Problem
from armature.data.split import Fold, Fraction, Subset
from armature.errors import ConfigError


@pytest.mark.parametrize(("count", "share", "held"), [(10, 0.2, 2), (3, 0.01, 1), (2, 0.99, 1), (116, 0.05, 6)])
def test_fraction_holds_out_its_share(count: int, share: float, held: int) -> None:
    train, val = Fraction(share, seed=3)(count)
    assert len(val) == held
    assert sorted(train + val) == list(range(count))
    assert (train, val) == Fraction(share, seed=3)(count)


def test_another_seed_is_another_split() -> None:
    assert Fraction(0.5, 0)(40) != Fraction(0.5, 1)(40)
    assert Fold(0, 2, 0)(40) != Fold(0, 2, 1)(40)


def test_folds_hold_out_every_image_once() -> None:
    parts = [Fold(fold, 5, seed=1)(17) for fold in range(5)]
    assert sorted(i for _, val in parts for i in val) == list(range(17))
    assert {len(val) for _, val in parts} == {3, 4}
    assert all(sorted(train + val) == list(range(17)) for train, val in parts)


def test_a_subset_is_a_source(dots: Callable) -> None:
    whole = dots(6)
    part = Subset(whole, [4, 1])
    assert len(part) == 2
    assert [r.image_id for r in part.records] == [104, 101]
    assert part.read(0)[1].image_id == 104
    assert np.array_equal(part.read(1)[0], whole.read(1)[0])
    assert part.skeleton is whole.skeleton
    assert part.fingerprint() != Subset(whole, [1, 4]).fingerprint()
    assert part.check() == []


def test_a_subset_has_the_problems_of_its_images(dots: Callable) -> None:
    whole = dots(6)
    whole.check = lambda: [Problem(i, f"{i}.jpg", "gone") for i in (1, 3)]
    assert Subset(whole, [5, 3]).check() == [Problem(1, "3.jpg", "gone")]


@pytest.mark.parametrize("make", [lambda: Fraction(0), lambda: Fraction(1.5), lambda: Fold(5, 5), lambda: Fold(0, 1)])
def test_splits_that_cannot_be_are_refused(make: Callable) -> None:
    with pytest.raises(ConfigError, match=r"split: .*found"):
        make()


def test_too_few_images_cannot_be_split() -> None:
    with pytest.raises(ConfigError, match="3 images cannot be split; needs at least 5"):
        Fold(0, 5)(3)
