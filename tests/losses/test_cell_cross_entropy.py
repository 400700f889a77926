"""Cross-entropies against loops over numbers."""

from __future__ import annotations

import math

import pytest
import torch

from armature.architectures.protocol import misfit
from armature.losses.bce import BCE
from armature.losses.cell_cross_entropy import CellCrossEntropy
from armature.structures import Target


def case(kind: torch.dtype = torch.float32) -> tuple[torch.Tensor, Target]:
    generator = torch.Generator().manual_seed(0)
    output = torch.randn(3, 2, 5, 7, generator=generator).to(kind).requires_grad_()
    place = torch.rand(3, 2, 2, generator=generator) * torch.tensor([7.0, 5.0])
    weight = torch.tensor([[1.0, 0.0], [0.5, 1.0], [0.0, 0.0]])[..., None]
    place[0, 1] = 99  # outside, but not supervised
    return output, Target(place, weight)


def test_cells_against_a_loop() -> None:
    output, target = case()
    total = weights = 0.0
    for p, k in ((0, 0), (1, 0), (1, 1)):
        logits, (x, y) = output[p, k].tolist(), target.value[p, k].tolist()
        each = -logits[int(y)][int(x)] + math.log(sum(math.exp(v) for row in logits for v in row))
        total, weights = total + float(target.weight[p, k]) * each, weights + float(target.weight[p, k])
    assert float(CellCrossEntropy()(output, target).detach()) == pytest.approx(total / weights, rel=1e-5)


def test_bce_against_a_loop() -> None:
    logits, truth, weight = [0.3, -2.0, 5.0, 90.0], [1.0, 0.25, 0.0, 0.0], [1.0, 2.0, 0.5, 0.0]
    total = 0.0
    for z, y, w in zip(logits, truth, weight, strict=True):
        p = 1 / (1 + math.exp(-z))
        total += w * -(y * math.log(p) + (1 - y) * math.log(1 - p)) if w else 0.0
    target = Target(torch.tensor(truth), torch.tensor(weight))
    assert float(BCE()(torch.tensor(logits), target)) == pytest.approx(total / 3.5, rel=1e-5)


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_gradients_are_finite_and_of_supervised_maps_only(kind: torch.dtype) -> None:
    output, target = case(kind)
    CellCrossEntropy()(output, target).backward()
    assert output.grad is not None and torch.isfinite(output.grad).all()
    assert (output.grad.float().abs().amax((2, 3)) > 0).tolist() == (target.weight[..., 0] > 0).tolist()


@pytest.mark.parametrize("fn", [BCE(), CellCrossEntropy()])
def test_nothing_to_learn_is_zero_and_attached(fn: torch.nn.Module) -> None:
    for count in (0, 2):
        output = torch.randn(count, 3, 4, 4, requires_grad=True)
        value = torch.full((count, 3, 4, 4) if isinstance(fn, BCE) else (count, 3, 2), torch.inf)
        loss = fn(output, Target(value, torch.zeros(*value.shape[:2], *[1] * (value.ndim - 2))))
        loss.backward()
        assert float(loss.detach()) == 0 and torch.isfinite(output.grad).all()


def test_what_they_cannot_read_is_refused() -> None:
    output, target = case()
    assert not misfit(CellCrossEntropy(), output, target)
    assert "outside the map" in misfit(CellCrossEntropy(), output, Target(target.value + 6, target.weight))
    assert "reads maps" in misfit(CellCrossEntropy(), output[..., 0, 0], target)
    assert "same shape" in misfit(BCE(), output, target)
    assert "outside [0, 1]" in misfit(BCE(), output, Target(output.detach(), torch.ones(1)))
