"""Cross-entropy over the cells of a map."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from armature.losses.reduction import weighted_mean
from armature.structures import Target


class CellCrossEntropy(nn.Module):
    """The mean over supervised points of -log softmax over all cells of a map, at the cell of the point.

    One point a map (He et al. 2017, section 5: an m^2-way softmax). Reads logits (..., h, w); the target is (..., 2), a
    point in cells (cell i spans [i, i + 1)), with weights (..., 1).
    """

    def problem(self, output: Tensor, target: Target) -> str:
        """Why it cannot read this output, or ""."""
        value, here = target.value, tuple(output.shape)
        maps = here[:-2]
        if len(here) < 3 or value.shape[-1:] != (2,) or value.shape[:-1] != maps[max(0, len(maps) - value.ndim + 1) :]:
            return f"it reads maps (..., h, w) with points (..., 2), not {here} and {tuple(value.shape)}"
        limit = value.new_tensor([here[-1], here[-2]])
        outside = ((value < 0) | (value >= limit)) & (target.weight > 0)
        return "its targets are places in cells, and some of these lie outside the map" if outside.any() else ""

    def forward(self, output: Tensor, target: Target) -> Tensor:
        width = output.shape[-1]
        x, y = target.value.expand(*output.shape[:-2], 2).unbind(-1)
        weight = target.weight.amax(-1).to(output.dtype).expand(output.shape[:-2]).flatten()
        # Unsupervised maps are left out before anything is computed: most of them, in the first steps.
        on = weight > 0
        cell = (y.floor().long() * width + x.floor().long()).flatten()[on]
        each = F.cross_entropy(output.flatten(0, -3).flatten(1)[on], cell, reduction="none")
        return weighted_mean(each, weight[on])
