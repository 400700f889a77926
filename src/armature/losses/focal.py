"""Focal loss on gaussian heatmaps."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from armature.structures import Target


class GaussianFocal(nn.Module):
    """Penalty-reduced focal loss of logits against gaussian targets, divided by the number of peaks.

    A cell whose target is exactly 1 is positive; the others are negatives, discounted by (1 - target)^beta
    (Law & Deng 2018, eq. 1; Zhou et al. 2019, eq. 1). Divided by 1 where there is no peak.

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
        probability = output.sigmoid().clamp(self.clamp, 1 - self.clamp)
        value = target.value.expand_as(output)
        peak = value >= 1
        found = (1 - probability).pow(self.alpha) * probability.log()
        empty = (1 - value).pow(self.beta) * probability.pow(self.alpha) * (1 - probability).log()
        each = -torch.where(peak, found, empty) * target.weight
        peaks = (peak * (target.weight > 0)).sum().clamp(min=1)
        return each.sum() / peaks
