"""Kullback-Leibler divergence of coordinates told as bins."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from armature.errors import ConfigError
from armature.losses.reduction import weighted_mean
from armature.structures import Target


class KLBins(nn.Module):
    """The mean over supervised coordinates of KL(label || softmax(output)) over 1-D bins (Li et al. 2022, "SimCC").

    Reads logits (..., bins), one coordinate's bins in the last dimension. The target is (..., 1), the place in bins
    (bin i spans [i, i + 1)), of which a gaussian label is made here, or (..., bins), a label made elsewhere that sums
    to one. A label is divided by its sum, also where the border cuts it off. The released code divides by the number of
    bins besides.

    Args:
        deviation: of the gaussian, in bins (6 for SimCC at 256x192 and two bins a pixel).
        sharpness: factor of the logits.
        soften: labels are softmax(sharpness * gaussian) instead (RTMPose: with sharpness 10).
    """

    def __init__(self, deviation: float = 6.0, sharpness: float = 1.0, soften: bool = False) -> None:
        super().__init__()
        if deviation <= 0 or sharpness <= 0:
            raise ConfigError(f"kl_bins: deviation and sharpness must be above 0; found {deviation} and {sharpness}")
        self.deviation, self.sharpness, self.soften = deviation, sharpness, soften

    def problem(self, output: Tensor, target: Target) -> str:
        """Why it cannot read this output, or ""."""
        value, here = tuple(target.value.shape), tuple(output.shape)
        bins, rest = (here or (0,))[-1], here[len(here) - len(value) : -1]
        if bins < 2 or len(value) > len(here) or value[-1:] not in ((1,), (bins,)) or value[:-1] != rest:
            return f"it reads logits (..., bins) with targets (..., 1) or (..., bins), not {here} and {value}"
        on = target.weight.expand_as(target.value) > 0
        if value[-1] == 1:
            return "its targets are places in bins, from 0 on; these lie below" if (target.value < 0)[on].any() else ""
        sums = target.value.sum(-1)[on.any(-1)]
        fair = bool(((sums > 0.5) & (sums < 1.01)).all() & (target.value >= 0)[on].all())
        return "" if fair else "its labels are distributions over bins, and these do not sum to one"

    def forward(self, output: Tensor, target: Target) -> Tensor:
        bins = output.shape[-1]
        value = target.value.float().where(target.weight > 0, 0.0)
        if value.shape[-1] == 1:
            middle = torch.arange(bins, device=output.device) + 0.5
            value = torch.exp(-((middle - value) / self.deviation).square() / 2)
        label = self._distribution(value)
        log_said = (output.float() * self.sharpness).log_softmax(-1)
        each = (torch.xlogy(label, label) - label * log_said).sum(-1, keepdim=True)
        return weighted_mean(each, target.weight.amax(-1, keepdim=True))

    def _distribution(self, value: Tensor) -> Tensor:
        if self.soften:
            return (value * self.sharpness).softmax(-1)
        return value / value.sum(-1, keepdim=True).clamp(min=1e-12)
