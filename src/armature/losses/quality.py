"""Losses of dense detectors that weigh every anchor by how well it found its object."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from armature.losses.reduction import weighted_mean
from armature.structures import Target


def floored_mean(values: Tensor, weight: Tensor, least: float) -> Tensor:
    """sum(weight * value) / max(sum(weight), least): the weighted mean, but small where there is little weight."""
    total = weight.to(values.dtype).expand_as(values).sum()
    return weighted_mean(values, weight) * (total / least).clamp(max=1.0)


class QualityBCE(nn.Module):
    """Binary cross-entropy of logits against qualities in [0, 1], over the sum of the qualities.

    As published for YOLOv8 and, with a focusing factor, for TOOD (Feng et al. 2021, eq. 5): an anchor that found
    nothing is a negative, and the loss of a batch grows with its people only as much as they were found.

    Args:
        least: the sum of the qualities counts as at least this.
    """

    def __init__(self, least: float = 1.0) -> None:
        super().__init__()
        self.least = least

    def problem(self, output: Tensor, target: Target) -> str:
        """Why it cannot read this output, or ""."""
        value = target.value
        if not target.fits(output):
            return f"it reads logits and qualities of one shape, not {tuple(output.shape)} and {tuple(value.shape)}"
        inside = ((value >= 0) & (value <= 1)) | (target.weight <= 0)
        return "" if inside.all() else "its targets are qualities in [0, 1], and some of these are not"

    def forward(self, output: Tensor, target: Target) -> Tensor:
        value = target.value.expand_as(output)
        weight = target.weight.to(output.dtype).expand_as(output)
        each = F.binary_cross_entropy_with_logits(output, value, reduction="none").where(weight > 0, 0.0)
        return (each * weight).sum() / (value * weight).sum().clamp(min=self.least)
