"""Cross-entropy with a light "none" against torch's."""

import pytest
import torch
import torch.nn.functional as F

from armature.errors import ConfigError
from armature.losses.cross_entropy import CrossEntropy
from armature.structures import Target


def some(shape: tuple[int, ...] = (2, 3, 6, 5), seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator), torch.randint(0, shape[-1], shape[:-1], generator=generator)


def test_it_is_torchs_with_class_weights() -> None:
    logits, kind = some()
    expected = F.cross_entropy(logits.flatten(0, 2), kind.flatten(), torch.tensor([1.0, 1, 1, 1, 0.1]))
    found = CrossEntropy(0.1)(logits, Target(F.one_hot(kind, 5).float(), torch.ones(2, 3, 6, 1)))
    torch.testing.assert_close(found, expected)


def test_what_weighs_nothing_changes_nothing() -> None:
    logits, kind = some()
    weight = torch.ones(2, 3, 6, 1)
    weight[:, 1] = 0
    value = F.one_hot(kind, 5).float()
    bad, worse = value.clone(), logits.clone()
    bad[:, 1], worse[:, 1] = torch.nan, 1e4
    torch.testing.assert_close(
        CrossEntropy()(worse, Target(bad, weight)), CrossEntropy()(logits, Target(value, weight))
    )


def test_stages_of_the_output_share_a_target() -> None:
    logits, kind = some()
    value, weight = F.one_hot(kind[0], 5).float(), torch.ones(3, 6, 1)
    both = CrossEntropy()(logits, Target(value, weight))
    each = [CrossEntropy()(logits[i], Target(value, weight)) for i in range(2)]
    torch.testing.assert_close(both, torch.stack(each).mean())


@pytest.mark.parametrize("shape", [(1, 0, 6, 5), (2, 3, 6, 5)])
def test_nothing_to_learn_is_zero_and_attached(shape: tuple[int, ...]) -> None:
    logits = torch.zeros(shape, requires_grad=True)
    loss = CrossEntropy()(logits, Target(torch.zeros(shape), torch.zeros(*shape[:-1], 1)))
    loss.backward()
    assert float(loss.detach()) == 0 and torch.isfinite(logits.grad).all()


def test_bfloat16_has_a_finite_gradient() -> None:
    logits, kind = some()
    logits = (logits * 50).bfloat16().requires_grad_()
    CrossEntropy()(logits.float(), Target(F.one_hot(kind, 5).float(), torch.ones(2, 3, 6, 1))).backward()
    assert torch.isfinite(logits.grad).all()


def test_it_says_what_it_cannot_read() -> None:
    logits, kind = some()
    value, weight = F.one_hot(kind, 5).float(), torch.ones(2, 3, 6, 1)
    assert not CrossEntropy().problem(logits, Target(value, weight))
    assert "sum to one" in CrossEntropy().problem(logits, Target(value * 2, weight))
    assert "classes" in CrossEntropy().problem(logits[..., :4], Target(value, weight))
    with pytest.raises(ConfigError):
        CrossEntropy(-1)
