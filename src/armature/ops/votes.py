"""Where a network's own numbers say that each keypoint may be, before anything is decided."""

from __future__ import annotations

from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

from armature.ops.grids import stride_of


class Votes(NamedTuple):
    """Candidates for each keypoint: cells of a heatmap, or the anchors and regions that regress it.

    Attributes:
        places: (K, C, 2) or (1, C, 2) where all keypoints have the same; canvas px.
        weights: (K, C), at least 0: how strongly each place is meant.
        box: (4,) xyxy of the one person whom they are about; None: of everybody in the image.
    """

    places: Float[Tensor, "... C 2"]
    weights: Float[Tensor, "K C"]
    box: Float[Tensor, "4"] | None = None


def of_maps(maps: Float[Tensor, "B K h w"], canvas_width: int) -> list[list[Votes]]:
    """Every cell's middle as a candidate with the cell's value; the votes of each image."""
    height, width = maps.shape[-2:]
    stride = stride_of(canvas_width, width)
    places = middles(height, width, maps) * stride
    return [[Votes(places[None], values.flatten(1).clamp(min=0))] for values in maps]


def middles(height: int, width: int, like: Tensor) -> Float[Tensor, "C 2"]:
    """The middle of every cell of an (h, w) grid, in cells, row by row."""
    import torch

    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.stack([x.flatten(), y.flatten()], -1).to(like) + 0.5
