"""Cells, owners and masks of cells against plain loops."""

import itertools
import math

import pytest
import torch

from armature.ops.grids import cell_corner, cells_inside, flat_cell, ignored_cells, owners, stride_of


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


def test_a_cell_is_ignored_when_more_than_half_of_its_pixels_are() -> None:
    ignore = torch.rand(2, 12, 20, generator=torch.Generator().manual_seed(0)) > 0.5
    found = ignored_cells(ignore, (3, 5))
    for y, x in itertools.product(range(3), range(5)):
        share = ignore[:, 4 * y : 4 * y + 4, 4 * x : 4 * x + 4].sum((1, 2))
        assert torch.equal(found[:, y, x], share > 8)


def test_cells_inside_are_those_whose_middle_one_of_the_chosen_boxes_holds() -> None:
    boxes = torch.tensor([[[0.4, 1.0, 2.5, 2.4], [3.0, 0.0, 5.0, 4.0]]])
    found = cells_inside(boxes, torch.tensor([[True, False]]), (4, 5))[0]
    assert found.nonzero().tolist() == [[1, 0], [1, 1], [1, 2]]
    assert not cells_inside(boxes, torch.zeros(1, 2, dtype=torch.bool), (4, 5)).any()
