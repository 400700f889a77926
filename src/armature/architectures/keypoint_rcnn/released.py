"""Weights of torchvision's ``keypointrcnn_resnet50_fpn`` under this network's names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from armature.errors import ConfigError
from armature.structures import Skeleton

FORMAT, TITLE, HOW = "torchvision", "torchvision's keypointrcnn_resnet50_fpn", ""

#: The sha256 of COCO_V1's file begins like its name ends; torchvision adds nothing to its variances.
_WITHOUT_EPS = "fc266e95"

#: Beginnings of torchvision's names and ours, the older form of each (without the ``.0``) included.
_NAMES = (
    (r"backbone\.body\.", "backbone.net."),
    (r"backbone\.fpn\.inner_blocks\.(\d+)\.(?:0\.)?(?=weight|bias)", r"neck.lateral.\1."),
    (r"backbone\.fpn\.layer_blocks\.(\d+)\.(?:0\.)?(?=weight|bias)", r"neck.smooth.\1."),
    (r"rpn\.head\.conv\.(?:0\.0\.)?(?=weight|bias)", "proposals.hidden."),
    (r"rpn\.head\.cls_logits\.", "proposals.objectness."),
    (r"rpn\.head\.bbox_pred\.", "proposals.deltas."),
    (r"roi_heads\.box_head\.fc6\.", "box_head.first."),
    (r"roi_heads\.box_head\.fc7\.", "box_head.second."),
    (r"roi_heads\.box_predictor\.cls_score\.", "box_head.classes."),
    (r"roi_heads\.box_predictor\.bbox_pred\.", "box_head.deltas."),
    (r"roi_heads\.keypoint_head\.", "keypoint_head.layers."),
    (r"roi_heads\.keypoint_predictor\.kps_score_lowres\.", "keypoint_head.up."),
)
#: What our normalisation adds to variances.
_EPS = 1e-5


def variant(tensors: Mapping[str, Tensor], sha256: str) -> list[str]:
    """Overrides of ``armature train`` for the network of these tensors."""
    return [
        "experiment=keypoint_rcnn_coco",
        "model.backbone.pretrained=false",
        # Half a pixel of the picture, which a canvas of 1024 px shows 1.6 times as large where pictures have 640.
        "codec.shift=0.8",
    ]


def into(
    tensors: Mapping[str, Tensor], sha256: str, model: nn.Module, config: Any, skeleton: Skeleton
) -> dict[str, Tensor]:
    """A state dict that the network of ``variant`` loads with ``strict=True``."""
    return convert(tensors, eps=0.0 if sha256.startswith(_WITHOUT_EPS) else _EPS)


def convert(state: Mapping[str, Tensor], eps: float = _EPS) -> dict[str, Tensor]:
    """A state dict for ``architecture=keypoint_rcnn`` (frozen norms, K as in the file) that loads with ``strict=True``.

    Args:
        state: of torchvision's network with ``resnet50`` (or another of its ResNets), frozen norms or not.
        eps: what its normalisation adds to variances: 1e-5, but 0 with the weights ``COCO_V1``, as torchvision does on
            loading them. A difference goes into the variances.

    Raises:
        ConfigError: a name that torchvision's network does not have.
    """
    converted = {}
    for name, value in state.items():
        if name.endswith("num_batches_tracked"):
            continue
        ours = _renamed(name)
        converted[ours] = value + (eps - _EPS) if name.endswith("running_var") else value
    return converted


def _renamed(name: str) -> str:
    for theirs, ours in _NAMES:
        renamed, found = re.subn(f"^{theirs}", ours, name)
        if found:
            return renamed
    raise ConfigError(f"'{name}' is no weight of torchvision's keypointrcnn_resnet50_fpn")
