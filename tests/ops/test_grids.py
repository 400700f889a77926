"""Cells, owners and gathers against plain indexing."""

import itertools
import math

import pytest
import torch

from armature.ops.grids import cell_corner, flat_cell, owners, stride_of


def test_a_point_is_in_the_cell_that_contains_it() -> None:
    points = torch.tensor([[0.0, 0.0], [3.99, 1.0], [2.5, 2.5], [-1.0, 9.0]])
    cells = flat_cell(points, (3, 4))
    assert cells.tolist() == [0, 7, 10, 8]
    assert cell_corner(cells, 4).tolist() == [[0, 0], [3, 1], [2, 2], [0, 2]]


def test_a_cell_belongs_to_the_nearest_centre_within_reach_and_inside_the_box() -> None:
    generator = torch.Generator().manual_seed(1)
    centres = torch.rand(3, 4, 2, generator=generator) * torch.tensor([9.0, 7.0])
    boxes = torch.cat([centres - 1.2, centres + torch.rand(3, 4, 2, generator=generator) * 3], -1)
    valid = torch.rand(3, 4, generator=generator) > 0.2
    for reach in (0, 1, 2):
        found = owners(centres, boxes, valid, (7, 9), reach)
        for b, y, x in itertools.product(range(3), range(7), range(9)):
            best, owner = math.inf, -1
            for m in range(4):
                cx, cy = (float(v) for v in centres[b, m])
                away = max(abs(x - math.floor(cx)), abs(y - math.floor(cy)))
                x1, y1, x2, y2 = (float(v) for v in boxes[b, m])
                inside = x1 <= x + 0.5 <= x2 and y1 <= y + 0.5 <= y2
                distance = (x + 0.5 - cx) ** 2 + (y + 0.5 - cy) ** 2
                if valid[b, m] and (away == 0 or (away <= reach and inside)) and distance < best:
                    best, owner = distance, m
            assert int(found[b, y, x]) == owner


@pytest.mark.parametrize(
    ("canvas", "cells", "stride"), [(128, 32, 4), (131, 33, 4), (97, 25, 4), (640, 20, 32), (101, 4, 32), (126, 9, 14)]
)
def test_the_stride_of_a_grid_that_covers_the_canvas(canvas: int, cells: int, stride: float) -> None:
    assert stride_of(canvas, cells) == stride
    assert math.ceil(canvas / stride) == cells
