"""Permutation tests: would the difference of two systems be as large if their outputs were swapped at random?

If it made no difference which of two systems had seen an image, their outputs could be swapped in any images without
changing the law of the difference (Fisher's randomisation test; Efron & Tibshirani 1993, ch. 15; Noreen 1989). The
share of swaps that give a difference at least as large, either way, is the p-value. It needs no law and no large
number of images, but it speaks of the two networks as they are: other seeds are not in it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from armature.errors import UserError
from armature.evaluation.systems import Outputs, System, check_same_truth

#: Differences that fall short by less than this share of the metric are as large: equal sums, added in another order,
#: need not be equal to the last bit.
TIE = 1e-9


def swaps(images: int, permutations: int = 1000, seed: int = 0) -> NDArray[np.bool_]:
    """(P, I) in which images outputs change sides; all 2^I ways once where that is not more than ``permutations``.

    Raises:
        UserError: no images, or no permutations.
    """
    if images < 1 or permutations < 1:
        raise UserError(f"a permutation test needs images and permutations; found {images} and {permutations}")
    if 2**images <= permutations:
        return (np.arange(2**images)[:, None] >> np.arange(images)) & 1 > 0
    return np.random.default_rng(seed).integers(0, 2, (permutations, images), dtype=np.int8) > 0


def permutation_test(
    a: System, b: System, names: Sequence[str], permutations: int = 1000, seed: int = 0, workers: int = 1
) -> dict[str, float]:
    """Two-sided p of each metric's difference between two systems; NaN where there is no difference to judge.

    With random swaps the one that was observed counts among them, (k + 1) / (P + 1) (Phipson & Smyth 2010), so p is
    never 0; with all swaps it is exact. For AP both systems' predictions have to be put in one order, which is that of
    their ranks: see ``Judged.side_by_side``.

    Raises:
        UserError: truth that differs, a metric that one of them does not have.
    """
    check_same_truth(a, b)
    both = Outputs.side_by_side(a.outputs, b.outputs, names)
    swapped = swaps(a.images, permutations, seed).astype(np.int8)
    first = np.concatenate([np.zeros((1, a.images), np.int8), swapped])
    chosen = np.concatenate([1 - first, first], 1)
    others = np.concatenate([first, 1 - first], 1)
    value = both.under(chosen, names, workers)
    apart = np.abs(value - both.under(others, names, workers))
    observed, differences = apart[0], apart[1:]
    # a swap without a number is no evidence against equality
    as_large = ~(differences < observed - TIE * np.abs(value[0]))
    drawn = 2**a.images > permutations
    p = (as_large.sum(0) + drawn) / (len(swapped) + drawn)
    return {name: float(v) if np.isfinite(o) else float("nan") for name, v, o in zip(names, p, observed, strict=True)}
