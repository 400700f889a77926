"""People who are found twice."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor


def distinct(
    points: Float[Tensor, "N K 2"], boxes: Float[Tensor, "N 4"], sigmas: Sequence[float], most: float | None
) -> Int[Tensor, " n"]:
    """Indices of the people, best first, who are like no better one by more than ``most`` OKS (area: the better's box).

    Greedy; None keeps everybody.
    """
    if most is None or len(points) < 2:
        return torch.arange(len(points), device=points.device)
    variances = (2 * torch.tensor(sigmas, device=points.device)).square()
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(-1).clamp(min=1.0)
    squared = (points[:, None] - points).square().sum(-1)
    alike = torch.exp(-squared / (2 * areas[:, None, None] * variances)).mean(-1) > most
    beats = alike.triu(1).cpu()
    alive = torch.ones(len(points), dtype=torch.bool)
    for i in beats.any(1).nonzero().flatten().tolist():
        if alive[i]:
            alive &= ~beats[i]
    return alive.to(points.device).nonzero().flatten()
