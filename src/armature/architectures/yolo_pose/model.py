"""YOLOv8-pose: CSP backbone, path aggregation neck, and three decoupled heads on each of three levels.

Written from the published description: the layer table and the model sizes of the YOLOv8 documentation, path
aggregation (Liu et al. 2018), distribution focal loss (Li et al. 2020), YOLO-Pose (Maji et al. 2022).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from armature.architectures.yolo_pose.blocks import SPPF, C2f, ConvNormAct
from armature.errors import ConfigError
from armature.structures import Instances, Outputs, Skeleton

#: Channels of the stem and of each stage, before they are scaled.
_CHANNELS = (64, 128, 256, 512, 1024)
#: How often the size is halved in all, by the stride of the finest level.
_HALVINGS = {4: 4, 8: 5}
#: Grey beside the picture (114 of 255).
_GREY = 114 / 255


class YOLOPose(nn.Module):
    """Boxes, person scores and keypoints at every cell of three levels; one cell is one anchor point.

    A canvas that the coarsest stride does not divide is padded with grey on all sides, half on each.

    Args:
        skeleton: gives K.
        depth: factor of the number of bottlenecks. width: factor of all channels.
        max_channels: channels of a layer before ``width`` are at most this.
        bins: distances that the distribution of a box side spans: 0 ... bins - 1 cells.
        finest: canvas pixels per cell of the finest of the three levels; the others have twice and four times as many.
            8 as published, with its five halvings; 4, with four, gives people of a small canvas as many cells as theirs
            have at 640 px.
        levels: people are found at so many of the three, the coarsest (all, as published).
        hidden: channels of the 3x3 convolutions of the branches ``boxes``, ``scores`` and ``keypoints``; those of the
            published rule where there are none.
        heatmaps: the finest level says at every cell as well which keypoints are there, for a loss in training (the
            auxiliary task of DirectPose, Tian et al. 2019) and for ``codec.snap_score``. Not in YOLOv8.

    Returns:
        A anchors: all cells row by row, fine level first. Distances are from the anchor, in cells of its level.
        scores (B A 1) logits; boxes (B A 4) xyxy, the first two negative; bins (B A 4 n) logits of the distances of
        left, top, right and bottom; keypoints (B A K 2) xy; visibility (B A K) logits;
        anchors (A 2) xy, canvas px; strides (A) px; with ``heatmaps`` heatmaps (B K h w) logits, and heatmap_grid (3)
        the xy of their corner on the canvas and the side of their cells, px.

    Raises:
        ConfigError: fewer than two bins, factors that are not positive, another ``finest``, no or more than three
            ``levels``, or a ``hidden`` branch that there is not.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        depth: float = 0.33,
        width: float = 0.25,
        max_channels: int = 1024,
        bins: int = 16,
        finest: int = 8,
        levels: int = 3,
        hidden: Mapping[str, int] | None = None,
        heatmaps: bool = False,
    ) -> None:
        super().__init__()
        if bins < 2 or depth <= 0 or width <= 0:
            raise ConfigError(f"YOLOPose: depth={depth}, width={width} must be > 0 and bins={bins} at least 2")
        if finest not in _HALVINGS:
            raise ConfigError(f"YOLOPose: finest={finest} is not a stride of the finest level; known: 8 (published), 4")
        if levels not in (1, 2, 3):
            raise ConfigError(f"YOLOPose: levels={levels}: people are found at 1, 2 or all 3 of the levels")
        self.strides = (finest, 2 * finest, 4 * finest)
        channels = [_scaled(c, width, max_channels) for c in _CHANNELS[: _HALVINGS[finest]]]
        repeats = [max(1, round(n * depth)) for n in (3, 6)]
        self.backbone = CSPBackbone(channels, repeats)
        self.neck = PAN(channels[-3:], repeats[0])
        self.head = Head(channels[-levels:], skeleton.count, bins, self.strides[-levels:], hidden)
        self.heatmaps = Heatmaps(channels[-3], skeleton.count) if heatmaps else None

    def forward(self, images: Float[Tensor, "B 3 H W"], instances: Instances | None = None) -> Outputs:
        height, width = images.shape[-2:]
        down, across = -height % self.strides[-1], -width % self.strides[-1]
        left, top = across // 2, down // 2
        if down or across:
            images = F.pad(images, (left, across - left, top, down - top), value=_GREY)
        levels = self.neck(self.backbone(images))
        outputs = self.head(levels[-len(self.head.strides) :], (left, top))
        if self.heatmaps is None:
            return outputs
        grid = images.new_tensor([-left, -top, self.strides[0]], dtype=torch.float32)
        return outputs | {"heatmaps": self.heatmaps(levels[0]).float(), "heatmap_grid": grid}


