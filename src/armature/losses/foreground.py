"""Which cells of a heatmap belong to a peak."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def foreground(value: Float[Tensor, "*maps h w"]) -> Float[Tensor, "*maps h w"]:
    """1 where a target reaches 0.2 in a cell or beside it, else 0 (Wang et al. 2019, eq. 8 and section 5.2)."""
    planes = value.reshape(-1, 1, *value.shape[-2:])
    return (F.max_pool2d(planes, 3, 1, 1) >= 0.2).to(torch.float32).view(value.shape)
