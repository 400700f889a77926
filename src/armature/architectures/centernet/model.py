"""CenterNet multi-pose: a centre, a size and K joint offsets per person, and K joint heatmaps (Zhou et al. 2019)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from armature.errors import ConfigError
from armature.structures import Instances, Outputs, Skeleton

#: Bias that makes a fresh heatmap say 0.1 everywhere (Zhou et al. 2019; Lin et al. 2017, RetinaNet, section 4.1).
_RARE = -2.19
#: Maps that tell where a joint is, not whose: they may be finer than the others.
_FINE = ("heatmaps", "joint_offset")


class CenterNet(nn.Module):
    """Six dense maps at the finest stride; heatmaps are logits, distances are in cells.

    Args:
        skeleton: gives K.
        backbone: images -> feature levels; has ``channels``.
        neck: called with the backbone's channels; levels -> one map; has ``channels``. None: the backbone's maps are
            those of several stacks, all of one size, and each gets heads of its own (intermediate supervision).
        head_channels: width of each head's hidden 3x3 convolution (256 in the released DLA-34 and Hourglass-104), or a
            width for each of them by name.
        divisor: canvas sides that the backbone needs to be multiples of (32 for DLA-34, 128 for Hourglass-104); other
            canvases are continued below and to the right by their border, and the maps cut off again.
        subpixel: cells across and down that each cell of the features answers for in the joints' own maps (heatmaps and
            joint_offset), by channels of the last convolution (Shi et al. 2016, section 3.2): 2 makes maps of half the
            stride for hardly more computation. Centres stay at the features' stride.

    Returns:
        center (B 1 h w), size (B 2 h w) as width and height, offset (B 2 h w) of the centre in its cell,
        joints (B K 2 h w) from the cell's corner; heatmaps (B K h' w'), joint_offset (B 2 h' w') in the joint's cell;
        with S > 1 stacks each has a leading dimension S, the last one best.

    Raises:
        ConfigError: head_channels that lack a head or name one that is none.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        backbone: nn.Module,
        neck: Callable[[Sequence[int]], nn.Module] | None,
        head_channels: int | Mapping[str, int] = 64,
        divisor: int = 1,
        subpixel: int = 1,
    ) -> None:
        super().__init__()
        self.keypoints, self.divisor = skeleton.count, divisor
        self.backbone = backbone
        widths: list[int] = list(backbone.channels)  # type: ignore[arg-type]
        self.neck = neck(widths) if neck is not None else None
        if self.neck is not None:
            widths = [self.neck.channels]  # type: ignore[list-item]
        outputs = {
            "center": 1,
            "size": 2,
            "offset": 2,
            "joints": 2 * self.keypoints,
            "heatmaps": self.keypoints,
            "joint_offset": 2,
        }
        hidden = _each(head_channels, outputs)
        *early, last = (_heads(width, hidden, outputs, subpixel) for width in widths)
        self.heads, self.early_heads = last, nn.ModuleList(early)

    def forward(self, images: Float[Tensor, "B 3 H W"], instances: Instances | None = None) -> Outputs:
        levels = self.backbone(_continued(images, self.divisor))
        maps = levels if self.neck is None else [self.neck(levels)]
        stages = [self._outputs(heads, x) for heads, x in zip([*self.early_heads, self.heads], maps, strict=True)]
        outputs = {n: torch.stack([s[n] for s in stages]) for n in stages[0]} if len(stages) > 1 else stages[0]
        return _cut(outputs, images, self.divisor)

    def _outputs(self, heads: nn.Module, features: Tensor) -> Outputs:
        outputs = {name: head(features) for name, head in heads.items()}  # type: ignore[operator]
        outputs["joints"] = outputs["joints"].unflatten(1, (self.keypoints, 2))
        return outputs


def _each(hidden: int | Mapping[str, int], outputs: Mapping[str, int]) -> dict[str, int]:
    """A width for each head."""
    widths = dict.fromkeys(outputs, hidden) if isinstance(hidden, int) else dict(hidden)
    if set(widths) != set(outputs):
        raise ConfigError(
            f"model.head_channels: one width for all heads, or one for each of {', '.join(outputs)}; "
            f"found {', '.join(widths)}"
        )
    return widths


def _heads(channels: int, hidden: Mapping[str, int], outputs: Mapping[str, int], subpixel: int) -> nn.ModuleDict:
    finer = {name: subpixel if name in _FINE else 1 for name in outputs}
    heads = nn.ModuleDict({name: _head(channels, hidden[name], out, finer[name]) for name, out in outputs.items()})
    for name in ("center", "heatmaps"):
        nn.init.constant_(heads[name][2].bias, _RARE)  # type: ignore[index, arg-type]
    return heads


def _head(channels: int, hidden: int, out: int, subpixel: int) -> nn.Sequential:
    last = nn.Conv2d(hidden, out * subpixel**2, 1)
    layers = [nn.Conv2d(channels, hidden, 3, padding=1), nn.ReLU(inplace=True), last]
    return nn.Sequential(*layers, *([nn.PixelShuffle(subpixel)] if subpixel > 1 else []))


def _continued(images: Tensor, divisor: int) -> Tensor:
    """The images with their last row and column repeated until both sides are multiples of ``divisor``."""
    height, width = images.shape[-2:]
    right, below = -width % divisor, -height % divisor
    return F.pad(images, (0, right, 0, below), mode="replicate") if right or below else images


def _cut(outputs: Outputs, images: Tensor, divisor: int) -> Outputs:
    """The cells of all maps that begin on the canvas."""
    height, width = images.shape[-2:]
    if height % divisor == 0 and width % divisor == 0:
        return outputs
    whole = width + -width % divisor

    def shown(x: Tensor) -> Tensor:
        stride = whole // x.shape[-1]
        return x[..., : -(-height // stride), : -(-width // stride)]

    return {name: shown(x) for name, x in outputs.items()}
