"""Local maxima of score maps."""

from __future__ import annotations

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
