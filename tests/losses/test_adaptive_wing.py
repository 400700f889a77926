"""Adaptive wing loss against the paper's formula, and what it does where little or nothing is supervised."""

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import grey_dilation

from armature.losses.adaptive_wing import AdaptiveWing
from armature.structures import Target

ALPHA, OMEGA, EPSILON, THETA = 2.1, 14.0, 1.0, 0.5


def maps(seed: int = 0, shape: tuple[int, ...] = (2, 3, 6, 5)) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def by_hand(heat: float, y: float) -> float:
    """Equations 3 and 4 (Wang et al. 2019)."""
    x, power = abs(heat - y), ALPHA - y
    if x < THETA:
        return OMEGA * math.log(1 + (x / EPSILON) ** power)
    a = OMEGA * (1 / (1 + (THETA / EPSILON) ** power)) * power * (THETA / EPSILON) ** (power - 1) / EPSILON
    return a * x - (THETA * a - OMEGA * math.log(1 + (THETA / EPSILON) ** power))


@pytest.mark.parametrize("logits", [False, True])
def test_it_equals_the_paper_cell_by_cell_with_the_weighted_map(logits: bool) -> None:
    output, value = maps() * 2 - 0.5, maps(1) ** 4
    weight = (maps(2) > 0.3).float()
    heat = output.sigmoid() if logits else output
    # Heat that is not supervised weighs nothing beside it either.
    value = value.where(weight > 0, 0.0)
    found = AdaptiveWing(logits=logits)(output, Target(value, weight))
    total = 0.0
    for b in range(2):
        for c in range(3):
            plane = value[b, c].numpy()
            near = grey_dilation(plane, (3, 3), mode="constant") >= 0.2
            for y, x in np.ndindex(6, 5):
                share = float(weight[b, c, y, x]) * (1 + 10 * near[y, x])
                total += share * by_hand(float(heat[b, c, y, x]), float(plane[y, x]))
    assert float(found) == pytest.approx(total / float(weight.sum()), rel=1e-4)


def test_without_foreground_weight_and_both_branches_meet() -> None:
    target = Target(torch.full((1, 1, 1), 0.3), torch.ones(1, 1, 1))
    low, high = (AdaptiveWing(foreground=0)(torch.full((1, 1, 1), 0.8 + d), target) for d in (-1e-5, 1e-5))
    assert float(high - low) == pytest.approx(0, abs=1e-3) and float(low) == pytest.approx(by_hand(0.8, 0.3), rel=1e-3)


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_gradients_are_finite_also_where_nothing_is_wrong_and_beside_the_impossible(kind: torch.dtype) -> None:
    output = torch.tensor([[[0.0, 1.0], [0.4, 0.2]]], dtype=kind).requires_grad_()
    value = torch.tensor([[[0.0, 1.0], [torch.nan, torch.inf]]])
    loss = AdaptiveWing()(output, Target(value, torch.tensor([[[1.0, 1.0], [0.0, 0.0]]])))
    loss.backward()
    assert float(loss.detach()) == pytest.approx(0, abs=1e-4)
    assert output.grad is not None and output.grad.isfinite().all()


@pytest.mark.parametrize("shape", [(0, 2, 3, 3), (2, 2, 3, 3)])
def test_nobody_or_all_masked_is_zero_and_attached(shape: tuple[int, ...]) -> None:
    output = torch.ones(shape, requires_grad=True)
    loss = AdaptiveWing()(output, Target(torch.zeros(shape), torch.zeros(shape)))
    loss.backward()
    assert float(loss.detach()) == 0 and output.grad is not None and not output.grad.any()


def test_stages_are_averaged_and_distances_are_refused() -> None:
    output, target = maps(3, (2, 1, 2, 4, 4)), Target(maps(4, (1, 2, 4, 4)), torch.ones(1, 2, 4, 4))
    each = [AdaptiveWing()(stage, target) for stage in output]
    torch.testing.assert_close(AdaptiveWing()(output, target), sum(each) / 2)
    assert AdaptiveWing().problem(output, target) == ""
    assert "[0, 1]" in AdaptiveWing().problem(output, target._replace(value=target.value * 9))
    assert "equal shapes" in AdaptiveWing().problem(output[..., :3], target)
