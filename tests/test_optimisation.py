"""Learning rates over a training, against torch's own schedulers where they have the same one."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, LRScheduler, MultiStepLR

from armature import optimisation

STEPS = 40


def rates(make: Callable[[torch.optim.Optimizer], LRScheduler], steps: int = STEPS) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    schedule = make(optimizer)
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return found


def test_cosine_without_warmup_is_torchs() -> None:
    ours = rates(lambda o: optimisation.cosine(o, STEPS, warmup=0, final=0.1))
    assert ours == pytest.approx(rates(lambda o: CosineAnnealingLR(o, STEPS, eta_min=0.01)))


def test_linear_without_warmup_is_torchs() -> None:
    ours = rates(lambda o: optimisation.linear(o, STEPS, warmup=0, final=0.01))
    assert ours == pytest.approx(rates(lambda o: LinearLR(o, 1.0, 0.01, STEPS)))


def test_multistep_is_torchs() -> None:
    ours = rates(lambda o: optimisation.multistep(o, STEPS, milestones=(0.5, 0.75), factor=0.1))
    assert ours == pytest.approx(rates(lambda o: MultiStepLR(o, [20, 30], 0.1)))


@pytest.mark.parametrize("name", ["cosine", "linear", "flat_cosine", "multistep"])
@pytest.mark.parametrize("warmup", [0.25, 10])
def test_a_warmup_rises_in_a_line_to_what_follows(name: str, warmup: float) -> None:
    schedule = getattr(optimisation, name)
    found = rates(lambda o: schedule(o, STEPS, warmup=warmup))
    assert found[0] == pytest.approx(0.1 / 11)
    assert all(later > earlier for earlier, later in itertools.pairwise(found[:10]))
    assert max(found) <= 0.1 and found[10] >= 0.07
    plain = rates(lambda o: optimisation.linear(o, STEPS, warmup=0))
    if name == "linear":  # the line goes on where it would be without a warm-up
        assert found[10:] == pytest.approx(plain[10:])
