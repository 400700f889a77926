"""Feature pyramids of timm networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import timm
import torch
from torch import Tensor, nn

from armature.errors import ConfigError


class Backbone(nn.Module):
    """Feature maps of any timm network that has ``features_only``, finest first.

    Images come in [0, 1]; the network's own mean and standard deviation are applied here, so that no data pipeline
    needs to know them.

    Args:
        name: timm model name. pretrained: download timm's weights.
        strides: which levels to return, in canvas pixels per cell.
        options: further arguments of ``timm.create_model``.

    Attributes:
        channels, strides: of the returned levels.

    Raises:
        ConfigError: unknown name, or a stride that the network does not have.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        name: str,
        pretrained: bool = False,
        strides: Sequence[int] = (4, 8, 16, 32),
        options: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        levels = _levels(name, strides)
        _check_options(options or {})
        self.net = timm.create_model(
            name, pretrained=pretrained, features_only=True, out_indices=levels, **(options or {})
        )
        self.channels: list[int] = list(self.net.feature_info.channels())
        self.strides: list[int] = list(strides)
        statistics = timm.data.resolve_data_config({}, model=self.net)
        self.register_buffer("mean", torch.tensor(statistics["mean"]).view(-1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(statistics["std"]).view(-1, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> list[Tensor]:
        return self.net((images - self.mean) / self.std)


def _check_options(options: Mapping[str, Any]) -> None:
    """timm's own ways to read weights from anywhere are not for configs, which may come from a stranger."""
    strange = [option for option in options if option.startswith(("checkpoint", "pretrained"))]
    if strange:
        raise ConfigError(
            f"backbone options: '{strange[0]}' reads weights from a file or address; pretrained=true takes timm's own, "
            "init=RUN those of a run"
        )


def _levels(name: str, strides: Sequence[int]) -> list[int]:
    if name not in timm.list_models():
        near = timm.list_models(f"*{name.split('_')[0]}*")[:8]
        raise ConfigError(f"backbone name '{name}' is no timm model; near: {near or 'none'}; all: timm.list_models()")
    with torch.device("meta"):
        probe = timm.create_model(name, features_only=True)
    found = list(probe.feature_info.reduction())
    missing = [s for s in strides if s not in found]
    if missing:
        raise ConfigError(
            f"backbone '{name}' has feature strides {found}; asked for {list(strides)}, missing {missing}"
        )
    return [probe.feature_info.out_indices[found.index(s)] for s in strides]
