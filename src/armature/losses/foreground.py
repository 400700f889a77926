"""Which cells of a heatmap belong to a peak."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from armature.structures import Target


def foreground(target: Target) -> Float[Tensor, "*maps h w"]:
    """1 where a heatmap's target reaches 0.2 in a cell or beside it, else 0 (Wang et al. 2019, eq. 8 and section 5.2).

    Heat that is not supervised is no peak, and makes none of the cells beside it.
    """
    value = target.value.where(target.weight > 0, 0.0)
    planes = value.reshape(-1, 1, *value.shape[-2:])
    return (F.max_pool2d(planes, 3, 1, 1) >= 0.2).to(torch.float32).view(value.shape)


def no_heatmap(target: Target) -> str:
    """Why the target has no peaks to weigh: it is no map, or supervised outside [0, 1]; or ""."""
    value = target.value
    if value.ndim < 3:
        return f"it reads maps (..., h, w), not {tuple(value.shape)}"
    outside = bool((((value < 0) | (value > 1)) & (target.weight > 0)).any())
    return "it reads heatmaps with targets in [0, 1], and these lie outside" if outside else ""
