"""RoIAlign by products of matrices, against torchvision's."""

from __future__ import annotations

import pytest
import torch
from torchvision.ops import roi_align

from armature.ops.roi_windows import separable_roi_align


def _boxes(count: int, side: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Boxes in, across and outside the canvas, tiny ones too, of images in no order; the last image has none."""
    draw = torch.Generator().manual_seed(4)
    low = (torch.rand(count, 2, generator=draw) * 1.6 - 0.3) * side
    size = torch.rand(count, 2, generator=draw) ** 3 * side
    return torch.cat([low, low + size], 1), torch.randint(0, 2, (count,), generator=draw)


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize(("window", "samples", "size"), [(7, 2, (16, 16)), (14, 2, (9, 13)), (5, 1, (1, 20))])
def test_windows_and_gradients_are_torchvisions(
    aligned: bool, window: int, samples: int, size: tuple[int, int]
) -> None:
    boxes, images = _boxes(40, 64.0)
    features = torch.randn(3, 6, *size, generator=torch.Generator().manual_seed(5))
    ours, theirs = (features.clone().requires_grad_() for _ in range(2))
    found = separable_roi_align(ours, boxes, images, window, 0.25, samples, aligned)
    rows = torch.cat([images[:, None].float(), boxes], 1)
    expected = roi_align(theirs, rows, window, 0.25, samples, aligned)
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=1e-4)
    push = torch.randn(expected.shape, generator=torch.Generator().manual_seed(6))
    found.backward(push)
    expected.backward(push)
    torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-4, rtol=1e-4)


def test_no_boxes() -> None:
    features = torch.randn(2, 3, 8, 8, requires_grad=True)
    none = torch.zeros(0, 4), torch.zeros(0, dtype=torch.long)
    windows = separable_roi_align(features, *none, 7, 0.25)
    assert windows.shape == (0, 3, 7, 7)
    windows.sum().backward()
    assert features.grad is not None and not features.grad.any()
