"""Deformable convolutions."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torchvision.ops import deform_conv2d


class DeformableConv(nn.Module):
    """A convolution that samples where, and weighs as, a second convolution of the same input says (DCNv2).

    The modulated form of Zhu et al. 2019, "Deformable ConvNets v2", eq. 1, with one group of offsets. The second
    convolution starts at zero, so a fresh layer is an ordinary convolution times one half. Computed in float32 whatever
    the input's precision: sampling places to a tenth of a pixel in bfloat16 would not be where they were learned.

    Args:
        kernel: odd; the size is kept.
    """

    def __init__(self, channels_in: int, channels_out: int, kernel: int = 3) -> None:
        super().__init__()
        self.points = kernel * kernel
        self.weight = nn.Parameter(torch.empty(channels_out, channels_in, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(channels_out))
        # (dy, dx) of each point in reading order, then a logit of each point.
        self.where = nn.Conv2d(channels_in, 3 * self.points, kernel, padding=kernel // 2)
        bound = 1 / math.sqrt(channels_in * self.points)
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.zeros_(self.where.weight)
        nn.init.zeros_(self.where.bias)  # type: ignore[arg-type]

    def forward(self, x: Float[Tensor, "B c h w"]) -> Float[Tensor, "B d h w"]:
        offsets, logits = self.where(x).float().split([2 * self.points, self.points], 1)
        padding = self.where.padding[0]
        with torch.autocast(x.device.type, enabled=False):
            out = deform_conv2d(
                x.float(),
                offsets,
                self.weight.float(),
                self.bias.float(),
                padding=(int(padding), int(padding)),
                mask=logits.sigmoid(),
            )
        return out.to(x.dtype)


def deformable_norm_relu(channels_in: int, channels_out: int) -> nn.Sequential:
    """3x3 deformable convolution, batch normalisation, ReLU; keeps the size."""
    return nn.Sequential(DeformableConv(channels_in, channels_out), nn.BatchNorm2d(channels_out), nn.ReLU(inplace=True))
