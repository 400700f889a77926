"""Tensors of fixed shapes hold the people that lists hold: against torchvision's suppression and the listed forms."""

from __future__ import annotations

import pytest
import torch
import torchvision

from armature.ops.fixed_people import EMPTY, FixedPeople, best_first, every_peak, on_some, pick, survivors
from armature.ops.fixed_roi_peaks import fixed_heatmap_peaks
from armature.ops.peaks import listed_peaks
from armature.ops.roi_heatmaps import heatmap_peaks


def boxes(batch: int, count: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    low = torch.rand(batch, count, 2, generator=generator) * 100 - 10
    return torch.cat([low, low + 5 + 40 * torch.rand(batch, count, 2, generator=generator)], -1)


@pytest.mark.parametrize("groups", [None, 3])
def test_survivors_are_those_of_each_image_and_group_alone(groups: int | None) -> None:
    many, scores = boxes(4, 60), torch.rand(4, 60, generator=torch.Generator().manual_seed(1))
    group = None if groups is None else torch.arange(60) % groups
    kept = survivors(many, scores, 0.3, group)
    assert 0 < int(kept.sum()) < kept.numel()
    for b in range(4):
        of = torch.zeros(60, dtype=torch.long) if group is None else group
        alone = set()
        for g in of.unique().tolist():
            at = (of == g).nonzero().flatten()
            alone |= set(at[torchvision.ops.nms(many[b, at], scores[b, at], 0.3)].tolist())
        assert set(kept[b].nonzero().flatten().tolist()) == alone


def test_the_best_come_first_and_empty_slots_last() -> None:
    scores = torch.tensor([[0.2, 0.9, 0.5], [0.1, 0.3, 0.4]])
    numbers = torch.arange(6.0).view(2, 3)
    people = FixedPeople(
        numbers[..., None, None].expand(2, 3, 2, 2), numbers[..., None].expand(2, 3, 2), boxes(2, 3), scores
    )
    kept = people.best(torch.tensor([[True, False, True], [False, False, True]]), 2)
    assert kept.scores.tolist() == [pytest.approx([0.5, 0.2]), pytest.approx([0.4, EMPTY])]
    assert kept.keypoints[0, :, 0, 0].tolist() == [2, 0] and kept.keypoints[1, 0, 0, 0] == 5
    values, order = best_first(scores, 2)
    assert torch.equal(pick(scores, order), values)


def test_peaks_are_the_listed_ones() -> None:
    maps = torch.randn(2, 3, 20, 15, generator=torch.Generator().manual_seed(2))
    values, cells = every_peak(maps, 8, floor=0.5)
    listed, at = listed_peaks(maps, 8, floor=0.5)
    for mine, theirs in ((values, listed), (cells, at)):
        found = listed > -torch.inf
        assert torch.equal(mine[..., : listed.shape[2]][found], theirs[found])


@pytest.mark.parametrize("largest", [40.0, 300.0])
def test_peaks_of_windows_are_those_of_the_whole_resized_map(largest: float) -> None:
    """Smooth maps with a few bumps, as networks give them, in boxes smaller and larger than the map."""
    generator = torch.Generator().manual_seed(3)
    coarse = torch.randn(30, 5, 7, 7, generator=generator) * 3
    maps = torch.nn.functional.interpolate(coarse, (56, 56), mode="bicubic")
    windows = boxes(1, 30)[0]
    windows[:, 2:] = windows[:, :2] + largest * (0.5 + 0.5 * torch.rand(30, 2, generator=generator))
    points, values = fixed_heatmap_peaks(maps, windows)
    expected, peaks = heatmap_peaks(maps, windows)
    torch.testing.assert_close(points, expected, atol=1e-3, rtol=0)
    torch.testing.assert_close(values, peaks, atol=1e-4, rtol=0)


def test_only_rows_that_are_there_are_computed() -> None:
    seen = []

    def run(rows: torch.Tensor) -> dict[str, torch.Tensor]:
        seen.append(rows.shape[0])
        return {"twice": rows * 2}

    there = torch.tensor([False, True, False, True])
    twice = on_some(there, run, torch.arange(4.0)[:, None])["twice"]
    assert seen == [3] and twice[there].flatten().tolist() == [2, 6]
    assert on_some(torch.zeros(4) > 0, run, torch.ones(4, 1))["twice"].shape == (4, 1)
