"""From a feature pyramid to one fine map."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from armature.layers.convolutions import conv_norm_relu


class TopDown(nn.Module):
    """One map at the finest level's stride, by adding upsampled coarse levels to projected finer ones.

    A feature pyramid's top-down path (Lin et al. 2017, section 3) that keeps its last level only.

    Args:
        channels: of the pyramid's levels, finest first. width: channels of the result.
    """

    def __init__(self, channels: Sequence[int], width: int = 64) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(c, width, 1) for c in channels)
        self.smooth = nn.ModuleList(conv_norm_relu(width, width) for _ in channels[:-1])
        self.channels = width

    def forward(self, levels: list[Tensor]) -> Tensor:
        x = self.lateral[-1](levels[-1])
        for i in reversed(range(len(self.smooth))):
            finer = self.lateral[i](levels[i])
            x = self.smooth[i](finer + F.interpolate(x, size=finer.shape[-2:], mode="nearest"))
        return x
