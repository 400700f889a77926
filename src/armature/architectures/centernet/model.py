"""CenterNet multi-pose: a centre, a size and K joint offsets per person, and K joint heatmaps (Zhou et al. 2019)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from jaxtyping import Float
from torch import Tensor, nn

from armature.structures import Instances, Outputs, Skeleton

#: Bias that makes a fresh heatmap say 0.1 everywhere (Zhou et al. 2019; Lin et al. 2017, RetinaNet, section 4.1).
_RARE = -2.19


class CenterNet(nn.Module):
    """Six dense maps at the neck's stride; heatmaps are logits, distances are in cells.

    Args:
        skeleton: gives K.
        backbone: images -> feature levels; has ``channels``.
        neck: called with the backbone's channels; levels -> one map; has ``channels``.
        head_channels: width of each head's hidden 3x3 convolution (256 in the paper for DLA, 64 for Hourglass).

    Returns:
        center (B 1 h w), size (B 2 h w) as width and height, offset (B 2 h w) of the centre in its cell,
        joints (B K 2 h w) from the cell's corner, heatmaps (B K h w), joint_offset (B 2 h w) in the joint's cell.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        backbone: nn.Module,
        neck: Callable[[Sequence[int]], nn.Module],
        head_channels: int = 64,
    ) -> None:
        super().__init__()
        self.keypoints = skeleton.count
        self.backbone = backbone
        self.neck = neck(backbone.channels)  # type: ignore[arg-type]
        outputs = {
            "center": 1,
            "size": 2,
            "offset": 2,
            "joints": 2 * self.keypoints,
            "heatmaps": self.keypoints,
            "joint_offset": 2,
        }
        self.heads = nn.ModuleDict({n: _head(self.neck.channels, head_channels, c) for n, c in outputs.items()})  # type: ignore[arg-type]
        for name in ("center", "heatmaps"):
            nn.init.constant_(self.heads[name][-1].bias, _RARE)  # type: ignore[index, arg-type]

    def forward(self, images: Float[Tensor, "B 3 H W"], instances: Instances | None = None) -> Outputs:
        features = self.neck(self.backbone(images))
        outputs = {name: head(features) for name, head in self.heads.items()}
        outputs["joints"] = outputs["joints"].unflatten(1, (self.keypoints, 2))
        return outputs


def _head(channels: int, hidden: int, out: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, hidden, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(hidden, out, 1))
