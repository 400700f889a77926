"""Losses on boxes by how much they overlap."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from armature.errors import ConfigError
from armature.losses.quality import floored_mean
from armature.losses.reduction import supervised
from armature.ops.overlaps import paired_overlap
from armature.structures import Target


class BoxOverlap(nn.Module):
    """The mean of 1 - CIoU (Zheng et al. 2020, eq. 10) or 1 - GIoU (Rezatofighi et al. 2019, alg. 1) of boxes.

    Reads outputs of shape (..., 4), xyxy in any unit.

    Args:
        kind: ``ciou`` or ``giou``.
        least: the sum of weights counts as at least this; 1 is what YOLO does, so that a batch in which hardly anything
            was found does not shout.

    Raises:
        ConfigError: another kind.
    """

    def __init__(self, kind: Literal["ciou", "giou"] = "ciou", least: float = 1.0) -> None:
        super().__init__()
        if kind not in ("ciou", "giou"):
            raise ConfigError(f"BoxOverlap(kind={kind!r}): known kinds are 'ciou' and 'giou'")
        self.kind: Literal["ciou", "giou"] = kind
        self.least = least

    def problem(self, output: Tensor, target: Target) -> str:
        """Why it cannot read this output, or ""."""
        value, here = target.value, tuple(output.shape)
        if here[-1:] != (4,) or not target.fits(output):
            return f"it reads boxes (..., 4), xyxy, and targets of the same shape, not {here} and {tuple(value.shape)}"
        upright = (value[..., 2:] >= value[..., :2]).all(-1) | (target.weight.amax(-1) <= 0)
        return "" if upright.all() else "it reads boxes as xyxy, and in these targets x2 < x1 or y2 < y1"

    def forward(self, output: Tensor, target: Target) -> Tensor:
        # Unsupervised boxes may be degenerate, and their gradients infinite: they never get here.
        output, target = supervised(output, target, 1)
        overlap = paired_overlap(output, target.value.to(output.dtype), self.kind)
        return floored_mean(1 - overlap, target.weight.amax(-1), self.least)
