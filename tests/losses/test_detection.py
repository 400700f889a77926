"""Losses of dense detectors against plain formulae, and what they do where nothing is supervised."""

from __future__ import annotations

import math

import pytest
import torch
import torchvision
from torch import nn

from armature.errors import ConfigError
from armature.losses.box_overlap import BoxOverlap
from armature.losses.dfl import DFL
from armature.losses.oks import OKS
from armature.losses.quality import QualityBCE
from armature.skeletons import make
from armature.structures import Target


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def boxes(*shape: int, seed: int = 0) -> torch.Tensor:
    low = draw(*shape, 2, seed=seed) * 10
    return torch.cat([low, low + 1 + 10 * draw(*shape, 2, seed=seed + 1)], -1)


def shares(distances: torch.Tensor, bins: int) -> torch.Tensor:
    """The two bins around each distance, one by one."""
    out = torch.zeros(*distances.shape, bins)
    for at in torch.cartesian_prod(*(torch.arange(n) for n in distances.shape)).tolist():
        y = float(distances[tuple(at)])
        out[(*at, int(y))], out[(*at, int(y) + 1)] = 1 - (y - int(y)), y - int(y)
    return out


@pytest.mark.parametrize("kind", ["ciou", "giou"])
def test_box_overlap_is_torchvisions_mean(kind: str) -> None:
    output, value, weight = boxes(2, 9), boxes(2, 9, seed=4), draw(2, 9, 1, seed=8)
    weight[0, :4] = 0
    fn = {"giou": torchvision.ops.generalized_box_iou_loss, "ciou": torchvision.ops.complete_box_iou_loss}[kind]
    expected = (fn(output, value) * weight[..., 0]).sum() / weight.sum()
    found = BoxOverlap(kind)(output, Target(value, weight))  # type: ignore[arg-type]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_hardly_any_weight_is_hardly_any_loss() -> None:
    output, value = boxes(1, 2), boxes(1, 2, seed=4)
    weight = torch.tensor([[[0.25], [0.0]]])
    expected = torchvision.ops.complete_box_iou_loss(output[0, 0], value[0, 0]) * 0.25
    torch.testing.assert_close(BoxOverlap()(output, Target(value, weight)), expected, atol=1e-5, rtol=1e-4)


def test_dfl_is_the_published_formula() -> None:
    """Li et al. 2020, eq. 6: -((y_i+1 - y) log S_i + (y - y_i) log S_i+1)."""
    logits, distances, weight = draw(2, 5, 4, 16) * 3, draw(2, 5, 4, seed=1) * 14.9, draw(2, 5, 1, 1, seed=2)
    total = 0.0
    for b in range(2):
        for a in range(5):
            for side in range(4):
                y = float(distances[b, a, side])
                exponents = [math.exp(v) for v in logits[b, a, side].tolist()]
                left, right = (math.log(exponents[i] / sum(exponents)) for i in (int(y), int(y) + 1))
                total += -((int(y) + 1 - y) * left + (y - int(y)) * right) * float(weight[b, a]) / 4
    found = DFL()(logits, Target(shares(distances, 16), weight))
    assert float(found) == pytest.approx(total / float(weight.sum()), rel=1e-4)


def test_quality_bce_equals_a_loop() -> None:
    output, value, weight = draw(2, 6, 1) * 4 - 2, draw(2, 6, 1, seed=1), torch.ones(2, 6, 1)
    value[:, 3:], weight[0, 5] = 0, 0
    total = 0.0
    for o, v, w in zip(output.flatten().tolist(), value.flatten().tolist(), weight.flatten().tolist(), strict=True):
        p = 1 / (1 + math.exp(-o))
        total -= w * (v * math.log(p) + (1 - v) * math.log(1 - p))
    found = QualityBCE(least=0.5)(output, Target(value, weight))
    assert float(found) == pytest.approx(total / max(0.5, float(value.sum())), rel=1e-5)


def test_oks_of_a_list_may_take_one_over_k() -> None:
    output, value = draw(3, 2, 2), draw(3, 2, 2, seed=1)
    skeleton = make("two", ["left_end", "right_end"], sigmas=[0.05, 0.1])
    found = OKS(skeleton, grid=0, sigmas="1/K")(output, Target(value, torch.ones(3, 2, 1), torch.full((3, 1, 1), 4.0)))
    squared = (output - value).square().sum(-1)
    torch.testing.assert_close(found, (1 - torch.exp(-squared / (2 * 4.0 * (2 * 0.5) ** 2))).mean())
    with pytest.raises(ConfigError, match="1/K"):
        OKS(skeleton, sigmas="uniform")


CASES = [
    (BoxOverlap("ciou"), boxes(2, 3), boxes(2, 3, seed=5), (2, 3, 1)),
    (BoxOverlap("giou"), boxes(2, 3), boxes(2, 3, seed=5), (2, 3, 1)),
    (DFL(), draw(2, 3, 4, 8), shares(draw(2, 3, 4) * 6, 8), (2, 3, 1, 1)),
    (QualityBCE(), draw(2, 3, 1), draw(2, 3, 1, seed=1), (2, 3, 1)),
]


@pytest.mark.parametrize(("fn", "output", "value", "shape"), CASES)
def test_nothing_supervised_is_zero_and_attached(
    fn: nn.Module, output: torch.Tensor, value: torch.Tensor, shape: tuple[int, ...]
) -> None:
    for wild in (output.clone(), torch.zeros_like(output)):  # empty boxes, too
        loss = fn(wild.requires_grad_(), Target(torch.zeros_like(value), torch.zeros(shape)))
        loss.backward()
        assert float(loss.detach()) == 0 and wild.grad is not None and torch.isfinite(wild.grad).all()


@pytest.mark.parametrize(("fn", "output", "value", "shape"), CASES)
def test_stages_half_precision_and_gradients(
    fn: nn.Module, output: torch.Tensor, value: torch.Tensor, shape: tuple[int, ...]
) -> None:
    target = Target(value, torch.ones(shape))
    one = fn(output, target)
    torch.testing.assert_close(fn(torch.stack([output, output]), target), one)
    half = output.bfloat16().float().requires_grad_()
    loss = fn(half, target)
    loss.backward()
    torch.testing.assert_close(loss.detach(), one, atol=0.05, rtol=0.05)
    assert half.grad is not None and torch.isfinite(half.grad).all() and (half.grad != 0).any()


@pytest.mark.parametrize(("fn", "output", "value", "shape"), CASES)
def test_a_misfit_is_told(fn: nn.Module, output: torch.Tensor, value: torch.Tensor, shape: tuple[int, ...]) -> None:
    weight = torch.ones(shape)
    problem = fn.problem  # type: ignore[operator]
    assert problem(output, Target(value, weight)) == ""
    assert problem(output, Target(value[..., :1, :], weight[..., :1, :])) != ""
    assert problem(output, Target(-2 - value, weight)) != ""
