"""Suppression against torchvision's loop, and overlaps against torchvision's losses."""

from __future__ import annotations

import pytest
import torch
import torchvision

from armature.ops.overlaps import paired_overlap
from armature.ops.suppression import suppress


def boxes_around(centres: int, count: int = 2000, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    middle = torch.rand(centres, 2, generator=generator) * 600
    size = torch.rand(centres, 2, generator=generator) * 100 + 20
    own = torch.randint(centres, (count,), generator=generator)
    at = middle[own] + torch.randn(count, 2, generator=generator) * 6
    half = size[own] * (0.5 + 0.05 * torch.randn(count, 2, generator=generator))
    return torch.cat([at - half, at + half], 1), torch.rand(count, generator=generator)


@pytest.mark.parametrize("centres", [1, 20, 2000])
@pytest.mark.parametrize("overlap", [0.3, 0.7])
@pytest.mark.parametrize("most", [30, 5000])
def test_the_same_boxes_as_torchvision(centres: int, overlap: float, most: int) -> None:
    boxes, scores = boxes_around(centres)
    chosen = (scores > 0.1).nonzero().flatten()
    expected = chosen[torchvision.ops.nms(boxes[chosen], scores[chosen], overlap)][:most]
    assert torch.equal(suppress(boxes, scores, overlap, 0.1, candidates=5000, most=most), expected)


def test_only_the_best_candidates_are_looked_at() -> None:
    boxes, scores = boxes_around(2000)
    found = suppress(boxes, scores, 0.7, candidates=100)
    assert set(found.tolist()) <= set(scores.topk(100).indices.tolist())


def test_nothing_above_the_score_is_nothing() -> None:
    boxes, scores = boxes_around(5, 10)
    assert suppress(boxes, scores, min_score=2.0).shape == (0,)
    assert suppress(boxes[:0], scores[:0]).shape == (0,)


@pytest.mark.parametrize("kind", ["giou", "ciou"])
def test_overlaps_and_their_gradients_are_torchvisions(kind: str) -> None:
    a, b = boxes_around(30, 200)[0].requires_grad_(), boxes_around(30, 200, seed=1)[0]
    b[:100] = a.detach()[:100] + torch.randn(100, 4, generator=torch.Generator().manual_seed(2))
    theirs = {"giou": torchvision.ops.generalized_box_iou_loss, "ciou": torchvision.ops.complete_box_iou_loss}[kind]
    expected = theirs(a, b)
    ours = 1 - paired_overlap(a, b, kind)  # type: ignore[arg-type]
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-4)
    (one,), (two,) = torch.autograd.grad(ours.sum(), a), torch.autograd.grad(expected.sum(), a)
    torch.testing.assert_close(one, two, atol=1e-5, rtol=1e-3)
