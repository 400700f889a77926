"""Cells, owners and gathers against plain indexing."""

import torch

from armature.ops.grids import cell_corner, flat_cell, gather_cells, owners


def test_a_point_is_in_the_cell_that_contains_it() -> None:
    points = torch.tensor([[0.0, 0.0], [3.99, 1.0], [2.5, 2.5], [-1.0, 9.0]])
    cells = flat_cell(points, (3, 4))
    assert cells.tolist() == [0, 7, 10, 8]
    assert cell_corner(cells, 4).tolist() == [[0, 0], [3, 1], [2, 2], [0, 2]]


def test_the_later_valid_slot_owns_a_shared_cell() -> None:
    cells = torch.tensor([[5, 5, 1], [0, 2, 2]])
    valid = torch.tensor([[True, True, False], [True, True, False]])
    found = owners(cells, valid, 6)
    assert found.tolist() == [[-1, -1, -1, -1, -1, 1], [0, -1, 1, -1, -1, -1]]


def test_gather_cells_equals_indexing() -> None:
    maps = torch.arange(2 * 3 * 2 * 4 * 5.0).reshape(2, 3, 2, 4, 5)
    cells = torch.tensor([[0, 7], [19, 3]])
    found = gather_cells(maps, cells)
    for b in range(2):
        for n in range(2):
            y, x = divmod(int(cells[b, n]), 5)
            assert torch.equal(found[b, n], maps[b, :, :, y, x])
