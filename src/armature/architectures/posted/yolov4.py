"""YOLOv4's detector (Bochkovskiy et al. 2020): spatial pyramid pooling, path aggregation, boxes from anchors."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from armature.architectures.posted.detection import Found
from armature.errors import ConfigError
from armature.ops.fixed_people import EMPTY, best_first, pick, survivors
from armature.ops.suppression import suppress
from armature.structures import Outputs

#: What a fresh detector says of every anchor (Lin et al. 2017, RetinaNet, section 4.1); darknet starts at 0.5.
_RARE = 0.01
#: Sizes are the anchor's times at most exp of this, either way: what overflows can never be learned back.
_LARGEST_LOG = 4.0


class YOLOv4(nn.Module):
    """Boxes, objectness and class of people, anchor by anchor, and the best of them.

    With ``cspdarknet53`` and 80 classes the network of ``yolov4.cfg``: 128.459 billion operations at 608x608.

    Args:
        backbone: images -> levels, finest first, each at twice the stride of the one before; has ``channels`` and
            ``strides``.
        anchors: for each level the (width, height) of its anchors, canvas px.
        scale_xy: for each level how far a box's centre may leave its cell: s sigmoid(t) - (s - 1) / 2.
        widths: channels of the neck's levels; None takes half the backbone's, as published.
        classes: of objects; people are the first one, and the only one of a pose data set.
        min_score, overlap, candidates, most: which boxes ``find`` answers: above a score (objectness times class), not
            overlapped by a better one by more than this IoU, at most so many looked at and answered per image.

    Returns:
        boxes (B A 4) xyxy, canvas px; objectness (B A) and classes (B A C), logits; anchors (V a 2), canvas px, and
        grids (V 3): height, width, stride. A runs over levels, rows, columns, anchors.

    Raises:
        ConfigError: anchors, scales or widths that are not one for each level.
    """

    def __init__(
        self,
        backbone: nn.Module,
        anchors: Sequence[Sequence[Sequence[float]]],
        scale_xy: Sequence[float] = (1.2, 1.1, 1.05),
        widths: Sequence[int] | None = None,
        classes: int = 1,
        min_score: float = 0.05,
        overlap: float = 0.6,
        candidates: int = 300,
        most: int = 30,
    ) -> None:
        super().__init__()
        channels, self.strides = list(backbone.channels), [int(s) for s in backbone.strides]  # type: ignore[arg-type, union-attr]
        widths = list(widths) if widths is not None else [c // 2 for c in channels]
        _check_levels(self.strides, anchors, scale_xy, widths)
        self.backbone = backbone
        self.neck = PathAggregation(channels, widths)
        self.classes, self.divisor = classes, self.strides[-1]
        self.min_score, self.overlap, self.candidates, self.most = min_score, overlap, candidates, most
        self.register_buffer("anchors", torch.tensor(anchors, dtype=torch.float32), persistent=False)
        self.scale_xy = tuple(scale_xy)
        out = self.anchors.shape[1] * (5 + classes)
        self.heads = nn.ModuleList(nn.Sequential(conv(w, 2 * w, 3), nn.Conv2d(2 * w, out, 1)) for w in widths)
        self._start_rare()

    anchors: Tensor

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Outputs:
        levels = self.neck(self.backbone(images))
        said = [self._level(i, head(x)) for i, (head, x) in enumerate(zip(self.heads, levels, strict=True))]
        raw = torch.cat([numbers for numbers, _ in said], 1)
        grids = [(*x.shape[-2:], stride) for x, stride in zip(levels, self.strides, strict=True)]
        return {
            "boxes": torch.cat([boxes for _, boxes in said], 1),
            "objectness": raw[..., 0],
            "classes": raw[..., 1:],
            "anchors": self.anchors,
            "grids": torch.tensor(grids, device=images.device),
        }

    @torch.no_grad()
    def find(self, images: Tensor, outputs: Outputs) -> list[Found]:
        """The best people in every image, greedily suppressed."""
        scores = outputs["objectness"].float().sigmoid() * outputs["classes"][..., 0].float().sigmoid()
        found = []
        for boxes, each in zip(outputs["boxes"].float(), scores, strict=True):
            kept = suppress(boxes, each, self.overlap, self.min_score, self.candidates, self.most)
            found.append(Found(boxes[kept], each[kept]))
        return found

    def fixed(self, outputs: Outputs) -> tuple[Float[Tensor, "B n 4"], Float[Tensor, "B n"]]:
        """The boxes of ``find`` and their scores, in ``most`` slots an image; an empty slot scores ``EMPTY``."""
        scores = outputs["objectness"].float().sigmoid() * outputs["classes"][..., 0].float().sigmoid()
        scores, best = best_first(scores, self.candidates)
        boxes = pick(outputs["boxes"].float(), best)
        keep = survivors(boxes, scores, self.overlap) & (scores > self.min_score)
        scores, order = best_first(scores.where(keep, EMPTY), self.most)
        return pick(boxes, order), scores

    def _level(self, level: int, maps: Tensor) -> tuple[Tensor, Tensor]:
        """One level's (B h*w*a 1+C) logits and (B h*w*a 4) boxes, both float32."""
        height, width = maps.shape[-2:]
        anchors, stride, scale = self.anchors[level], self.strides[level], self.scale_xy[level]
        x = maps.float().unflatten(1, (len(anchors), -1)).permute(0, 3, 4, 1, 2)  # B h w a 5+C
        columns = torch.arange(width, device=maps.device)[:, None]
        rows = torch.arange(height, device=maps.device)[:, None, None]
        within = x[..., :2].sigmoid() * scale - (scale - 1) / 2
        centre = torch.stack([within[..., 0] + columns, within[..., 1] + rows], -1) * stride
        half = x[..., 2:4].clamp(-_LARGEST_LOG, _LARGEST_LOG).exp() * anchors / 2
        return x[..., 4:].flatten(1, 3), torch.cat([centre - half, centre + half], -1).flatten(1, 3)

    def _start_rare(self) -> None:
        for head in self.heads:
            last = head[1]  # type: ignore[index]
            nn.init.normal_(last.weight, std=0.01)
            with torch.no_grad():
                bias = last.bias.zero_().view(len(self.anchors[0]), -1)
                bias[:, 4] = torch.tensor(_RARE).logit()


