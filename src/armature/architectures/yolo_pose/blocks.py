"""The blocks YOLOv8 is built of: convolutions with batch normalisation and SiLU, C2f and SPPF."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn


class ConvNormAct(nn.Module):
    """Convolution without bias, batch normalisation (eps 1e-3, momentum 0.03), SiLU; halves the size at stride 2."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int = 1, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(channels_out, eps=1e-3, momentum=0.03)
        self.act = nn.SiLU(inplace=True)

    def forward(self, x: Float[Tensor, "B c h w"]) -> Float[Tensor, "B d i j"]:
        return self.act(self.norm(self.conv(x)))


class Bottleneck(nn.Module):
    """Two 3x3 convolutions of the same width, added to their input if ``shortcut``."""

    def __init__(self, channels: int, shortcut: bool) -> None:
        super().__init__()
        self.first = ConvNormAct(channels, channels, 3)
        self.second = ConvNormAct(channels, channels, 3)
        self.shortcut = shortcut

    def forward(self, x: Float[Tensor, "B c h w"]) -> Float[Tensor, "B c h w"]:
        out = self.second(self.first(x))
        return x + out if self.shortcut else out


class C2f(nn.Module):
    """Cross-stage partial block: half of the channels through ``repeats`` bottlenecks, all their results merged.

    Unlike the CSP block of earlier versions (Wang et al. 2020) every bottleneck's result goes into the merge.
    """

    def __init__(self, channels_in: int, channels_out: int, repeats: int, shortcut: bool = False) -> None:
        super().__init__()
        half = channels_out // 2
        self.split = ConvNormAct(channels_in, 2 * half)
        self.blocks = nn.ModuleList(Bottleneck(half, shortcut) for _ in range(repeats))
        self.merge = ConvNormAct((2 + repeats) * half, channels_out)

    def forward(self, x: Float[Tensor, "B c h w"]) -> Float[Tensor, "B d h w"]:
        parts = list(self.split(x).chunk(2, 1))
        for block in self.blocks:
            parts.append(block(parts[-1]))
        return self.merge(torch.cat(parts, 1))


class SPPF(nn.Module):
    """Spatial pyramid pooling, fast: 5x5 maxima once, twice and three times over (5, 9 and 13 cells), side by side."""

    def __init__(self, channels: int, window: int = 5) -> None:
        super().__init__()
        half = channels // 2
        self.reduce = ConvNormAct(channels, half)
        self.pool = nn.MaxPool2d(window, stride=1, padding=window // 2)
        self.expand = ConvNormAct(4 * half, channels)

    def forward(self, x: Float[Tensor, "B c h w"]) -> Float[Tensor, "B c h w"]:
        parts = [self.reduce(x)]
        for _ in range(3):
            parts.append(self.pool(parts[-1]))
        return self.expand(torch.cat(parts, 1))
