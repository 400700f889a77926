"""Squared errors of maps."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from armature.errors import ConfigError
from armature.losses.foreground import foreground, no_heatmap
from armature.losses.reduction import weighted_mean
from armature.structures import Target


class MSE(nn.Module):
    """The squared error over supervised numbers.

    Args:
        normalisation: ``mean`` over supervised numbers and stages; or ``batch``, half the sum over all numbers and
            stages for each image (Caffe's Euclidean loss, published with part affinity fields: Cao et al. 2017, eq. 5).
        foreground: cells of heatmaps (..., h, w) in or beside which the target reaches 0.2 count so many times more;
            0 for all alike. Peaks fill a hundredth of a map, and a network that says 0 everywhere is hardly wrong.

    Raises:
        ConfigError: another normalisation.
    """

    def __init__(self, normalisation: Literal["mean", "batch"] = "mean", foreground: float = 0.0) -> None:
        super().__init__()
        if normalisation not in ("mean", "batch"):
            raise ConfigError(f"MSE: normalisation={normalisation}: known values are mean and batch")
        self.normalisation, self.foreground = normalisation, foreground

    def problem(self, output: Tensor, target: Target) -> str:
        """Why it cannot read this output, or ""."""
        if not target.fits(output):
            return f"its targets must have the output's shape {tuple(output.shape)}, not {tuple(target.value.shape)}"
        return no_heatmap(target) if self.foreground else ""

    def forward(self, output: Tensor, target: Target) -> Tensor:
        each = (output - target.value).square()
        if self.foreground:
            each = each * (1 + self.foreground * foreground(target))
        if self.normalisation == "mean":
            return weighted_mean(each, target.weight)
        weight = target.weight.to(each.dtype).expand_as(each)
        return (each.where(weight > 0, 0.0) * weight).sum() / (2 * len(target.value))
