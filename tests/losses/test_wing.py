"""Wing loss against the paper's formula, and what it does where little or nothing is supervised."""

import math

import pytest
import torch

from armature.errors import ConfigError
from armature.losses.wing import Wing
from armature.structures import Target


def draw(*shape: int, seed: int = 0, scale: float = 1.0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * scale


def test_it_equals_equation_5_number_by_number() -> None:
    output, value = draw(2, 3, 4, scale=12), draw(2, 3, 4, seed=1, scale=12)
    weight = torch.tensor([1.0, 0.0, 0.5, 2.0]).expand(2, 3, 4)
    w, epsilon = 10.0, 2.0
    total = 0.0
    for o, v, share in zip(output.flatten().tolist(), value.flatten().tolist(), weight.flatten().tolist(), strict=True):
        x = abs(o - v)
        total += share * (w * math.log(1 + x / epsilon) if x < w else x - (w - w * math.log(1 + w / epsilon)))
    found = Wing(w, epsilon)(output, Target(value, weight))
    assert float(found) == pytest.approx(total / float(weight.sum()), rel=1e-5)


def test_both_branches_meet() -> None:
    near, far = (Wing(3.0, 0.5)(torch.tensor([3.0 + d]), Target(torch.zeros(1), torch.ones(1))) for d in (-1e-4, 1e-4))
    assert float(far - near) == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_gradients_are_finite_also_at_zero_and_beside_the_impossible(kind: torch.dtype) -> None:
    output = torch.tensor([1.0, 30.0, 2.0, 5.0], dtype=kind).requires_grad_()
    value = torch.tensor([1.0, 2.0, torch.inf, torch.nan])
    loss = Wing()(output, Target(value, torch.tensor([1.0, 1.0, 0.0, 0.0])))
    loss.backward()
    assert torch.isfinite(loss) and output.grad is not None and output.grad.isfinite().all()
    assert output.grad[1] > 0 and (output.grad[2:] == 0).all()


@pytest.mark.parametrize("shape", [(0, 4), (3, 4)])
def test_nobody_or_all_masked_is_zero_and_attached(shape: tuple[int, int]) -> None:
    output = torch.ones(shape, requires_grad=True)
    loss = Wing()(output, Target(torch.zeros(shape), torch.zeros(shape)))
    loss.backward()
    assert float(loss.detach()) == 0 and output.grad is not None and not output.grad.any()


def test_stages_are_averaged() -> None:
    output, target = draw(2, 1, 3, 4, scale=5), Target(draw(1, 3, 4, seed=2), torch.ones(1, 3, 4))
    each = [Wing()(stage, target) for stage in output]
    torch.testing.assert_close(Wing()(output, target), sum(each) / 2)


def test_impossible_widths_are_refused() -> None:
    with pytest.raises(ConfigError, match="above 0"):
        Wing(width=0)
