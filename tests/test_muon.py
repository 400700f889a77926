"""Muon against timm's implementation of the same rule, in float32, and against singular value decompositions."""

from __future__ import annotations

import functools

import pytest
import timm.optim.muon
import torch
from torch import Tensor, nn

from armature.muon import Muon, orthogonal


def network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 8, 3), nn.Conv2d(8, 2, 1), nn.Flatten(), nn.Linear(72, 16)
    )


def steps(optimizer: torch.optim.Optimizer, model: nn.Module, count: int = 4) -> list[Tensor]:
    images = torch.rand(4, 3, 10, 10, generator=torch.Generator().manual_seed(1))
    for _ in range(count):
        optimizer.zero_grad()
        model(images).square().mean().backward()
        optimizer.step()
    return [p.detach() for p in model.parameters()]


@pytest.mark.parametrize("nesterov", [True, False])
def test_kernels_and_matrices_move_as_timms_do(nesterov: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    exact = functools.partial(timm.optim.muon.zeropower_via_newtonschulz, dtype=torch.float32)
    monkeypatch.setattr(timm.optim.muon, "zeropower_via_newtonschulz", exact)
    ours, theirs = network(), network()
    rule = {"lr": 0.01, "weight_decay": 0.1, "momentum": 0.9, "nesterov": nesterov}

    def kernels(model: nn.Module) -> list[Tensor]:
        return [p for p in model.parameters() if p.ndim > 1 and len(p) > 2]

    for model in (ours, theirs):
        for p in model.parameters():
            p.requires_grad_(any(p is kernel for kernel in kernels(model)))
    found = steps(Muon(kernels(ours), **rule), ours)
    expected = steps(timm.optim.muon.Muon(kernels(theirs), **rule), theirs)
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, atol=2e-5, rtol=1e-3)


def test_biases_norms_and_thin_matrices_move_as_adamws_do() -> None:
    ours, theirs = network(), network()
    for model in (ours, theirs):
        for p in model.parameters():
            p.requires_grad_(p.ndim == 1 or len(p) == 2)
    rule = {"lr": 0.01, "weight_decay": 0.1, "betas": (0.9, 0.95), "eps": 1e-7}
    found = steps(Muon(ours.parameters(), **rule), ours)
    expected = steps(torch.optim.AdamW([p for p in theirs.parameters() if p.requires_grad], **rule), theirs)
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("shape", [(3, 16, 144), (1, 32, 32), (2, 64, 65)])
def test_orthogonal_keeps_singular_vectors_and_evens_out_singular_values(shape: tuple[int, int, int]) -> None:
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(2))
    u, s, v = torch.linalg.svd(matrices, full_matrices=False)
    inside = u.mT @ orthogonal(matrices) @ v.mT
    values = inside.diagonal(dim1=-2, dim2=-1)
    assert float((inside - torch.diag_embed(values)).abs().max()) < 2e-3
    assert float(values[s > 0.05 * s.amax(-1, keepdim=True)].min()) > 0.6 and float(values.max()) < 1.3


def test_a_gradient_of_zero_changes_nothing_but_the_decay() -> None:
    kernel = nn.Parameter(torch.randn(8, 4, 3, 3))
    before = kernel.detach().clone()
    kernel.grad = torch.zeros_like(kernel)
    Muon([kernel], lr=0.1, weight_decay=0.5).step()
    torch.testing.assert_close(kernel.detach(), before * 0.95)


def test_its_state_survives_saving() -> None:
    once, twice = network(), network()
    full = Muon(once.parameters())
    steps(full, once, 2)
    half = Muon(twice.parameters())
    steps(half, twice, 1)
    again = Muon(twice.parameters())
    again.load_state_dict(half.state_dict())
    steps(again, twice, 1)
    for a, b in zip(once.parameters(), twice.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=0, rtol=0)


def test_large_matrices_in_bfloat16_are_orthogonal_to_its_rounding() -> None:
    matrices = torch.randn(1, 256, 600, generator=torch.Generator().manual_seed(3))
    exact, half = orthogonal(matrices), orthogonal(matrices, half=True)
    assert half.dtype == torch.float32
    assert float((half - exact).norm() / exact.norm()) < 0.03
    values = torch.linalg.svdvals(half)
    assert float(values.min()) > 0.6 and float(values.max()) < 1.3
