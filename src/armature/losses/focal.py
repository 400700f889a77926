"""Focal loss on gaussian heatmaps."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from armature.structures import Target

#: Numbers that a CPU works on at a time: of a whole batch the dozen intermediate results do not fit into its cache.
_IN_CACHE = 1 << 16


class GaussianFocal(nn.Module):
    """Penalty-reduced focal loss of logits against gaussian targets, divided by the number of peaks.

    A cell whose target is exactly 1 is positive; the others are negatives, discounted by (1 - target)^beta
    (Law & Deng 2018, eq. 1; Zhou et al. 2019, eq. 1). Divided by 1 where there is no peak. Differentiable once.

    Args:
        alpha: focusing exponent. beta: discount exponent. clamp: probabilities stay this far from 0 and 1.
    """

    def __init__(self, alpha: float = 2.0, beta: float = 4.0, clamp: float = 1e-4) -> None:
        super().__init__()
        self.alpha, self.beta, self.clamp = alpha, beta, clamp

    def problem(self, output: Tensor, target: Target) -> str:
        """Why it cannot read this output, or ""."""
        if not target.fits(output):
            return f"its targets must have the output's shape {tuple(output.shape)}, not {tuple(target.value.shape)}"
        outside = bool((((target.value < 0) | (target.value > 1)) & (target.weight > 0)).any())
        return "it reads heatmaps with targets in [0, 1], and these lie outside" if outside else ""

    def forward(self, output: Tensor, target: Target) -> Tensor:
        value, weight = (t.expand_as(output).reshape(-1) for t in (target.value, target.weight))
        peaks = ((value >= 1) & (weight > 0)).sum().clamp(min=1)
        return _FocalSum.apply(output.reshape(-1), value, weight, self.alpha, self.beta, self.clamp) / peaks


class _FocalSum(torch.autograd.Function):
    """The sum over all cells, its gradient computed with it: a few passes over what is in the cache anyhow."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, value: Tensor, weight: Tensor, *exponents: float) -> Tensor:  # type: ignore[override]
        gradient = torch.empty_like(logits)
        size = _IN_CACHE if logits.device.type == "cpu" else max(1, len(logits))
        parts = zip(*(t.split(size) for t in (logits, value, weight, gradient)), strict=True)
        total = torch.stack([_of_cells(*part, *exponents) for part in parts]).sum()
        ctx.save_for_backward(gradient)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, factor: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        return ctx.saved_tensors[0] * factor, *[None] * 5


def _of_cells(
    logits: Tensor, value: Tensor, weight: Tensor, gradient: Tensor, alpha: float, beta: float, clamp: float
) -> Tensor:
    """The sum over some cells; writes its gradient.

    A peak is lost as any other cell is, with found and missed the other way round; there are few.
    """
    peaks = (value >= 1).nonzero()[:, 0]
    wrong = logits.sigmoid()
    wrong[peaks] = 1 - wrong[peaks]
    wrong.clamp_(clamp, 1 - clamp)
    right = 1 - wrong
    discount = _power(1 - value, beta).mul_(weight)
    discount[peaks] = weight[peaks]
    factor = discount.mul_(_power(wrong, alpha))
    log = right.log()
    total = -torch.dot(factor, log)
    slope = log.mul_(right).mul_(-alpha).add_(wrong).mul_(factor)
    slope[peaks] *= -1
    # Nothing is learned where probabilities are clamped.
    torch.ops.aten.hardtanh_backward(slope, wrong, clamp, 1 - clamp, grad_input=gradient)
    return total


def _power(base: Tensor, exponent: float) -> Tensor:
    """By squaring where that is enough: powers in general take many times as long."""
    if exponent == 4:
        return base.square().square_()
    return base.square() if exponent == 2 else base.pow(exponent)
