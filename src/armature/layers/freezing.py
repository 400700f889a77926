"""Backbones of which a part stays as it was loaded."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchvision.ops.misc import FrozenBatchNorm2d

from armature.errors import ConfigError


class FrozenNorm(FrozenBatchNorm2d):
    """Batch normalisation whose statistics and affine parameters are buffers: one multiplication and addition."""

    def forward(self, x: Tensor) -> Tensor:
        scale = self.weight * (self.running_var + self.eps).rsqrt()
        shift = self.bias - self.running_mean * scale
        return torch.addcmul(shift.to(x.dtype).view(-1, 1, 1), x, scale.to(x.dtype).view(-1, 1, 1))


def freeze_norms(net: nn.Module) -> None:
    """Replaces every ``BatchNorm2d`` below a module by a ``FrozenNorm`` of the same numbers.

    Raises:
        ConfigError: norms that are joined with an activation, or no batch normalisation at all.
    """
    found = 0
    for parent in list(net.modules()):
        for name, child in list(parent.named_children()):
            if not isinstance(child, nn.BatchNorm2d):
                continue
            if type(child) is not nn.BatchNorm2d:
                raise ConfigError(f"frozen_norms: {type(child).__name__} cannot be frozen; use frozen_norms=false")
            frozen = FrozenNorm(child.num_features, child.eps)
            frozen.load_state_dict(child.state_dict())
            setattr(parent, name, frozen)
            found += 1
    if not found:
        raise ConfigError("frozen_norms: the backbone has no batch normalisation; use frozen_norms=false")


def freeze_levels(backbone: nn.Module, count: int) -> None:
    """Nothing up to the end of the ``count`` finest levels (the stem included) is trained any more.

    Args:
        backbone: a ``layers.backbone.Backbone``. count: 0 leaves all as it is.

    Raises:
        ConfigError: a backbone that does not tell where its levels end.
    """
    if not count:
        return
    net = getattr(backbone, "net", None)
    names = net.feature_info.module_name() if hasattr(net, "feature_info") else []  # type: ignore[union-attr, operator]
    known = {name.replace(".", "_"): name for name, _ in net.named_modules()} if net is not None else {}
    last = known.get(names[count - 1].replace(".", "_")) if count <= len(names) else None
    if net is None or last is None:
        raise ConfigError(
            f"frozen_levels={count}: the backbone has levels {list(names) or 'of unknown modules'}; use frozen_levels=0"
        )
    # Parameters are listed in the order of the forward pass: all up to the last one of that level.
    listed = list(net.named_parameters())
    end = max(i for i, (name, _) in enumerate(listed) if name.startswith(f"{last}."))
    for _, parameter in listed[: end + 1]:
        parameter.requires_grad_(False)
