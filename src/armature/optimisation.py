"""Parameter groups, learning-rate schedules and the running average of weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel


def parameter_groups(model: nn.Module) -> list[dict[str, Any]]:
    """Two groups: matrices and kernels, which decay as the optimizer says, and biases and norms, which never do."""
    trained = [p for p in model.parameters() if p.requires_grad]
    decayed, kept = [p for p in trained if p.ndim > 1], [p for p in trained if p.ndim <= 1]
    return [{"params": decayed}, {"params": kept, "weight_decay": 0.0}]


def cosine(optimizer: Optimizer, steps: int, warmup: float = 0.05, final: float = 0.0) -> LambdaLR:
    """Linear warm-up, then half a cosine down to ``final`` (Loshchilov & Hutter 2017, without restarts).

    Args:
        steps: optimizer steps of the whole training.
        warmup: share of them spent rising from 0 (below 1), or a number of steps (1 and above).
        final: factor of the learning rate at the end.
    """
    rise = _warmup_steps(warmup, steps)

    def fall(step: int) -> float:
        progress = min(1.0, max(0.0, (step - rise) / max(1, steps - rise)))
        return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * progress))

    return _warmed(optimizer, rise, fall)


def linear(optimizer: Optimizer, steps: int, warmup: float = 0.05, final: float = 0.0) -> LambdaLR:
    """Linear warm-up, then a straight line from the learning rate at step 0 of the training down to ``final``.

    The line begins before the warm-up ends, as in the reference implementation of YOLOv8: at the end of the warm-up
    it has fallen by that share already.
    """
    rise = _warmup_steps(warmup, steps)
    return _warmed(optimizer, rise, lambda step: final + (1 - final) * (1 - min(1.0, step / max(1, steps))))


def flat_cosine(
    optimizer: Optimizer, steps: int, flat: float = 0.5, warmup: float = 0.05, final: float = 0.05
) -> LambdaLR:
    """Linear warm-up, constant until the share ``flat`` of the training, then half a cosine down to ``final``."""
    rise, turn = _warmup_steps(warmup, steps), round(flat * steps)

    def fall(step: int) -> float:
        progress = min(1.0, max(0.0, (step - turn) / max(1, steps - turn)))
        return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * progress))

    return _warmed(optimizer, rise, fall)


def multistep(
    optimizer: Optimizer,
    steps: int,
    milestones: Sequence[float] = (0.65, 0.87),
    factor: float = 0.1,
    warmup: float = 0.0,
) -> LambdaLR:
    """Linear warm-up, then the learning rate times ``factor`` at each milestone, a share of the training (0 to 1)."""
    turns = [round(m * steps) for m in milestones]
    return _warmed(optimizer, _warmup_steps(warmup, steps), lambda step: factor ** sum(step >= t for t in turns))


def _warmup_steps(warmup: float, steps: int) -> int:
    return round(warmup * steps) if warmup < 1 else round(warmup)


def _warmed(optimizer: Optimizer, rise: int, after: Callable[[int], float]) -> LambdaLR:
    return LambdaLR(optimizer, lambda step: (step + 1) / (rise + 1) * after(step) if step < rise else after(step))


def average(model: nn.Module, decay: float = 0.999) -> AveragedModel:
    """An exponential moving average of a model's weights and buffers, updated once per optimizer step.

    The decay rises as min(decay, (1 + n) / (10 + n)) over n updates, so that a short training is not an average of
    its first, random weights.
    """

    @torch.no_grad()
    def update(averaged: Sequence[Tensor], current: Sequence[Tensor], updates: Tensor | int) -> None:
        n = int(updates)
        share = 1 - min(decay, (1 + n) / (10 + n))
        if torch.is_floating_point(averaged[0]):
            torch._foreach_lerp_(list(averaged), list(current), share)
        else:
            torch._foreach_copy_(list(averaged), list(current))

    averaged = AveragedModel(model, multi_avg_fn=update, use_buffers=True)
    averaged.requires_grad_(False)  # else distributed training waits for gradients that never come
    return averaged
