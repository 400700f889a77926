"""Batch normalisation folded into the convolutions before it: fewer passes over memory when a network only predicts."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from armature.errors import ConfigError

#: Largest difference of any output, as a share of its largest number, that folding may make in float32.
TOLERANCE = 1e-3
#: Side of the noise on which both are compared; a multiple of every stride.
_TRIAL = 128


@torch.no_grad()
def fold(network: nn.Module) -> int:
    """Folds, in place, every plain batch normalisation that directly follows a convolution; how many there were.

    A pair is two neighbours among a module's children, of which the second has as many channels as the first puts out.
    Whether it was right to take neighbours for a sequence is tried on noise.

    Raises:
        ConfigError: the network says something else than before.
    """
    noise = torch.rand(1, 3, _TRIAL, _TRIAL, generator=torch.Generator().manual_seed(1))
    before, folded = _said(network, noise), 0
    for module in list(network.modules()):
        for (first, convolution), (second, norm) in pairwise(list(module.named_children())):
            if _pair(convolution, norm):
                setattr(module, first, fuse_conv_bn_eval(convolution.eval(), norm.eval()))  # type: ignore[type-var, arg-type]
                setattr(module, second, nn.Identity())
                folded += 1
    _compare(before, _said(network, noise))
    return folded


def _pair(convolution: nn.Module, norm: nn.Module) -> bool:
    return (
        type(convolution) is nn.Conv2d
        and type(norm) is nn.BatchNorm2d
        and norm.track_running_stats
        and convolution.out_channels == norm.num_features
    )


def _said(network: nn.Module, noise: torch.Tensor) -> dict[str, Any]:
    parameter = next(network.parameters())
    said: dict[str, Any] = network.eval()(noise.to(parameter))
    return said


def _compare(before: dict[str, Any], after: dict[str, Any]) -> None:
    for name, value in before.items():
        other = after[name]
        alike = isinstance(value, torch.Tensor) and value.shape == other.shape and value.is_floating_point()
        if alike and value.numel():
            off = float((value - other).abs().max() / value.abs().max().clamp(min=1.0))
            if off > TOLERANCE:
                raise ConfigError(f"fold=true changes the output '{name}' by {off:.1e}; predict without it")
