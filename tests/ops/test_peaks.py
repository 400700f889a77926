"""Peaks against scipy's maximum filter."""

import numpy as np
import torch
from scipy.ndimage import maximum_filter

from armature.ops.peaks import top_peaks


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
