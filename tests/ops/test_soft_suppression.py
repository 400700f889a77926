"""Soft suppression against a loop over boxes."""

import math

import pytest
import torch

from armature.ops.soft_suppression import soft_suppress


def overlap(a: list[float], b: list[float]) -> float:
    wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(0.0, wide) * max(0.0, high)
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


def by_hand(boxes: list[list[float]], scores: list[float], deviation: float, floor: float) -> list[float]:
    scores, left = list(scores), [i for i, s in enumerate(scores) if s >= floor]
    while left:
        best = max(left, key=lambda i: scores[i])
        left.remove(best)
        for i in left:
            scores[i] *= math.exp(-(overlap(boxes[best], boxes[i]) ** 2) / deviation)
        left = [i for i in left if scores[i] >= floor]
    return scores


@pytest.mark.parametrize(("deviation", "floor"), [(0.5, 0.001), (0.1, 0.2)])
def test_it_equals_a_loop(deviation: float, floor: float) -> None:
    generator = torch.Generator().manual_seed(0)
    low = torch.rand(40, 2, generator=generator) * 20
    boxes = torch.cat([low, low + 5 + torch.rand(40, 2, generator=generator) * 20], 1)
    scores = torch.rand(40, generator=generator)
    expected = by_hand(boxes.tolist(), scores.tolist(), deviation, floor)
    torch.testing.assert_close(soft_suppress(boxes, scores, deviation, floor), torch.tensor(expected))


def test_alone_and_nobody() -> None:
    assert soft_suppress(torch.tensor([[0.0, 0.0, 1.0, 1.0]]), torch.tensor([0.7])).tolist() == pytest.approx([0.7])
    assert len(soft_suppress(torch.zeros(0, 4), torch.zeros(0))) == 0