class PathAggregation(nn.Module):
    """Levels that know of coarser and of finer ones: SPP on the coarsest, then down, then up again (``yolov4.cfg``).

    Spatial pyramid pooling: the maxima over 5x5, 9x9 and 13x13 cells beside the map itself (He et al. 2015). The path:
    PANet's (Liu et al. 2018) with concatenation in place of addition, five convolutions after each.

    Args:
        channels: of the levels, finest first. widths: of the result's levels.
    """

    def __init__(self, channels: Sequence[int], widths: Sequence[int]) -> None:
        super().__init__()
        top = widths[-1]
        self.before = nn.Sequential(conv(channels[-1], top), conv(top, 2 * top, 3), conv(2 * top, top))
        self.after = nn.Sequential(conv(4 * top, top), conv(top, 2 * top, 3), conv(2 * top, top))
        finer = list(zip(channels[:-1], widths[:-1], widths[1:], strict=True))
        self.lateral = nn.ModuleList(conv(c, w) for c, w, _ in finer)
        self.lower = nn.ModuleList(conv(coarse, w) for _, w, coarse in finer)
        self.join_down = nn.ModuleList(_five(2 * w, w) for _, w, _ in finer)
        self.stride = nn.ModuleList(conv(w, coarse, 3, 2) for _, w, coarse in finer)
        self.join_up = nn.ModuleList(_five(2 * coarse, coarse) for _, _, coarse in finer)

    def forward(self, levels: list[Tensor]) -> list[Tensor]:
        x = self.before(levels[-1])
        x = self.after(torch.cat([F.max_pool2d(x, k, 1, k // 2) for k in (13, 9, 5)] + [x], 1))
        down = [x]
        for i in reversed(range(len(self.lateral))):
            coarse = F.interpolate(self.lower[i](down[0]), size=levels[i].shape[-2:], mode="nearest")
            down.insert(0, self.join_down[i](torch.cat([self.lateral[i](levels[i]), coarse], 1)))
        up = [down[0]]
        for i, stride in enumerate(self.stride):
            up.append(self.join_up[i](torch.cat([stride(up[-1]), down[i + 1]], 1)))
        return up


def conv(channels_in: int, channels_out: int, kernel: int = 1, stride: int = 1) -> nn.Sequential:
    """Convolution without bias, batch normalisation, leaky ReLU of slope 0.1: darknet's block outside the backbone."""
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.LeakyReLU(0.1, inplace=True),
    )


def _five(channels_in: int, width: int) -> nn.Sequential:
    """Convolutions 1x1, 3x3, 1x1, 3x3, 1x1 of width and twice the width in turn."""
    return nn.Sequential(
        conv(channels_in, width), conv(width, 2 * width, 3), conv(2 * width, width),
        conv(width, 2 * width, 3), conv(2 * width, width),
    )  # fmt: skip


def _check_levels(
    strides: Sequence[int], anchors: Sequence[Sequence[object]], scale_xy: Sequence[float], widths: Sequence[int]
) -> None:
    given = {"anchors": len(anchors), "scale_xy": len(scale_xy), "widths": len(widths)}
    wrong = [f"{name} of {count}" for name, count in given.items() if count != len(strides)]
    if wrong:
        raise ConfigError(
            f"YOLOv4: the backbone has {len(strides)} levels (strides {strides}); found {', '.join(wrong)}"
        )
    if len({len(level) for level in anchors}) != 1:
        raise ConfigError(f"YOLOv4: levels need equally many anchors; found {[len(level) for level in anchors]}")
    if any(b != 2 * a for a, b in itertools.pairwise(strides)):
        raise ConfigError(f"YOLOv4: each level must have twice the stride of the one before; found {strides}")
