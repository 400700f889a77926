"""Cross-entropy of classes of which the last one is "none of them"."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from armature.errors import ConfigError
from armature.losses.reduction import weighted_mean
from armature.structures import Target


class CrossEntropy(nn.Module):
    """The mean of -sum(target * log softmax(output)), where "none" counts less.

    Reads logits (..., C) with one-hot (or soft) targets (..., C) and weights (..., 1); the last class is "none". As in
    DETR (Carion et al. 2020, section 3.1) most queries are none, and the mean is one over the weights.

    Args:
        none_weight: weight of the last class.

    Raises:
        ConfigError: a negative weight.
    """

    def __init__(self, none_weight: float = 0.1) -> None:
        super().__init__()
        if none_weight < 0:
            raise ConfigError(f"cross_entropy: none_weight must be at least 0; found {none_weight}")
        self.none_weight = none_weight

    def problem(self, output: Tensor, target: Target) -> str:
        """Why it cannot read this output, or ""."""
        value, here = target.value, tuple(output.shape)
        if here[-1:] < (2,) or not target.fits(output):
            return (
                f"it reads logits (..., C) of at least two classes with targets alike, not {here}, {tuple(value.shape)}"
            )
        on = target.weight.expand_as(value).amax(-1) > 0
        fair = ((value >= 0).all(-1) & ((value.sum(-1) - 1).abs() < 1e-3))[on]
        return "" if fair.all() else "its targets are distributions over classes, and some of these do not sum to one"

    def forward(self, output: Tensor, target: Target) -> Tensor:
        value = target.value.to(output.dtype).where(target.weight > 0, 0.0)
        classes = torch.ones(value.shape[-1], device=value.device, dtype=value.dtype)
        classes[-1] = self.none_weight
        # Each class weighs its own share of a soft target; the mean is over the weights that were given out.
        weight = target.weight.expand_as(value) * classes * value
        return weighted_mean(-output.log_softmax(-1), weight)
