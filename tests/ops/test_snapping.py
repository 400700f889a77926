"""Peaks for regressed joints, against a loop over people, joints and peaks."""

from __future__ import annotations

import math

import pytest
import torch

from armature.ops.snapping import nearest_listed, nearest_peak


def by_a_loop(
    joints: torch.Tensor, boxes: torch.Tensor, peaks: torch.Tensor
) -> dict[tuple[int, ...], tuple[float, int]]:
    """Distance and number of the nearest peak in the box, for every joint that has one."""
    found: dict[tuple[int, ...], tuple[float, int]] = {}
    for b, n, k in torch.cartesian_prod(*(torch.arange(s) for s in joints.shape[:3])).tolist():
        x1, y1, x2, y2 = boxes[b, n].tolist()
        for p, (x, y) in enumerate(peaks[b, k].tolist()):
            away = math.dist((x, y), joints[b, n, k].tolist())
            if x1 <= x <= x2 and y1 <= y <= y2 and away < found.get((b, n, k), (math.inf, 0))[0]:
                found[b, n, k] = away, p
    return found


@pytest.mark.parametrize("nearest", [nearest_peak, nearest_listed])
@pytest.mark.parametrize("people", [0, 1, 7])
def test_the_nearest_peak_in_the_box_is_that_of_a_loop(nearest, people: int) -> None:  # type: ignore[no-untyped-def]
    draw = torch.Generator().manual_seed(people)
    low = torch.rand(2, people, 2, generator=draw) * 20
    boxes = torch.cat([low, low + torch.rand(2, people, 2, generator=draw) * 15], -1)
    joints, peaks = torch.rand(2, people, 5, 2, generator=draw) * 32, torch.rand(2, 5, 9, 2, generator=draw) * 32
    peaks[:, 2] = torch.inf  # a joint without any
    peaks[:, 3, 4:] = torch.inf
    peaks[0, 0, 1] = boxes[0, 0, 2:] if people else peaks[0, 0, 1]  # on the border
    peaks[1, 4, 5] = peaks[1, 4, 2]  # twice at one place: the first is the answer
    distance, number = nearest(joints, boxes, peaks)
    expected = by_a_loop(joints, boxes, peaks)
    assert distance.shape == number.shape == joints.shape[:3]
    assert people == 0 or 0 < len(expected) < distance.numel()
    for at in torch.cartesian_prod(*(torch.arange(s) for s in distance.shape)).tolist():
        if tuple(at) in expected:
            away, p = expected[tuple(at)]
            assert distance[tuple(at)].item() == pytest.approx(away, rel=1e-5)
            assert number[tuple(at)] == p
        else:
            assert distance[tuple(at)] > 1e9
