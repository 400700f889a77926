"""RoIAlign by products of small matrices: for small feature maps, where torchvision is slow on CPUs."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor


def separable_roi_align(
    features: Float[Tensor, "B C h w"],
    boxes: Float[Tensor, "N 4"],
    images: Int[Tensor, " N"],
    window: int,
    scale: float,
    samples: int = 2,
    aligned: bool = True,
) -> Float[Tensor, "N C window window"]:
    """What ``torchvision.ops.roi_align`` gives (He et al. 2017, section 3), features in, windows out.

    Each cell is the mean of samples x samples bilinear values, and so a product of one weighting of the rows and one
    of the columns. Costs window x h x w for each channel of each box, which is little where maps are small.

    Args:
        boxes: xyxy in px, ``scale`` cells each. images: which image each is of. aligned: half a cell less.
    """
    start, size = _spans(boxes.detach().float() * scale, aligned)
    rows = _weights(start[:, 1], size[:, 1], window, samples, features.shape[2])
    columns = _weights(start[:, 0], size[:, 0], window, samples, features.shape[3])
    plain = features.permute(0, 2, 3, 1)
    out = rows.new_zeros(len(boxes), window, window, features.shape[1])
    by_image = [(images == b).nonzero()[:, 0] for b in range(len(features))]
    pieces = [torch.einsum("nph,hwc->npwc", rows[at], plain[b]) for b, at in enumerate(by_image)]
    at = torch.cat(by_image)
    return out.index_copy(0, at, columns[at][:, None] @ torch.cat(pieces)).permute(0, 3, 1, 2)


def _spans(cells: Float[Tensor, "N 4"], aligned: bool) -> tuple[Float[Tensor, "N 2"], Float[Tensor, "N 2"]]:
    """Where windows begin and how large they are, xy in cells; without ``aligned`` at least one cell."""
    start, end = (cells - 0.5 if aligned else cells).split(2, 1)
    return start, end - start if aligned else (end - start).clamp(min=1)


def _weights(start: Tensor, size: Tensor, window: int, samples: int, length: int) -> Float[Tensor, "N window length"]:
    """How much each of the ``length`` cells along an axis counts in each cell of the windows."""
    steps = (torch.arange(window * samples, device=start.device) + 0.5) / (window * samples)
    at = start[:, None] + steps * size[:, None]
    seen = (at >= -1) & (at <= length)  # further out there is nothing; up to there the border goes on
    away = at.clamp(0, length - 1)[..., None] - torch.arange(length, device=start.device)
    hat = (1 - away.abs()).clamp(min=0) * seen[..., None]
    return hat.unflatten(1, (window, samples)).mean(2)