def _scaled(channels: int, width: float, most: int) -> int:
    """Channels times width, rounded up to a multiple of eight."""
    return math.ceil(min(channels, most) * width / 8) * 8


class CSPBackbone(nn.Module):
    """Feature maps of the last three stages, finest first: a stem, halvings each followed by a C2f, and SPPF.

    Args:
        channels: of the stem and the stages, at least three of them.
        repeats: bottlenecks of the first and the last stage, and of those between.
    """

    def __init__(self, channels: Sequence[int], repeats: Sequence[int]) -> None:
        super().__init__()
        self.stem = ConvNormAct(3, channels[0], 3, 2)
        few, many = repeats
        depths = (few, *[many] * (len(channels) - 3), few)
        self.stages = nn.ModuleList(
            nn.Sequential(ConvNormAct(a, b, 3, 2), C2f(b, b, n, shortcut=True))
            for a, b, n in zip(channels[:-1], channels[1:], depths, strict=True)
        )
        self.pool = SPPF(channels[-1])

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> list[Tensor]:
        levels, x = [], self.stem(images)
        for stage in self.stages:
            x = stage(x)
            levels.append(x)
        return [*levels[-3:-1], self.pool(levels[-1])]


class PAN(nn.Module):
    """The same three levels after a way down to the finest and a way back up (Liu et al. 2018, section 3.1).

    Concatenates where the paper adds; the way down upsamples without a convolution.

    Args:
        channels: of the levels, finest first. repeats: bottlenecks of each C2f.
    """

    def __init__(self, channels: Sequence[int], repeats: int) -> None:
        super().__init__()
        fine, middle, coarse = channels
        self.up = nn.ModuleList([C2f(coarse + middle, middle, repeats), C2f(middle + fine, fine, repeats)])
        self.down = nn.ModuleList([ConvNormAct(c, c, 3, 2) for c in (fine, middle)])
        self.out = nn.ModuleList([C2f(fine + middle, middle, repeats), C2f(middle + coarse, coarse, repeats)])

    def forward(self, levels: list[Tensor]) -> list[Tensor]:
        fine, middle, coarse = levels
        middle = self.up[0](torch.cat([_doubled(coarse), middle], 1))
        fine = self.up[1](torch.cat([_doubled(middle), fine], 1))
        middle = self.out[0](torch.cat([self.down[0](fine), middle], 1))
        return [fine, middle, self.out[1](torch.cat([self.down[1](middle), coarse], 1))]


