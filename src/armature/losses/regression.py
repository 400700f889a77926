"""Losses on numbers: distances between an output and its target."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from armature.losses.reduction import weighted_mean
from armature.structures import Target


class L1(nn.Module):
    """The mean absolute error over supervised numbers."""

    def forward(self, output: Tensor, target: Target) -> Tensor:
        return weighted_mean((output - target.value).abs(), target.weight)


class SmoothL1(nn.Module):
    """The mean error over supervised numbers, quadratic below ``beta``, linear above (Girshick 2015, eq. 3)."""

    def __init__(self, beta: float = 1.0) -> None:
        super().__init__()
        self.beta = beta

    def forward(self, output: Tensor, target: Target) -> Tensor:
        each = F.smooth_l1_loss(output, target.value.expand_as(output), reduction="none", beta=self.beta)
        return weighted_mean(each, target.weight)
