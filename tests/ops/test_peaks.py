"""Peaks against scipy's maximum filter."""

import numpy as np
import pytest
import torch
from scipy.ndimage import maximum_filter

from armature.ops.peaks import centroids, highest, listed_peaks


def test_centroids_equal_a_loop_over_the_window() -> None:
    scores = torch.rand(1, 2, 6, 5, generator=torch.Generator().manual_seed(4))
    cells = torch.tensor([[[7, 0, 29], [12, 4, 25]]])
    found = centroids(scores, cells)
    for c in range(2):
        for n in range(3):
            row, column = divmod(int(cells[0, c, n]), 5)
            window = [
                (y, x)
                for y in range(row - 1, row + 2)
                for x in range(column - 1, column + 2)
                if 0 <= y < 6 and 0 <= x < 5
            ]
            weight = [float(scores[0, c, y, x]) ** 2 for y, x in window]
            expected = [
                sum(w * (p[i] + 0.5) for w, p in zip(weight, window, strict=True)) / sum(weight) for i in (1, 0)
            ]
            assert np.allclose(found[0, c, n].numpy(), expected, atol=1e-5)


def draw_peaks(layout: torch.memory_format = torch.contiguous_format) -> torch.Tensor:
    """Logits with many peaks, among them plateaus of two and three cells, at borders too."""
    maps = torch.randn(2, 3, 11, 13, generator=torch.Generator().manual_seed(6))
    maps[0, 0, 4, 4:7] = maps[1, 2, 0, 0:2] = maps[1, 1, 10, 12] = 4.0
    return maps.to(memory_format=layout)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("window", [3, 5])
def test_the_highest_around_a_cell_is_scipys_maximum_filter(layout: torch.memory_format, window: int) -> None:
    maps = draw_peaks(layout)
    expected = maximum_filter(maps.numpy(), (1, 1, window, window), mode="constant", cval=-np.inf)
    assert np.array_equal(highest(maps, window).numpy(), expected)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("floor", [-torch.inf, 0.5, 9.0])
def test_listed_peaks_are_the_local_maxima_above_the_floor(layout: torch.memory_format, floor: float) -> None:
    maps = draw_peaks(layout)
    values, cells = listed_peaks(maps, 6, floor)
    for b in range(2):
        for c in range(3):
            plane = maps[b, c].numpy()
            is_peak = (plane == maximum_filter(plane, 3, mode="constant", cval=-np.inf)) & (plane >= floor)
            expected = np.sort(plane[is_peak])[::-1][:6]
            real = values[b, c].isfinite()
            assert np.array_equal(values[b, c][real].numpy(), expected)
            assert set(cells[b, c][real].tolist()) <= set(np.flatnonzero(is_peak).tolist())
            assert len(set(cells[b, c][real].tolist())) == len(expected)


def test_a_centroid_of_logits_is_that_of_their_scores() -> None:
    maps, cells = draw_peaks(), torch.tensor([[[3, 0], [142, 70], [9, 12]]]).expand(2, 3, 2)
    torch.testing.assert_close(centroids(maps, cells, logits=True), centroids(maps.sigmoid(), cells))
    middle = centroids(torch.zeros(1, 1, 4, 5), torch.tensor([[[7]]]))
    assert middle.tolist() == [[[[2.5, 1.5]]]]  # nothing there: the middle of the cell