def _doubled(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


class Head(nn.Module):
    """Three branches a level, two 3x3 convolutions each: box distributions, person scores, keypoints.

    Args:
        channels: of the levels, finest first. keypoints: K. bins: of a box side's distribution.
        strides: of the levels, px. hidden: channels of the branches' convolutions that are not the published ones.
    """

    def __init__(
        self,
        channels: Sequence[int],
        keypoints: int,
        bins: int,
        strides: Sequence[int],
        hidden: Mapping[str, int] | None = None,
    ) -> None:
        super().__init__()
        self.strides = strides
        width = _widths(channels[0], keypoints, bins, hidden or {})
        self.boxes = _branches(channels, width["boxes"], 4 * bins)
        self.scores = _branches(channels, width["scores"], 1)
        self.keypoints = _branches(channels, width["keypoints"], 3 * keypoints)
        # The mean of a distribution as a frozen convolution: 16 of the published parameters.
        self.dfl = nn.Conv2d(bins, 1, 1, bias=False).requires_grad_(False)
        with torch.no_grad():
            self.dfl.weight.copy_(torch.arange(bins).view(1, bins, 1, 1))
        self._set_biases()

    def _set_biases(self) -> None:
        """Boxes begin without a preference; scores as if five people stood in 640 px squared of each level."""
        for boxes, scores, stride in zip(self.boxes, self.scores, self.strides, strict=True):
            nn.init.constant_(boxes[-1].bias, 1.0)  # type: ignore[index, arg-type]
            nn.init.constant_(scores[-1].bias, math.log(5 / (640 / stride) ** 2))  # type: ignore[index, arg-type]

    def forward(self, levels: list[Tensor], margin: tuple[int, int]) -> Outputs:
        """Args: levels, finest first; margin: padding to the left and above, px."""
        bins = _rows(self.boxes, levels).unflatten(-1, (4, -1)).float()
        points = _rows(self.keypoints, levels).unflatten(-1, (-1, 3)).float()
        anchors, strides = zip(
            *(_anchors(x, s, margin) for x, s in zip(levels, self.strides, strict=True)), strict=True
        )
        return {
            "scores": _rows(self.scores, levels).float(),
            "boxes": self._boxes(bins),
            "bins": bins,
            # From the cell's corner in the published code, here from its middle, as everything else.
            "keypoints": points[..., :2] * 2 - 0.5,
            "visibility": points[..., 2],
            "anchors": torch.cat(anchors),
            "strides": torch.cat(strides),
        }

    def _boxes(self, bins: Float[Tensor, "B A 4 n"]) -> Float[Tensor, "B A 4"]:
        distances = (bins.softmax(-1) * self.dfl.weight.flatten()).sum(-1)
        return torch.cat([-distances[..., :2], distances[..., 2:]], -1)


class Heatmaps(nn.Sequential):
    """A level's features to the logits of K keypoint heatmaps.

    They begin at a tenth, as every network of heatmaps does (Lin et al. 2017, section 4.1).
    """

    def __init__(self, channels: int, keypoints: int) -> None:
        last = nn.Conv2d(channels, keypoints, 1)
        nn.init.constant_(last.bias, -math.log(9))  # type: ignore[arg-type]
        super().__init__(ConvNormAct(channels, channels, 3), last)


def _widths(fine: int, keypoints: int, bins: int, hidden: Mapping[str, int]) -> dict[str, int]:
    """Channels of each branch: as published, by those of the finest level, where ``hidden`` says nothing."""
    published = {
        "boxes": max(16, fine // 4, 4 * bins),
        "scores": fine,
        "keypoints": max(fine // 4, 3 * keypoints),
    }
    if unknown := set(hidden) - set(published):
        wrong, known = ", ".join(sorted(unknown)), ", ".join(published)
        raise ConfigError(f"YOLOPose: hidden={dict(hidden)}: {wrong} is no branch; there are {known}")
    return published | {name: int(width) for name, width in hidden.items()}


def _branches(channels: Sequence[int], hidden: int, out: int) -> nn.ModuleList:
    return nn.ModuleList(
        nn.Sequential(ConvNormAct(c, hidden, 3), ConvNormAct(hidden, hidden, 3), nn.Conv2d(hidden, out, 1))
        for c in channels
    )


def _rows(branches: nn.ModuleList, levels: list[Tensor]) -> Float[Tensor, "B A c"]:
    """A branch's maps of all levels, one row for each cell."""
    return torch.cat([branch(x).flatten(2).mT for branch, x in zip(branches, levels, strict=True)], 1)


def _anchors(level: Tensor, stride: int, margin: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """The middle of every cell on the canvas (n 2), and the stride of each (n); px, float32."""
    height, width = level.shape[-2:]
    x = (torch.arange(width, device=level.device, dtype=torch.float32) + 0.5) * stride - margin[0]
    y = (torch.arange(height, device=level.device, dtype=torch.float32) + 0.5) * stride - margin[1]
    where = torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1], -1).flatten(0, 1)
    return where, where.new_full((len(where),), float(stride))
