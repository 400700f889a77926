"""Rows of lists that somebody learns from."""

from __future__ import annotations

import torch

from armature.losses.reduction import supervised
from armature.structures import Target


def test_only_supervised_rows_are_left_with_their_own_weights_and_areas() -> None:
    output = torch.arange(2 * 3 * 2 * 2.0).view(2, 3, 2, 2)
    weight = torch.tensor([[[1.0, 0.0], [0.0, 0.0], [0.0, 2.0]], [[0.0, 0.0]] * 3])[..., None]
    scale = torch.tensor([[5.0, 6.0, 7.0], [8.0, 9.0, 10.0]])[..., None, None]
    rows, target = supervised(output, Target(output + 1, weight, scale), 2)
    assert torch.equal(rows, output[0, [0, 2]]) and torch.equal(target.value, rows + 1)
    assert torch.equal(target.weight[..., 0], torch.tensor([[1.0, 0.0], [0.0, 2.0]]))
    assert target.scale is not None and target.scale.flatten().tolist() == [5.0, 7.0]


def test_stages_before_the_target_share_it() -> None:
    output = torch.arange(2 * 3 * 4.0).view(2, 3, 4)
    rows, target = supervised(output, Target(torch.zeros(3, 4), torch.tensor([[0.0], [1.0], [1.0]])), 1)
    assert torch.equal(rows, output[:, 1:].flatten(0, 1)) and target.value.shape == (4, 4)
