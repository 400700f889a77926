"""Boxes in the mirror, and the same people in two views."""

import torch

from armature.ops.overlaps import mirrored, twins


def test_a_mirrored_box_is_where_its_pixels_went() -> None:
    lit = torch.zeros(10, 20)
    lit[2:5, 3:9] = 1
    rows, columns = lit.flip(-1).nonzero().unbind(1)
    expected = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    assert mirrored(torch.tensor([3.0, 2.0, 9.0, 5.0]), 20).tolist() == [float(v) for v in expected]


def test_twins_are_the_most_overlapping_of_the_same_image() -> None:
    boxes = torch.tensor([[0.0, 0.0, 4.0, 4.0], [10.0, 10.0, 14.0, 14.0], [0.0, 0.0, 4.0, 4.0]])
    others = torch.tensor([[0.0, 0.0, 4.0, 2.0], [0.0, 0.0, 4.0, 4.0], [10.0, 10.0, 14.0, 14.0]])
    index, overlap = twins(boxes, torch.tensor([0, 0, 1]), others, torch.tensor([0, 1, -1]))
    assert (index[0].item(), round(overlap[0].item(), 5)) == (0, 0.5)
    assert overlap[1].item() == 0  # the box there is of nobody's image
    assert (index[2].item(), overlap[2].item()) == (1, 1.0)


def test_without_others_nobody_has_a_twin() -> None:
    _, overlap = twins(torch.rand(2, 4), torch.zeros(2).long(), torch.zeros(0, 4), torch.zeros(0).long())
    assert overlap.tolist() == [0.0, 0.0]
