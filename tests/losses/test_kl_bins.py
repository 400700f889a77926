"""KL over bins against scipy, and what it does where little or nothing is supervised."""

import numpy as np
import pytest
import torch
from scipy.special import softmax
from scipy.stats import entropy

from armature.errors import ConfigError
from armature.losses.kl_bins import KLBins
from armature.structures import Target

BINS = 20


def logits(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, BINS, generator=torch.Generator().manual_seed(seed))


def label(place: float, deviation: float = 2.0) -> np.ndarray:
    """A gaussian on the middles of the bins."""
    return np.exp(-((np.arange(BINS) + 0.5 - place) ** 2) / (2 * deviation**2))


@pytest.mark.parametrize(("sharpness", "soften"), [(1.0, False), (10.0, True)])
def test_it_is_the_divergence_from_gaussian_labels(sharpness: float, soften: bool) -> None:
    output, places = logits(2, 3), torch.tensor([[3.2, 10.0, 19.9], [0.0, 7.7, 12.5]])[..., None]
    weight = torch.tensor([[1.0, 0.0, 2.0], [1.0, 1.0, 0.5]])[..., None]
    total = 0.0
    for i in range(2):
        for k in range(3):
            heat = label(float(places[i, k, 0]))
            truth = softmax(sharpness * heat) if soften else heat
            said = softmax(sharpness * output[i, k].double().numpy())
            total += float(weight[i, k, 0]) * entropy(truth, said)  # normalises both
    found = KLBins(2.0, sharpness, soften)(output, Target(places, weight))
    assert float(found) == pytest.approx(total / float(weight.sum()), rel=1e-4)


def test_labels_made_elsewhere_are_the_same() -> None:
    output, places = logits(1, 2), torch.tensor([[[3.2], [14.0]]])
    labels = torch.stack([torch.from_numpy(label(float(p)) / label(float(p)).sum()) for p in places.flatten()])[None]
    weight = torch.ones(1, 2, 1)
    loss = KLBins(2.0)
    torch.testing.assert_close(loss(output, Target(places, weight)), loss(output, Target(labels.float(), weight)))


def test_the_label_itself_is_the_best_answer() -> None:
    best = torch.from_numpy(np.log(label(8.3)))[None].float()
    loss, target = KLBins(2.0), Target(torch.tensor([[8.3]]), torch.ones(1, 1))
    assert float(loss(best, target)) == pytest.approx(0, abs=1e-5)
    assert float(loss(best.roll(1, -1), target)) > 0.05


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_gradients_are_finite_also_for_sure_mistakes_and_beside_the_impossible(kind: torch.dtype) -> None:
    output = logits(3).to(kind)
    output[0, 0] = 300.0
    output.requires_grad_()
    value = torch.tensor([[19.0], [torch.nan], [torch.inf]])
    loss = KLBins(1.0)(output, Target(value, torch.tensor([[1.0], [0.0], [0.0]])))
    loss.backward()
    assert torch.isfinite(loss) and output.grad is not None and output.grad.isfinite().all()
    assert output.grad[0].any() and not output.grad[1:].any()


@pytest.mark.parametrize("count", [0, 3])
def test_nobody_or_all_masked_is_zero_and_attached(count: int) -> None:
    output = torch.ones(count, BINS, requires_grad=True)
    loss = KLBins()(output, Target(torch.zeros(count, 1), torch.zeros(count, 1)))
    loss.backward()
    assert float(loss.detach()) == 0 and output.grad is not None and not output.grad.any()


def test_stages_are_averaged_and_other_outputs_are_refused() -> None:
    output, target = logits(2, 4, 3), Target(torch.full((4, 3, 1), 5.0), torch.ones(4, 3, 1))
    loss = KLBins()
    torch.testing.assert_close(loss(output, target), (loss(output[0], target) + loss(output[1], target)) / 2)
    assert loss.problem(output, target) == ""
    assert "reads logits" in loss.problem(output, target._replace(value=torch.ones(4, 3, 7)))
    assert "below" in loss.problem(output, target._replace(value=target.value - 9))
    assert "sum to one" in loss.problem(output, target._replace(value=torch.ones(4, 3, BINS)))
    with pytest.raises(ConfigError, match="above 0"):
        KLBins(deviation=0)
