"""Local maxima of score maps."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor


def top_peaks(
    scores: Float[Tensor, "B C h w"], count: int, window: int = 3
) -> tuple[Float[Tensor, "B C n"], Int[Tensor, "B C n"]]:
    """The ``count`` best local maxima of each channel (fewer on a small grid): scores and flat cells, best first.

    A cell that is not the maximum of its window scores 0 (3x3 max-pooling as non-maximum suppression:
    Zhou et al. 2019, section 4).
    """
    highest = F.max_pool2d(scores, window, stride=1, padding=window // 2)
    kept = scores * (highest == scores)
    flat = kept.flatten(2)
    values, cells = flat.topk(min(count, flat.shape[-1]), dim=-1)
    return values, cells


def centroids(
    scores: Float[Tensor, "B C h w"], cells: Int[Tensor, "B C n"], window: int = 3
) -> Float[Tensor, "B C n 2"]:
    """xy in cells of the centroid of the squared scores in the window around each flat cell.

    Squared, so that the peak counts more than what surrounds it; OpenPose weighs by the score itself, in 7x7 cells of a
    finer map (Cao et al. 2021, released decoder).
    """
    weight = scores.square()
    width = scores.shape[-1]
    x = torch.arange(width, device=scores.device) + 0.5
    y = (torch.arange(scores.shape[-2], device=scores.device) + 0.5)[:, None]
    planes = torch.stack([weight, weight * x, weight * y], 1).flatten(1, 2)
    mean = F.avg_pool2d(planes, window, stride=1, padding=window // 2).unflatten(1, (3, -1)).flatten(3)
    total, column, row = mean.gather(3, cells[:, None].expand(-1, 3, -1, -1)).clamp(min=1e-12).unbind(1)
    return torch.stack([column / total, row / total], -1)
