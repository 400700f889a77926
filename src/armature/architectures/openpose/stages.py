"""From shared features to stages of fields and heatmaps, in the three published forms.

Each is called with the channels of the features, of the heatmaps (P + 1) and of the fields (2 E), and returns two
lists, one map a stage: fields (B 2E h w) and heatmaps (B P+1 h w).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

#: Standard deviation of fresh kernels in the networks trained with Caffe.
_FRESH = 0.01

Stages = tuple[list[Tensor], list[Tensor]]


class TwoBranchStages(nn.Module):
    """Fields and heatmaps side by side, refined together stage after stage (Cao et al. 2017, figure 3).

    Args:
        stages: in all (6). width: of hidden convolutions (128). hidden: of the first stage's last hidden layer (512).
    """

    def __init__(
        self, features: int, heatmaps: int, fields: int, stages: int = 6, width: int = 128, hidden: int = 512
    ) -> None:
        super().__init__()
        refined = features + heatmaps + fields
        self.fields, self.heatmaps = nn.ModuleList(), nn.ModuleList()
        for stage in range(stages):
            for branch, out in ((self.fields, fields), (self.heatmaps, heatmaps)):
                first = _branch(features, [(3, width)] * 3 + [(1, hidden)], out)
                later = _branch(refined, [(7, width)] * 5 + [(1, width)], out)
                branch.append(later if stage else first)
        _initialise(self)

    def forward(self, features: Tensor) -> Stages:
        fields, heatmaps, x = [], [], features
        for to_fields, to_heatmaps in zip(self.fields, self.heatmaps, strict=True):
            fields.append(to_fields(x))
            heatmaps.append(to_heatmaps(x))
            x = torch.cat([fields[-1], heatmaps[-1], features], 1)
        return fields, heatmaps


class FieldsFirstStages(nn.Module):
    """All stages of fields, then stages of heatmaps that see the last fields; dense 3x3 blocks (Cao et al. 2021).

    Args:
        field_stages, heatmap_stages: 4 and 2 in the released BODY_25.
        width, hidden: of each convolution of a block, and of the last hidden layer, in the first stage of either kind.
        later_width, later_hidden: the same in later stages.
    """

    def __init__(
        self,
        features: int,
        heatmaps: int,
        fields: int,
        field_stages: int = 4,
        heatmap_stages: int = 2,
        width: int = 96,
        hidden: int = 256,
        later_width: int = 128,
        later_hidden: int = 512,
    ) -> None:
        super().__init__()
        sizes = ((width, hidden), (later_width, later_hidden))
        seen = (features, features + fields)
        self.fields = nn.ModuleList(_dense_stage(seen[s > 0], *sizes[s > 0], fields) for s in range(field_stages))
        seen = (features + fields, features + fields + heatmaps)
        self.heatmaps = nn.ModuleList(_dense_stage(seen[s > 0], *sizes[s > 0], heatmaps) for s in range(heatmap_stages))
        _initialise(self)

    def forward(self, features: Tensor) -> Stages:
        fields: list[Tensor] = []
        heatmaps: list[Tensor] = []
        for stage in self.fields:
            fields.append(stage(torch.cat([features, *fields[-1:]], 1)))
        for stage in self.heatmaps:
            heatmaps.append(stage(torch.cat([features, *heatmaps[-1:], fields[-1]], 1)))
        return fields, heatmaps


class LightStages(nn.Module):
    """One trunk for fields and heatmaps; refinement by residual blocks instead of 7x7 kernels (Osokin 2018).

    Args:
        refinements: stages after the first (1). width: of the trunks (128). hidden: of the first stage's heads (512).
        blocks: of each refinement (5).
    """

    def __init__(
        self,
        features: int,
        heatmaps: int,
        fields: int,
        refinements: int = 1,
        width: int = 128,
        hidden: int = 512,
        blocks: int = 5,
    ) -> None:
        super().__init__()
        first = nn.Sequential(*(_conv(features if i == 0 else width, width) for i in range(3)))
        self.trunks, self.fields, self.heatmaps = nn.ModuleList([first]), nn.ModuleList(), nn.ModuleList()
        for _ in range(refinements):
            seen = features + heatmaps + fields
            self.trunks.append(nn.Sequential(*(_RefinementBlock(width if i else seen, width) for i in range(blocks))))
        for stage in range(refinements + 1):
            for branch, out in ((self.fields, fields), (self.heatmaps, heatmaps)):
                branch.append(_branch(width, [(1, width if stage else hidden)], out))

    def forward(self, features: Tensor) -> Stages:
        fields, heatmaps, x = [], [], features
        for trunk, to_fields, to_heatmaps in zip(self.trunks, self.fields, self.heatmaps, strict=True):
            seen = trunk(x)
            fields.append(to_fields(seen))
            heatmaps.append(to_heatmaps(seen))
            x = torch.cat([features, heatmaps[-1], fields[-1]], 1)
        return fields, heatmaps


class _RefinementBlock(nn.Module):
    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.initial = _conv(channels, width, 1)
        self.trunk = nn.Sequential(_conv(width, width, norm=True), _conv(width, width, dilation=2, norm=True))

    def forward(self, x: Tensor) -> Tensor:
        x = self.initial(x)
        return x + self.trunk(x)


class _DenseBlock(nn.Module):
    """Three 3x3 convolutions in a row, the outputs of all three side by side: a 7x7 kernel's reach."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.steps = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width if i else channels, width, 3, padding=1), nn.PReLU(width)) for i in range(3)
        )

    def forward(self, x: Tensor) -> Tensor:
        found = []
        for step in self.steps:
            x = step(x)
            found.append(x)
        return torch.cat(found, 1)


class _Nothing(nn.Module):
    """A map without channels that is still attached to the graph: the fields of a skeleton without limbs."""

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :0]


def _dense_stage(channels: int, width: int, hidden: int, out: int) -> nn.Module:
    blocks = [_DenseBlock(3 * width if i else channels, width) for i in range(5)]
    last = [nn.Conv2d(3 * width, hidden, 1), nn.PReLU(hidden), nn.Conv2d(hidden, out, 1)]
    return nn.Sequential(*blocks, *last) if out else _Nothing()


def _branch(channels: int, hidden: Sequence[tuple[int, int]], out: int) -> nn.Module:
    """Convolutions of (kernel, width) with ReLU, and a last 1x1 without."""
    layers: list[nn.Module] = []
    for kernel, width in hidden:
        layers += [nn.Conv2d(channels, width, kernel, padding=kernel // 2), nn.ReLU(inplace=True)]
        channels = width
    return nn.Sequential(*layers, nn.Conv2d(channels, out, 1)) if out else _Nothing()


def _conv(channels: int, width: int, kernel: int = 3, dilation: int = 1, norm: bool = False) -> nn.Sequential:
    conv = nn.Conv2d(channels, width, kernel, padding=kernel // 2 * dilation, dilation=dilation)
    return nn.Sequential(conv, *([nn.BatchNorm2d(width)] if norm else []), nn.ReLU(inplace=True))


def _initialise(module: nn.Module) -> None:
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d) and layer.bias is not None:
            nn.init.normal_(layer.weight, std=_FRESH)
            nn.init.zeros_(layer.bias)


#: (features, heatmaps, fields) -> a module of stages.
MakeStages = Callable[[int, int, int], nn.Module]
