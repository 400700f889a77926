"""Deep layer aggregation: the DLA-34 network and the deformable upsampling that CenterNet puts on it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from armature.errors import ConfigError
from armature.layers.backbone import Backbone
from armature.layers.deformable import deformable_norm_relu


class DLA34(Backbone):
    """timm's DLA-34 (Yu et al. 2018, "Deep Layer Aggregation") with statistics of its images as parameters.

    15,229,104 parameters without its classifier. Canvas sides must be multiples of 32: the network pools and strides
    side by side.

    Args:
        pretrained: download timm's ImageNet weights. strides: which levels to return.
        mean, std: of RGB images in [0, 1]; None is timm's.
    """

    def __init__(
        self,
        pretrained: bool = False,
        strides: Sequence[int] = (4, 8, 16, 32),
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> None:
        super().__init__("dla34", pretrained, strides)
        for name, values in (("mean", mean), ("std", std)):
            if values is not None:
                getattr(self, name).copy_(torch.tensor(list(values)).view(-1, 1, 1))


class DLAUp(nn.Module):
    """One map at the finest level's stride: levels aggregated pair by pair, coarsest first, then across scales.

    CenterNet's form (Zhou et al. 2019, appendix A and figure 6c; released code): each projection and each merge is a
    deformable convolution, each upsampling a learned depthwise transposed convolution that starts bilinear.

    Args:
        channels: of the pyramid's levels, finest first, each at twice the stride of the one before.
        merged: how many of the resulting scales the last aggregation takes (3: strides 4, 8 and 16).
    """

    def __init__(self, channels: Sequence[int], merged: int = 3) -> None:
        super().__init__()
        if not 1 < merged <= len(channels):
            raise ConfigError(
                f"DLAUp merges 2 to {len(channels)} scales of a pyramid of {len(channels)}; asked {merged}"
            )
        widths = list(channels)
        self.steps = nn.ModuleList()
        for i in reversed(range(len(channels) - 1)):
            self.steps.append(Aggregation(widths[i:], [2] * (len(channels) - 1 - i)))
            widths[i + 1 :] = [channels[i]] * (len(channels) - 1 - i)
        self.last = Aggregation(list(channels[:merged]), [2**i for i in range(1, merged)])
        self.merged, self.channels = merged, channels[0]

    def forward(self, levels: list[Tensor]) -> Tensor:
        levels, scales = list(levels), [levels[-1]]
        for i, step in enumerate(self.steps, 2):
            levels[-i:] = step(levels[-i:])
            scales.insert(0, levels[-1])
        return self.last(scales[: self.merged])[-1]


class Aggregation(nn.Module):
    """Each level projected to the first one's width, upsampled to its size and merged with the level before it.

    Iterative deep aggregation (Yu et al. 2018, section 3.1).

    Args:
        channels: of the levels, the first one's is the width of all results.
        factors: how much coarser than the first each of the others is.
    """

    def __init__(self, channels: Sequence[int], factors: Sequence[int]) -> None:
        super().__init__()
        width = channels[0]
        self.project = nn.ModuleList(deformable_norm_relu(c, width) for c in channels[1:])
        self.up = nn.ModuleList(_bilinear(width, f) for f in factors)
        self.merge = nn.ModuleList(deformable_norm_relu(width, width) for _ in factors)

    def forward(self, levels: list[Tensor]) -> list[Tensor]:
        results = [levels[0]]
        for level, project, up, merge in zip(levels[1:], self.project, self.up, self.merge, strict=True):
            results.append(merge(up(project(level)) + results[-1]))
        return results


def _bilinear(channels: int, factor: int) -> nn.ConvTranspose2d:
    """Depthwise, learned, at first bilinear interpolation by an even factor."""
    up = nn.ConvTranspose2d(channels, channels, 2 * factor, factor, factor // 2, groups=channels, bias=False)
    ramp = 1 - ((torch.arange(2 * factor) + 0.5) / factor - 1).abs()
    with torch.no_grad():
        up.weight.copy_((ramp[:, None] * ramp).expand_as(up.weight))
    return up
