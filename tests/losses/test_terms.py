"""Losses against loops over single numbers, and what they do where nothing is supervised."""

import math

import pytest
import torch
from torch import nn

from armature.losses.focal import GaussianFocal
from armature.losses.oks import OKS
from armature.losses.regression import L1, SmoothL1
from armature.skeletons import make
from armature.structures import Target

SKELETON = make("two", ["left_end", "right_end"], sigmas=[0.05, 0.1])


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_l1_is_the_mean_over_supervised_numbers() -> None:
    output, value = draw(2, 4, 3), draw(2, 4, 3, seed=1)
    weight = torch.tensor([1.0, 0.0, 2.0]).expand(2, 4, 3)
    total = sum(
        float(w * abs(o - v)) for o, v, w in zip(output.flatten(), value.flatten(), weight.flatten(), strict=True)
    )
    assert float(L1()(output, Target(value, weight))) == pytest.approx(total / float(weight.sum()), rel=1e-5)


def test_smooth_l1_is_quadratic_then_linear() -> None:
    output, value = torch.tensor([0.5, 3.0]), torch.zeros(2)
    loss = SmoothL1(beta=1.0)(output, Target(value, torch.ones(2)))
    assert float(loss) == pytest.approx((0.5 * 0.25 + 2.5) / 2)


def test_focal_equals_a_loop() -> None:
    output = draw(1, 2, 3, 3)
    value = torch.rand(1, 2, 3, 3, generator=torch.Generator().manual_seed(2))
    value[0, 0, 1, 1] = value[0, 1, 2, 0] = 1.0
    weight = torch.ones(1, 2, 3, 3)
    weight[0, 0, 0, 0] = 0
    total = 0.0
    for o, v, w in zip(output.flatten().tolist(), value.flatten().tolist(), weight.flatten().tolist(), strict=True):
        p = 1 / (1 + math.exp(-o))
        total += w * (-((1 - p) ** 2) * math.log(p) if v == 1 else -((1 - v) ** 4) * p**2 * math.log(1 - p))
    assert float(GaussianFocal()(output, Target(value, weight))) == pytest.approx(total / 2, rel=1e-5)


@pytest.mark.parametrize(("alpha", "beta"), [(2.0, 4.0), (2.0, 0.0), (1.5, 3.0)])
def test_the_gradient_of_focal_is_that_of_its_formula(alpha: float, beta: float) -> None:
    """By autograd; in parts of the map, and where probabilities are clamped."""
    output = 3 * draw(3, 4, 90, 91)
    value = torch.rand(3, 4, 90, 91, generator=torch.Generator().manual_seed(2))
    value[:, :, ::20, ::30] = 1.0
    output[0, 0, 0, :31] = 15.0
    output[1, 0, 0, :31] = -15.0
    weight = torch.rand(3, 1, 90, 91, generator=torch.Generator().manual_seed(3)).round()
    found, expected = (output.clone().requires_grad_() for _ in range(2))
    loss = GaussianFocal(alpha, beta)(found, Target(value, weight))
    loss.backward()
    p = expected.sigmoid().clamp(1e-4, 1 - 1e-4)
    empty = (1 - value).pow(beta) * p.pow(alpha) * (1 - p).log()
    each = torch.where(value == 1, (1 - p).pow(alpha) * p.log(), empty)
    total = -(each * weight).sum() / ((value == 1) & (weight > 0)).sum()
    total.backward()
    assert found.numel() > 1 << 16 and found.grad is not None and expected.grad is not None
    torch.testing.assert_close(loss, total)
    torch.testing.assert_close(found.grad, expected.grad, rtol=1e-4, atol=1e-7)


def test_oks_equals_the_formula() -> None:
    output, value = draw(1, 2, 2, 1, 1), draw(1, 2, 2, 1, 1, seed=5)
    area = torch.full((1, 1, 1, 1, 1), 7.0)
    expected = []
    for k, sigma in enumerate((0.05, 0.1)):
        squared = float((output[0, k, :, 0, 0] - value[0, k, :, 0, 0]).square().sum())
        expected.append(1 - math.exp(-squared / (2 * 7.0 * (2 * sigma) ** 2)))
    found = OKS(SKELETON)(output, Target(value, torch.ones(1, 2, 1, 1, 1), area))
    assert float(found) == pytest.approx(sum(expected) / 2, rel=1e-5)


def test_oks_without_an_area_says_so() -> None:
    with pytest.raises(ValueError, match=r"needs Target\.scale"):
        OKS(SKELETON)(torch.zeros(1, 2, 2, 1, 1), Target(torch.zeros(1, 2, 2, 1, 1), torch.ones(1)))


@pytest.mark.parametrize("fn", [L1(), SmoothL1(), GaussianFocal(), OKS(SKELETON)])
def test_nothing_supervised_is_zero_and_attached(fn: nn.Module) -> None:
    output = draw(1, 2, 2, 3, 3).requires_grad_()
    empty = Target(torch.zeros(1, 2, 2, 3, 3), torch.zeros(1, 2, 1, 3, 3), torch.zeros(1, 1, 1, 3, 3))
    loss = fn(output, empty)
    assert float(loss.detach()) == 0.0
    loss.backward()
    assert output.grad is not None and torch.isfinite(output.grad).all()


def test_an_infinite_number_that_is_not_supervised_does_no_harm() -> None:
    value = torch.tensor([1.0, float("inf")])
    assert float(L1()(torch.zeros(2), Target(value, torch.tensor([1.0, 0.0])))) == 1.0
