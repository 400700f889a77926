"""Gaussian targets against the published numbers and a plain loop."""

import math

import pytest
import torch

from armature.ops.gaussians import box_radius, splat


# Radii in cells of both variants: the corrected quadratics, and what the released CenterNet code computes.
@pytest.mark.parametrize(
    ("height", "width", "corrected", "released"),
    [(20, 20, 1, 5), (40, 20, 2, 7), (64, 32, 3, 11), (100, 50, 5, 18), (128, 128, 10, 34)],
)
def test_radius_of_both_kinds(height: int, width: int, corrected: int, released: int) -> None:
    size = torch.tensor([float(height), float(width)])
    assert int(box_radius(size, 0.7, "corrected")) == corrected
    assert int(box_radius(size, 0.7, "released")) == released


def test_a_box_moved_by_the_corrected_radius_keeps_its_overlap() -> None:
    size = torch.tensor([60.0, 30.0])
    r = float(box_radius(size, 0.7, "corrected"))
    inside = (60 - r) * (30 - r)
    shifted = inside / (2 * 60 * 30 - inside)
    shrunk = (60 - 2 * r) * (30 - 2 * r) / (60 * 30)
    grown = 60 * 30 / ((60 + 2 * r) * (30 + 2 * r))
    assert min(shifted, shrunk, grown) == pytest.approx(0.7, abs=1e-6)


def test_splat_equals_a_loop() -> None:
    generator = torch.Generator().manual_seed(3)
    cells = torch.randint(-2, 14, (2, 3, 4, 2), generator=generator)
    radii = torch.tensor([[0.0, 2.0, 5.0], [1.0, 3.0, 4.0]])
    on = torch.rand(2, 3, 4, generator=generator) > 0.3
    expected = torch.zeros(2, 4, 9, 12)
    for b in range(2):
        for m in range(3):
            for c in range(4):
                for y in range(9):
                    for x in range(12):
                        dx, dy = x - int(cells[b, m, c, 0]), y - int(cells[b, m, c, 1])
                        r = float(radii[b, m])
                        if on[b, m, c] and abs(dx) <= r and abs(dy) <= r:
                            value = math.exp(-(dx * dx + dy * dy) / (2 * ((2 * r + 1) / 6) ** 2))
                            expected[b, c, y, x] = max(float(expected[b, c, y, x]), value)
    torch.testing.assert_close(splat(cells, radii, on, (9, 12)), expected)
