"""Peaks of resized heatmaps against resizing them."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.models.detection.roi_heads import heatmaps_to_keypoints

from armature.ops.roi_heatmaps import heatmap_peaks


def heatmaps(kind: str, count: int = 6, keypoints: int = 5) -> Tensor:
    """Logits of 56 x 56 cells: one hill or two on a rough ground, the ground alone, or noise from cell to cell."""
    generator = torch.Generator().manual_seed(len(kind))
    ground = torch.randn(count, keypoints, 28, 28, generator=generator)
    along = torch.arange(28) + 0.5
    for height in {"hill": (12,), "hills": (12, 11.5, 11.0), "ground": (), "noise": ()}[kind]:
        x, y = torch.rand(2, count, keypoints, 1, 1, generator=generator) * 28
        ground = ground * 0.9 + height * torch.exp(-((along - x) ** 2 + (along[:, None] - y) ** 2) / 4)
    if kind == "noise":
        return torch.randn(count, keypoints, 56, 56, generator=generator)
    return F.interpolate(ground, scale_factor=2.0, mode="bilinear", align_corners=False)


#: Narrower and wider than the map, whole and broken sizes, and one below a pixel; xyxy.
BOXES = torch.tensor(
    [
        [3.2, 4.1, 60.9, 130.0], [0, 0, 56, 56], [10.5, 7, 23.1, 18.9],
        [1, 2, 300.4, 90.2], [5, 5, 5.3, 9], [-4, 2, 150, 201.5]
    ]
)  # fmt: skip


@pytest.mark.parametrize("kind", ["hill", "hills", "ground", "noise"])
def test_peaks_are_those_of_the_resized_maps(kind: str) -> None:
    maps = heatmaps(kind)
    truth, values = heatmaps_to_keypoints(maps, BOXES)
    points, peaks = heatmap_peaks(maps, BOXES)
    torch.testing.assert_close(peaks, values, atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(points, truth[..., :2], atol=1e-4, rtol=1e-5)


def test_a_peak_on_the_border_and_a_flat_map() -> None:
    maps = torch.zeros(2, 2, 56, 56)
    maps[0, 0, 0, 0], maps[0, 1, 55, 30], maps[1, 0, 20, 55] = 5, 5, 5
    points, peaks = heatmap_peaks(maps, BOXES[[0, 3]])
    truth, values = heatmaps_to_keypoints(maps, BOXES[[0, 3]])
    torch.testing.assert_close(peaks, values, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(points[[0, 0, 1], [0, 1, 0]], truth[[0, 0, 1], [0, 1, 0], :2])


def test_nobody_has_no_peaks() -> None:
    points, peaks = heatmap_peaks(torch.zeros(0, 17, 56, 56), torch.zeros(0, 4))
    assert points.shape == (0, 17, 2) and peaks.shape == (0, 17)
