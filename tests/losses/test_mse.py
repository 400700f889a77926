"""The squared error against loops over single numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import grey_dilation

from armature.errors import ConfigError
from armature.losses.mse import MSE
from armature.structures import Target


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("stages", [1, 3])
def test_it_equals_a_loop(stages: int) -> None:
    output, value = draw(stages, 2, 3, 2, 2), draw(2, 3, 2, 2, seed=1)
    weight = torch.tensor([[1.0, 0.0], [0.5, 1.0]]).expand(2, 1, 2, 2)
    total = count = 0.0
    for s in range(stages):
        for b in range(2):
            for c in range(3):
                for y in range(2):
                    for x in range(2):
                        w = float(weight[b, 0, y, x])
                        total += w * float(output[s, b, c, y, x] - value[b, c, y, x]) ** 2
                        count += w
    assert float(MSE()(output, Target(value, weight))) == pytest.approx(total / count, rel=1e-5)
    assert float(MSE("batch")(output, Target(value, weight))) == pytest.approx(total / 2 / 2, rel=1e-5)


def test_cells_in_and_beside_peaks_count_more() -> None:
    output, value = draw(2, 3, 6, 5), draw(2, 3, 6, 5, seed=1).sigmoid() ** 4
    weight = (draw(2, 1, 6, 5, seed=2) > -0.5).float()
    # What is not supervised may be anything, and makes no peak of the cells beside it.
    planes = value.where(weight > 0, 0.0).flatten(0, 1).numpy()
    near = np.stack([grey_dilation(plane, (3, 3), mode="constant") >= 0.2 for plane in planes])
    assert 0.1 < near.mean() < 0.9
    on = weight.expand_as(value).flatten(0, 1).numpy()
    expected = ((output - value).square().flatten(0, 1).numpy() * (1 + 10 * near) * on).sum() / on.sum()
    found = MSE(foreground=10)(output, Target(value.where(weight > 0, torch.inf), weight))
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_only_heatmaps_have_peaks_to_weigh() -> None:
    field = Target(draw(2, 3, 6, 5), torch.ones(2, 1, 1, 1))
    assert MSE().problem(field.value, field) == ""
    assert "[0, 1]" in MSE(foreground=10).problem(field.value, field)
    points = Target(torch.zeros(4, 2), torch.ones(4, 1))
    assert "maps" in MSE(foreground=10).problem(points.value, points)


@pytest.mark.parametrize("normalisation", ["mean", "batch"])
def test_nothing_supervised_is_zero_and_attached_whatever_is_there(normalisation: str) -> None:
    output = torch.full((2, 3, 4), torch.inf, requires_grad=True)
    loss = MSE(normalisation)(output, Target(torch.zeros(2, 3, 4), torch.zeros(2, 1, 1)))  # type: ignore[arg-type]
    assert float(loss.detach()) == 0
    (gradient,) = torch.autograd.grad(loss, output, allow_unused=False)
    assert gradient.shape == output.shape
    half = MSE(normalisation)(draw(2, 3, 4).bfloat16(), Target(draw(2, 3, 4, seed=1), torch.ones(2, 1, 1)))  # type: ignore[arg-type]
    assert torch.isfinite(half)


def test_a_map_without_channels_is_zero() -> None:
    output = torch.zeros(2, 0, 4, requires_grad=True)
    loss = MSE()(output, Target(torch.zeros(2, 0, 4), torch.ones(2, 1, 1)))
    loss.backward()
    assert float(loss.detach()) == 0


def test_an_unknown_normalisation_is_refused() -> None:
    with pytest.raises(ConfigError, match="mean and batch"):
        MSE("sum")  # type: ignore[arg-type]
