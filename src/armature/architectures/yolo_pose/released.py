"""Weights of the reference implementation of YOLOv8-pose under this package's names, and back.

The released files are pickles of a whole program, which are not opened here: opening one runs code. Where you
have that program and its licence suits you, save plain tensors with it first, in an environment of its own::

    python -c "import torch, ultralytics; torch.save({k: v.float() for k, v in
        ultralytics.YOLO('yolov8n-pose.pt').model.state_dict().items()}, 'yolov8n-pose-tensors.pt')"

and then, here::

    armature import-weights format=yolov8 file=yolov8n-pose-tensors.pt

or ``load(model, "yolov8n-pose-tensors.pt")`` for the model of ``conf/architecture/yolo_pose.yaml`` (``_s``, ``_m``,
``_l``, ``_x``) and the skeleton ``coco_person``. Its keypoints are pixel indices: decode with ``codec.shift=0.5``. Save
before fusing: convolutions that have swallowed their normalisation fit nowhere.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from armature.errors import ConfigError
from armature.structures import Skeleton

FORMAT, TITLE = "yolov8", "YOLOv8-pose n, s, m, l and x of the reference implementation"
HOW = (
    "the released files are pickles of a whole program; with that program, in an environment of its own, save "
    "{k: v.float() for k, v in YOLO(file).model.state_dict().items()} by torch.save"
)

#: Output channels of the first convolution -> our config of the size.
_SIZES = {16: "", 32: "_s", 48: "_m", 64: "_l", 80: "_x"}
_STEM = "model.0.conv.weight"

#: Our part -> the number of its layer in the reference's list.
_LAYERS = {
    "backbone.stem": 0,
    **{f"backbone.stages.{i}.{j}": 1 + 2 * i + j for i in range(4) for j in range(2)},
    "backbone.pool": 9,
    "neck.up.0": 12,
    "neck.up.1": 15,
    "neck.down.0": 16,
    "neck.out.0": 18,
    "neck.down.1": 19,
    "neck.out.1": 21,
    "head": 22,
}
#: Inside a layer, ours -> theirs.
_INSIDE = {
    r"^boxes\.": "cv2.",
    r"^scores\.": "cv3.",
    r"^keypoints\.": "cv4.",
    r"^dfl\.": "dfl.conv.",
    r"^(split|reduce)\.": "cv1.",
    r"^(merge|expand)\.": "cv2.",
    r"^blocks\.": "m.",
    r"\.first\.": ".cv1.",
    r"\.second\.": ".cv2.",
    r"\bnorm\.": "bn.",
}


def variant(tensors: Mapping[str, Tensor], sha256: str) -> list[str]:
    """Overrides of ``armature train`` for the network of these tensors.

    Raises:
        ConfigError: no size of this network.
    """
    width = len(tensors[_STEM]) if _STEM in tensors else 0
    if width not in _SIZES:
        raise ConfigError(
            f"'{_STEM}' has {width} channels; YOLOv8-pose has {', '.join(map(str, _SIZES))} (n, s, m, l, x)"
        )
    return [
        "experiment=yolo_pose_coco",
        f"architecture=yolo_pose{_SIZES[width]}",
        # Keypoints are indices of the canvas' own pixels.
        "codec.shift=0.5",
        "~data.mosaic",
        "~average.decay",
    ]


def into(
    tensors: Mapping[str, Tensor], sha256: str, model: nn.Module, config: Any, skeleton: Skeleton
) -> dict[str, Tensor]:
    """A state dict that the network of ``variant`` loads with ``strict=True``."""
    return convert(dict(tensors), model)


def reference_name(name: str) -> str:
    """What the reference calls the weight that is called ``name`` in this package's model."""
    for part, layer in _LAYERS.items():
        if name.startswith(part + "."):
            inside = name[len(part) + 1 :]
            for pattern, theirs in _INSIDE.items():
                inside = re.sub(pattern, theirs, inside)
            return f"model.{layer}.{inside}"
    raise ConfigError(f"'{name}' is no weight of YOLOPose; its parts are {', '.join(_LAYERS)}")


def convert(state: dict[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """A state dict of the reference as one that ``model`` loads with ``strict=True``.

    Raises:
        ConfigError: weights missing, left over or of another shape; names the first of them.
    """
    own = model.state_dict()
    names = {reference_name(name): name for name in own}
    missing, strange = sorted(set(names) - set(state)), sorted(set(state) - set(names))
    if missing or strange:
        fused = "; it was fused: save the weights before" if any(n.endswith(".conv.bias") for n in strange) else ""
        raise ConfigError(
            f"weights of YOLOv8-pose: {len(missing)} missing (first: {missing[:1]}), "
            f"{len(strange)} not of this model (first: {strange[:1]}){fused}"
        )
    for theirs, name in names.items():
        if state[theirs].shape != own[name].shape:
            found, needed = tuple(state[theirs].shape), tuple(own[name].shape)
            raise ConfigError(
                f"weights of YOLOv8-pose: '{theirs}' is {found}, the model needs {needed}: another size or K"
            )
    return {name: state[theirs] for theirs, name in names.items()}


def load(model: nn.Module, file: str | Path) -> None:
    """Puts the weights of a file of plain tensors, named as the reference names them, into the model.

    Raises:
        ConfigError: no such file, one that holds more than tensors, or weights that do not fit.
    """
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, pickle.UnpicklingError) as error:
        how = "expected a state dict of plain tensors; the heading of this module says how to save one"
        raise ConfigError(f"weights {file}: {str(error).splitlines()[0]}; {how} ({__name__})") from error
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise ConfigError(f"weights {file}: expected a state dict of plain tensors; found {type(state).__name__}")
    model.load_state_dict(convert(state, model), strict=True)
