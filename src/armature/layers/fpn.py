"""Feature pyramids (Lin et al. 2017)."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn


class FeaturePyramid(nn.Module):
    """Every level at one width, knowing of all coarser ones, and one more at twice the coarsest stride.

    1x1 convolutions, nearest upsampling, addition, 3x3 convolutions, no norm, no activation (Lin et al. 2017,
    section 3); the added level is every second cell of the coarsest one.

    Args:
        channels: of the levels, finest first. width: channels of the results.

    Attributes:
        channels: width of all results. extra: number of added levels.
    """

    extra = 1

    def __init__(self, channels: Sequence[int], width: int = 256) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(c, width, 1) for c in channels)
        self.smooth = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in channels)
        self.channels = width
        for conv in (*self.lateral, *self.smooth):
            nn.init.kaiming_uniform_(conv.weight, a=1)  # type: ignore[arg-type]
            nn.init.zeros_(conv.bias)  # type: ignore[arg-type]

    def forward(self, levels: list[Tensor]) -> list[Tensor]:
        x = self.lateral[-1](levels[-1])
        results = [self.smooth[-1](x)]
        for i in reversed(range(len(levels) - 1)):
            finer = self.lateral[i](levels[i])
            x = finer + F.interpolate(x, size=finer.shape[-2:], mode="nearest")
            results.insert(0, self.smooth[i](x))
        return [*results, F.max_pool2d(results[-1], 1, 2)]
