"""Peaks against scipy's maximum filter."""

import numpy as np
import torch
from scipy.ndimage import maximum_filter

from armature.ops.peaks import centroids, top_peaks


def test_peaks_are_the_local_maxima_in_order() -> None:
    scores = torch.rand(2, 3, 10, 12, generator=torch.Generator().manual_seed(0))
    values, cells = top_peaks(scores, 8)
    for b in range(2):
        for c in range(3):
            plane = scores[b, c].numpy()
            maxima = plane[plane == maximum_filter(plane, 3, mode="constant")]
            assert np.allclose(values[b, c].numpy(), np.sort(maxima)[::-1][:8])
            assert torch.equal(scores[b, c].flatten()[cells[b, c]], values[b, c])


def test_a_small_grid_gives_what_it_has() -> None:
    values, cells = top_peaks(torch.rand(1, 1, 2, 2), 100)
    assert values.shape == cells.shape == (1, 1, 4)


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
