"""Stacked hourglasses (Newell et al. 2016) in the form of CornerNet (Law & Deng 2018), which CenterNet takes over."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from armature.layers.convolutions import conv_norm_relu


class Hourglass(nn.Module):
    """One map of stride 4 per stack, the last one best; each stack sees the image and what the one before made of it.

    With the defaults this is Hourglass-104 (Law & Deng 2018, section 3.5): halving by strided residual blocks instead
    of pooling, five levels, nearest upsampling. Canvas sides must be multiples of 4 * 2^levels (128).

    Args:
        stacks: number of hourglasses. channels: of each level, finest first, one more than there are halvings.
        blocks: residual blocks of each level. stem: channels after the first convolution.
        mean, std: of RGB images in [0, 1]; None is ImageNet's.

    Attributes:
        channels, strides: of the returned maps, one per stack.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        stacks: int = 2,
        channels: Sequence[int] = (256, 256, 384, 384, 384, 512),
        blocks: Sequence[int] = (2, 2, 2, 2, 2, 4),
        stem: int = 128,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        width = channels[0]
        self.stem = nn.Sequential(conv_norm_relu(3, stem, 7, 2), Residual(stem, width, 2))
        self.stacks = nn.ModuleList(Level(channels, blocks) for _ in range(stacks))
        self.out = nn.ModuleList(conv_norm_relu(width, width) for _ in range(stacks))
        self.carry_in = nn.ModuleList(_projection(width, width) for _ in range(stacks - 1))
        self.carry_out = nn.ModuleList(_projection(width, width) for _ in range(stacks - 1))
        self.between = nn.ModuleList(Residual(width, width) for _ in range(stacks - 1))
        self.channels, self.strides = [width] * stacks, [4] * stacks
        for name, values in (("mean", mean or (0.485, 0.456, 0.406)), ("std", std or (0.229, 0.224, 0.225))):
            self.register_buffer(name, torch.tensor(list(values)).view(-1, 1, 1), persistent=False)

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> list[Tensor]:
        x = self.stem((images - self.mean) / self.std)
        maps: list[Tensor] = []
        for i, (stack, out) in enumerate(zip(self.stacks, self.out, strict=True)):
            if i:
                x = self.between[i - 1](F.relu(self.carry_in[i - 1](x) + self.carry_out[i - 1](maps[-1])))
            maps.append(out(stack(x)))
        return maps


class Level(nn.Module):
    """What the level itself sees plus what all coarser ones see, upsampled.

    Args:
        channels, blocks: of this level and the coarser ones; the last entry is the innermost level.
    """

    def __init__(self, channels: Sequence[int], blocks: Sequence[int]) -> None:
        super().__init__()
        here, below = channels[:2]
        self.skip = _residuals(here, here, blocks[0])
        self.down = _residuals(here, below, blocks[0], stride=2)
        innermost = len(channels) == 2
        self.inner = _residuals(below, below, blocks[1]) if innermost else Level(channels[1:], blocks[1:])
        # Here the width changes in the last block, on the way down in the first.
        self.up = nn.Sequential(*[Residual(below, below) for _ in range(blocks[0] - 1)], Residual(below, here))

    def forward(self, x: Tensor) -> Tensor:
        coarse = self.up(self.inner(self.down(x)))
        return self.skip(x) + F.interpolate(coarse, scale_factor=2.0, mode="nearest")


class Residual(nn.Module):
    """Two 3x3 convolutions beside the identity, or beside a 1x1 convolution where size or width changes."""

    def __init__(self, channels_in: int, channels_out: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels_out)
        same = stride == 1 and channels_in == channels_out
        self.skip = nn.Identity() if same else _projection(channels_in, channels_out, stride)

    def forward(self, x: Tensor) -> Tensor:
        inner = F.relu(self.bn1(self.conv1(x)), inplace=True)
        return F.relu(self.bn2(self.conv2(inner)) + self.skip(x), inplace=True)


def _residuals(channels_in: int, channels_out: int, count: int, stride: int = 1) -> nn.Sequential:
    first = Residual(channels_in, channels_out, stride)
    return nn.Sequential(first, *[Residual(channels_out, channels_out) for _ in range(count - 1)])


def _projection(channels_in: int, channels_out: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels_in, channels_out, 1, stride, bias=False), nn.BatchNorm2d(channels_out))
