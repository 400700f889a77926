"""What is said of a window of the features: is it a person, where exactly, and where are the keypoints."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class BoxHead(nn.Module):
    """Two hidden layers, then a logit for each class and four deltas for each class (Lin et al. 2017, section 4.2).

    Args:
        channels, window: of the features. hidden: width of both layers.

    Returns:
        the logit of a person (N), the difference of person and background: their softmax is its sigmoid; and the
        person's deltas (N 4). Background has deltas too in every released network, which nothing reads.
    """

    def __init__(self, channels: int, window: int = 7, hidden: int = 1024) -> None:
        super().__init__()
        self.first = nn.Linear(channels * window**2, hidden)
        self.second = nn.Linear(hidden, hidden)
        self.classes = nn.Linear(hidden, 2)
        self.deltas = nn.Linear(hidden, 8)

    def forward(self, features: Float[Tensor, "N C w w"]) -> tuple[Tensor, Tensor]:
        x = F.relu(self.first(features.flatten(1)))
        x = F.relu(self.second(x))
        classes = self.classes(x).float()
        return classes[:, 1] - classes[:, 0], self.deltas(x)[:, 4:].float()


class KeypointHead(nn.Module):
    """Heatmaps of four times the window's size, one for each keypoint, as logits over their cells (He et al. 2017).

    3x3 convolutions, a transposed convolution and bilinear interpolation, each by a factor of two.

    Args:
        channels: of the features. keypoints: K. widths: of the convolutions.
    """

    def __init__(self, channels: int, keypoints: int, widths: Sequence[int] = (512,) * 8) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in zip([channels, *widths], widths, strict=False):
            layers += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers)
        self.up = nn.ConvTranspose2d(([channels, *widths])[-1], keypoints, 4, 2, 1)
        for conv in [*(m for m in layers if isinstance(m, nn.Conv2d)), self.up]:
            nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(conv.bias)  # type: ignore[arg-type]

    def forward(self, features: Float[Tensor, "P C w w"]) -> Float[Tensor, "P K 4w 4w"]:
        maps = self.up(self.layers(features)).float()
        height, width = maps.shape[-2:]
        return F.interpolate(maps, size=(2 * height, 2 * width), mode="bilinear", align_corners=False)
