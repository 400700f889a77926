"""Windows cut out of a feature pyramid."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torchvision.ops import roi_align

from armature.ops.roi_windows import separable_roi_align

#: Maps of at most so many cells are pooled by products of matrices on CPUs, where torchvision's gradient is slow.
_SMALL = 2048


class PyramidPooling(nn.Module):
    """Features in windows of one size, each taken from the level that its box's size asks for.

    RoIAlign (He et al. 2017) on level floor(k0 + log2(sqrt(area) / size)) (Lin et al. 2017, eq. 1).

    Args:
        strides: of the levels, powers of two, finest first.
        window: cells of the result, across and down. samples: sampling points per cell and axis.
        canonical: (size, stride): a box of size x size px is taken from the level of this stride.
        aligned: half a cell less, which is exact; torchvision's released weights have learned without.
    """

    def __init__(
        self,
        strides: Sequence[int],
        window: int,
        samples: int = 2,
        canonical: Sequence[float] = (224, 16),
        aligned: bool = False,
    ) -> None:
        super().__init__()
        self.strides, self.window, self.samples, self.aligned = list(strides), window, samples, aligned
        self.size, self.level = float(canonical[0]), math.log2(canonical[1])

    def forward(
        self, levels: Sequence[Tensor], boxes: Float[Tensor, "N 4"], images: Int[Tensor, " N"]
    ) -> Float[Tensor, "N C window window"]:
        """Args:
        levels: (B C h w), as many as there are strides, or more, which are not looked at.
        boxes: xyxy, canvas px. images: which image each is of.
        """
        chosen = self._levels(boxes)
        out, order = [], []
        for i, stride in enumerate(self.strides):
            here = (chosen == i).nonzero().flatten()
            out.append(self._pooled(levels[i], boxes[here], images[here], stride))
            order.append(here)
        return torch.cat(out)[torch.cat(order).argsort()]

    def fixed(
        self, levels: Sequence[Tensor], boxes: Float[Tensor, "N 4"], images: Int[Tensor, " N"]
    ) -> Float[Tensor, "N C window window"]:
        """The same for exported graphs: always torchvision's operator, which graphs have."""
        chosen = self._levels(boxes)
        windows = torch.cat([images[:, None].to(boxes), boxes], 1).float()
        out = boxes.new_zeros(boxes.shape[0], levels[0].shape[1], self.window, self.window)
        for i, stride in enumerate(self.strides):
            here = (chosen == i).nonzero()[:, 0]
            how = (self.window, 1 / stride, self.samples, self.aligned)
            out = out.index_put((here,), roi_align(levels[i].float(), windows[here], *how))
        return out

    def _pooled(self, level: Tensor, boxes: Tensor, images: Tensor, stride: int) -> Tensor:
        """In float32 also where the features are not: coordinates must not be rounded to eight bits."""
        how = (self.window, 1 / stride, self.samples, self.aligned)
        with torch.autocast(level.device.type, enabled=False):
            if level.device.type == "cpu" and level.shape[2] * level.shape[3] <= _SMALL:
                return separable_roi_align(level.float(), boxes, images, *how)
            windows = torch.cat([images[:, None].to(boxes), boxes], 1).float()
            return roi_align(level.float(), windows, *how)

    def _levels(self, boxes: Tensor) -> Int[Tensor, " N"]:
        size = ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])).sqrt()
        # The small number keeps boxes of exactly a level's size from falling below it by rounding.
        level = torch.floor(self.level + torch.log2(size / self.size) + 1e-6)
        finest = math.log2(self.strides[0])
        return (level.clamp(finest, finest + len(self.strides) - 1) - finest).nan_to_num(0).long()
