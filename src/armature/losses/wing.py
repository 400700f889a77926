"""Wing loss."""

from __future__ import annotations

import math

from torch import Tensor, nn

from armature.errors import ConfigError
from armature.losses.reduction import weighted_mean
from armature.structures import Target


class Wing(nn.Module):
    """The mean over supervised numbers of width * ln(1 + |d| / curvature), linear from |d| = width on.

    Weighs small and middling errors more than L1 does (Feng et al. 2018, "Wing Loss for Robust Facial Landmark
    Localisation", eq. 5; width 10 and curvature 2 in pixels of a 256 px face).

    Args:
        width: where the logarithm ends, in the output's unit. curvature: the paper's epsilon, same unit.
    """

    def __init__(self, width: float = 10.0, curvature: float = 2.0) -> None:
        super().__init__()
        if width <= 0 or curvature <= 0:
            raise ConfigError(f"wing: width and curvature must be above 0; found {width} and {curvature}")
        self.width, self.curvature = width, curvature

    def forward(self, output: Tensor, target: Target) -> Tensor:
        away = (output.float() - target.value).where(target.weight > 0, 0.0).abs()
        near = self.width * (away / self.curvature).log1p()
        step = self.width - self.width * math.log1p(self.width / self.curvature)
        return weighted_mean(near.where(away < self.width, away - step), target.weight)
