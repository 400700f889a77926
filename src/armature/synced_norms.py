"""Batch normalisation over all processes of a run, on any device and for any layer that is one."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as distributed
from pytorch_lightning.plugins import LayerSync
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce
from torch.nn.modules.batchnorm import SyncBatchNorm, _BatchNorm


class SyncedNorms(LayerSync):
    """Lightning's plugin: every batch normalisation takes its statistics over all processes' batches.

    torch's own layer works on GPUs only, and its conversion drops the activation of timm's combined layers; there
    timm's conversion is used. Elsewhere layers are given another ``forward``, and keep everything else.
    """

    def apply(self, model: nn.Module) -> nn.Module:
        """Synchronises the layers of ``model``, in place on CPUs."""
        if any(parameter.is_cuda for parameter in model.parameters()) or torch.cuda.is_available():
            from timm.layers import convert_sync_batchnorm

            return convert_sync_batchnorm(model)
        for layer in model.modules():
            if isinstance(layer, _BatchNorm) and not isinstance(layer, (SyncBatchNorm, _Synced)):
                own = type(layer)
                layer.__class__ = type(f"Synced{own.__name__}", (_Synced, own), {"own": own})
        return model

    def revert(self, model: nn.Module) -> nn.Module:
        """Layers as they were, on CPUs; on GPUs they stay, which makes no difference to one process."""
        for layer in model.modules():
            if isinstance(layer, _Synced):
                layer.__class__ = layer.own
        return model


class _Synced(nn.Module):
    """Mixed into a batch normalisation: its forward, with the mean and variance of all processes."""

    own: Any

    def forward(self, x: Tensor) -> Tensor:
        layer: Any = self
        if not layer.training or not distributed.is_initialized() or distributed.get_world_size() == 1:
            return layer.own.forward(layer, x)
        found = _normalised(layer, x)
        for name in ("drop", "act"):  # of timm's BatchNormAct2d
            found = getattr(layer, name)(found) if isinstance(getattr(layer, name, None), nn.Module) else found
        return found


def _normalised(layer: Any, x: Tensor) -> Tensor:
    """Ioffe & Szegedy 2015 over the batches of all processes; the gradient crosses processes too."""
    dims, shape = [0, *range(2, x.ndim)], [1, -1, *[1] * (x.ndim - 2)]
    values = x.float()
    count = values.new_tensor([values.numel() / values.shape[1]])
    sums = all_reduce(torch.cat([values.sum(dims), count]))
    mean, total = sums[:-1] / sums[-1], sums[-1].detach()
    centred = values - mean.view(shape)
    variance = all_reduce(centred.square().sum(dims)) / total
    if layer.track_running_stats:
        _keep(layer, mean.detach(), variance.detach() * total / (total - 1).clamp_min(1))
    found = centred * torch.rsqrt(variance + layer.eps).view(shape)
    if layer.affine:
        found = found * layer.weight.view(shape) + layer.bias.view(shape)
    return found.to(x.dtype)


@torch.no_grad()
def _keep(layer: Any, mean: Tensor, variance: Tensor) -> None:
    """The running statistics, as torch keeps them: with the unbiased variance."""
    layer.num_batches_tracked.add_(1)
    share = layer.momentum if layer.momentum is not None else 1 / float(layer.num_batches_tracked)
    layer.running_mean.lerp_(mean, share)
    layer.running_var.lerp_(variance, share)
