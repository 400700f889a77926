"""Binary cross-entropy."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from armature.losses.reduction import weighted_mean
from armature.structures import Target


class BCE(nn.Module):
    """The mean of -y log p - (1 - y) log(1 - p) over supervised logits, p their sigmoid.

    Reads logits of any shape with targets alike, in [0, 1]. Two classes under a softmax are the same: the logit is the
    difference of theirs.
    """

    def problem(self, output: Tensor, target: Target) -> str:
        """Why it cannot read this output, or ""."""
        value = target.value
        if not target.fits(output):
            return f"it reads logits and targets of the same shape, not {tuple(output.shape)} and {tuple(value.shape)}"
        inside = ((value >= 0) & (value <= 1)) | (target.weight <= 0)
        return "" if inside.all() else "its targets are probabilities, and some of these lie outside [0, 1]"

    def forward(self, output: Tensor, target: Target) -> Tensor:
        value = target.value.to(output.dtype).where(target.weight > 0, 0.0).expand_as(output)
        each = F.binary_cross_entropy_with_logits(output, value, reduction="none")
        return weighted_mean(each, target.weight)
