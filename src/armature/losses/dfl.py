"""Distribution focal loss."""

from __future__ import annotations

from torch import Tensor, nn

from armature.losses.quality import floored_mean
from armature.losses.reduction import supervised
from armature.structures import Target


class DFL(nn.Module):
    """Cross-entropy of bins against the two that surround the truth (Li et al. 2020, Generalized Focal Loss, eq. 6).

    Reads logits of shape (..., sides, bins). The target's value is the distribution itself: for a distance ``y``
    between bins ``i`` and ``i + 1`` the two hold ``i + 1 - y`` and ``y - i``. Mean over sides.

    Args:
        least: the sum of weights counts as at least this.
    """

    def __init__(self, least: float = 1.0) -> None:
        super().__init__()
        self.least = least

    def problem(self, output: Tensor, target: Target) -> str:
        """Why it cannot read this output, or ""."""
        value, here = target.value, tuple(output.shape)
        if len(here) < 2 or value.ndim < 2 or not target.fits(output):
            return (
                f"it reads logits (..., sides, bins) and shares of the same shape, not {here} and {tuple(value.shape)}"
            )
        sums = value.sum(-1)[target.weight.expand_as(value).amax(-1) > 0]
        fair = bool((value >= 0).all() and ((sums - 1).abs() < 1e-3).all())
        return "" if fair else "its targets are shares of bins, and these do not sum to one"

    def forward(self, output: Tensor, target: Target) -> Tensor:
        output, target = supervised(output, target, 2)
        each = -(target.value * output.log_softmax(-1)).sum(-1).mean(-1)
        return floored_mean(each, target.weight.amax((-1, -2)), self.least)
