"""Weights of the network of 2017 as they were released for Caffe and as PyTorch ports hold them, under our names.

Nothing is executed: give a mapping of names to tensors (``torch.load(file, weights_only=True)``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from armature.architectures.openpose.model import OpenPose
from armature.architectures.openpose.parts import Limbs, Parts, make_parts
from armature.errors import ConfigError
from armature.structures import Skeleton

FORMAT, TITLE = "openpose", "OpenPose's COCO network of 2017, as ports to PyTorch hold it"
HOW = "Caffe's own file is not read: convert it to a state dict of PyTorch, or take a port's"

#: The released order of parts (the background follows), under COCO's names and the neck.
PARTS = (
    *("nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist"),
    *("right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle"),
    *("right_eye", "left_eye", "right_ear", "left_ear"),
)
#: The released limbs, first part to second.
LIMBS = (
    *((1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11)),
    *((11, 12), (12, 13), (1, 0), (0, 14), (14, 16), (0, 15), (15, 17), (2, 16), (5, 17)),
)
#: Channel of each limb's x; y follows.
CHANNELS = (12, 20, 14, 16, 22, 24, 0, 2, 4, 6, 8, 10, 28, 30, 34, 32, 36, 18, 26)
#: Where the middle of a field's cell lies beside a heatmap's, in cells: 3.5 px before it, at stride 8.
FIELD_OFFSET = -3.5 / 8
#: Images are x / 256 - 0.5 of bytes.
MEAN, STD = (128 / 255,) * 3, (256 / 255,) * 3

#: (stage, branch): stage 0 is the trunk, branch 1 the fields, 2 the heatmaps.
Place = tuple[int, int]


def variant(tensors: Mapping[str, Tensor], sha256: str) -> list[str]:
    """Overrides of ``armature train`` for the network of these tensors."""
    mean, std = (f"[{','.join(f'{v:.8f}' for v in values)}]" for values in (MEAN, STD))
    return [
        "experiment=openpose_coco",
        "model.trunk.pretrained=false",
        f"model.trunk.mean={mean}",
        f"model.trunk.std={std}",
        f"codec.field_offset={FIELD_OFFSET}",
        "codec.overlap=sum",
        "++data.fill=[128,128,128]",
    ]


def into(
    tensors: Mapping[str, Tensor], sha256: str, model: nn.Module, config: Any, skeleton: Skeleton
) -> dict[str, Tensor]:
    """A state dict that the network of ``variant`` loads with ``strict=True``."""
    return convert(tensors, cast(OpenPose, model), skeleton, config.model.derived, config.model.limbs)


def convert(
    weights: Mapping[str, Tensor],
    model: OpenPose,
    skeleton: Skeleton,
    derived: Mapping[str, Sequence[str]] | None = None,
    limbs: Limbs = None,
) -> dict[str, Tensor]:
    """A state dict for ``model`` (a VGG trunk and ``TwoBranchStages``) with the released weights.

    Names may be Caffe's (``conv1_1``, ``conv4_3_CPM``, ``conv5_1_CPM_L1``, ``Mconv1_stage2_L2``) or those of ports that
    prefix a block (``model0.``, ``model1_1.``, ``model6_2.``), with or without ``module.``. Channels of parts and limbs
    are brought into our order, and the first kernels from BGR to RGB.

    Args:
        derived, limbs: as given to the model; all 18 parts and 19 limbs of the release, in any order.

    Raises:
        ConfigError: layers, shapes, parts or limbs that are not the release's; names the first.
    """
    parts = make_parts(skeleton, derived, limbs)
    heat, fields = _heat_order(parts), _field_order(parts)
    found, own = _layers(weights), _own_layers(model)
    if [len(found.get(p, [])) for p in own] != [len(v) for v in own.values()] or len(found) != len(own):
        sizes = {place: len(layers) for place, layers in sorted(found.items())}
        wanted = {place: len(layers) for place, layers in own.items()}
        raise ConfigError(f"released weights have layers per (stage, branch) {sizes}; this model needs {wanted}")
    converted: dict[str, Tensor] = {}
    for place, names in own.items():
        for i, (name, (kernel, bias)) in enumerate(zip(names, found[place], strict=True)):
            if place[0] == 0 and i == 0:
                kernel = kernel.flip(1)
            if place[0] > 1 and i == 0:
                kernel = _reorder_inputs(kernel, fields, heat)
            if place[0] > 0 and i == len(names) - 1:
                order = fields if place[1] == 1 else heat
                kernel, bias = kernel[order], bias[order]
            converted |= {f"{name}.weight": kernel.clone(), f"{name}.bias": bias.clone()}
    _check(converted, model.state_dict())
    return converted


def _layers(weights: Mapping[str, Tensor]) -> dict[Place, list[tuple[Tensor, Tensor]]]:
    """(kernel, bias) of every place, in the order of the file, which is that of the layers."""
    found: dict[Place, list[tuple[Tensor, Tensor]]] = {}
    for name, kernel in weights.items():
        layer = name.removeprefix("module.")
        if layer.endswith(".weight"):
            bias = weights.get(name.removesuffix("weight") + "bias")
            if bias is None:
                raise ConfigError(f"released weights: '{name}' has no bias")
            found.setdefault(_place(layer), []).append((kernel, bias))
    return found


def _place(layer: str) -> Place:
    if match := re.match(r"model(\d)(?:_(\d))?\.", layer):
        return int(match[1]), int(match[2] or 0)
    if match := re.match(r"Mconv\d_stage(\d)_L(\d)\.", layer):
        return int(match[1]), int(match[2])
    if match := re.match(r"conv5_\d_CPM_L(\d)\.", layer):
        return 1, int(match[1])
    if re.match(r"conv\d_\d(_CPM)?\.", layer):
        return 0, 0
    raise ConfigError(f"released weights: '{layer}' is no layer of the network of 2017")


def _own_layers(model: OpenPose) -> dict[Place, list[str]]:
    """Our names of the convolutions of every place, in order."""
    names = [n for n, m in model.named_modules() if isinstance(m, torch.nn.Conv2d)]
    own: dict[Place, list[str]] = {}
    for name in names:
        match = re.match(r"stages\.(fields|heatmaps)\.(\d+)\.", name)
        place = (int(match[2]) + 1, 1 if match[1] == "fields" else 2) if match else (0, 0)
        own.setdefault(place, []).append(name)
    return own


def _heat_order(parts: Parts) -> list[int]:
    if sorted(parts.names) != sorted(PARTS):
        raise ConfigError(f"released weights know the parts {list(PARTS)}; this model has {list(parts.names)}")
    return [PARTS.index(name) for name in parts.names] + [len(PARTS)]


def _field_order(parts: Parts) -> list[int]:
    known = {(PARTS[a], PARTS[b]): channel for (a, b), channel in zip(LIMBS, CHANNELS, strict=True)}
    named = [(parts.names[a], parts.names[b]) for a, b in parts.limbs]
    if sorted(named) != sorted(known):
        strange = sorted(set(named) ^ set(known))
        raise ConfigError(f"released weights have other limbs (first to second part) than this model: {strange}")
    return [channel for limb in named for channel in (known[limb], known[limb] + 1)]


def _reorder_inputs(kernel: Tensor, fields: list[int], heat: list[int]) -> Tensor:
    """Kernels that see fields, heatmaps and features, in this order."""
    both = [*fields, *(len(fields) + c for c in heat)]
    return kernel[:, [*both, *range(len(both), kernel.shape[1])]]


def _check(converted: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> None:
    for name, value in own.items():
        shape = tuple(converted[name].shape) if name in converted else "nothing"
        if shape != tuple(value.shape):
            raise ConfigError(f"released weights give {shape} for '{name}', which has {tuple(value.shape)}")
