"""People who are found twice."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def distinct_slots(
    points: Float[Tensor, "B n K 2"], boxes: Float[Tensor, "B n 4"], sigmas: Sequence[float], most: float | None
) -> Bool[Tensor, "B n"]:
    """Which slots ``distinct`` keeps of each image; slots come best first."""
    alive = torch.ones_like(boxes[..., 0]) > 0
    if most is None:
        return alive
    beats = _alike(points, boxes, sigmas) > most
    later = torch.ones(beats.shape[-2:], device=beats.device).triu(1) > 0
    for i in range(boxes.shape[1]):
        alive = alive & ~(alive[:, i : i + 1] & beats[:, i] & later[i])
    return alive


def _alike(points: Float[Tensor, "*B n K 2"], boxes: Float[Tensor, "*B n 4"], sigmas: Sequence[float]) -> Tensor:
    """(*B n n): OKS of each person with each other, by the area of the first one's box."""
    variances = (2 * torch.tensor(sigmas, device=points.device)).square()
    areas = (boxes[..., 2:] - boxes[..., :2]).prod(-1).clamp(min=1.0)
    squared = (points[..., :, None, :, :] - points[..., None, :, :, :]).square().sum(-1)
    return torch.exp(-squared / (2 * areas[..., None, None] * variances)).mean(-1)


def distinct(
    points: Float[Tensor, "N K 2"], boxes: Float[Tensor, "N 4"], sigmas: Sequence[float], most: float | None
) -> Int[Tensor, " n"]:
    """Indices of the people, best first, who are like no better one by more than ``most`` OKS (area: the better's box).

    Greedy; None keeps everybody.
    """
    if most is None or len(points) < 2:
        return torch.arange(len(points), device=points.device)
    beats = (_alike(points, boxes, sigmas) > most).triu(1).cpu()
    alive = torch.ones(len(points), dtype=torch.bool)
    for i in beats.any(1).nonzero().flatten().tolist():
        if alive[i]:
            alive &= ~beats[i]
    return alive.to(points.device).nonzero().flatten()
