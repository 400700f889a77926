"""Weights of the released CenterNet (multi-pose, Zhou et al. 2019) under this package's names.

The released files are pickles: read one with ``torch.load(file, weights_only=True)["state_dict"]``. What comes out of
here loads with ``strict=True`` into the models of ``conf/architecture/centernet.yaml`` and ``_hourglass104.yaml``
for ``coco_person``; decode with ``codec.convention=released``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from armature.errors import ConfigError
from armature.structures import Skeleton

FORMAT, TITLE, HOW = "centernet", "CenterNet's multi-pose models, DLA-34 and Hourglass-104", ""

#: The released networks see BGR normalised by COCO's statistics; here in the order of RGB.
MEAN = (0.47026115, 0.44719302, 0.40789654)
STD = (0.27809835, 0.27408164, 0.28863828)

_HEADS = {
    "hm": "center",
    "wh": "size",
    "reg": "offset",
    "hps": "joints",
    "hm_hp": "heatmaps",
    "hp_offset": "joint_offset",
}
_ANY_HEAD = "|".join(_HEADS)

#: DLA-34's weights that no output depends on: the classifier, and two projections whose result is overwritten.
_DLA_DEAD = r"base\.fc\.|base\.level[34]\.project\."
_CONV_NORM = {"conv": "0", "bn": "1"}
#: Beginning of a released name -> ours; the first that fits counts.
_DLA = {
    rf"({_ANY_HEAD})\.(\d)\.": lambda m: f"heads.{_HEADS[m[1]]}.{m[2]}.",
    r"base\.": lambda m: "backbone.net.",
    r"dla_up\.ida_(\d)\.(proj|up|node)_(\d)\.": lambda m: f"neck.steps.{m[1]}.{_part(m[2], m[3])}.",
    r"ida_up\.(proj|up|node)_(\d)\.": lambda m: f"neck.last.{_part(m[1], m[2])}.",
}
_DLA_INSIDE = {"conv.conv_offset_mask.": "0.where.", "conv.": "0.", "actf.0.": "1."}

_HOURGLASS = {
    rf"({_ANY_HEAD})\.0\.0\.conv\.": lambda m: f"early_heads.0.{_HEADS[m[1]]}.0.",
    rf"({_ANY_HEAD})\.0\.1\.": lambda m: f"early_heads.0.{_HEADS[m[1]]}.2.",
    rf"({_ANY_HEAD})\.1\.0\.conv\.": lambda m: f"heads.{_HEADS[m[1]]}.0.",
    rf"({_ANY_HEAD})\.1\.1\.": lambda m: f"heads.{_HEADS[m[1]]}.2.",
    r"pre\.0\.(conv|bn)\.": lambda m: f"backbone.stem.0.{_CONV_NORM[m[1]]}.",
    r"pre\.1\.": lambda m: "backbone.stem.1.",
    r"kps\.(\d)\.((?:low2\.)*)": lambda m: f"backbone.stacks.{m[1]}." + m[2].replace("low2", "inner"),
    r"cnvs\.(\d)\.(conv|bn)\.": lambda m: f"backbone.out.{m[1]}.{_CONV_NORM[m[2]]}.",
    r"inters\.": lambda m: "backbone.between.",
    r"inters_\.": lambda m: "backbone.carry_in.",
    r"cnvs_\.": lambda m: "backbone.carry_out.",
}
_HOURGLASS_INSIDE = {"up1.": "skip.", "low1.": "down.", "low3.": "up."}
_DLA_PARTS = {"proj": "project", "up": "up", "node": "merge"}


def variant(tensors: Mapping[str, Tensor], sha256: str) -> list[str]:
    """Overrides of ``armature train`` for the network of these tensors."""
    dla = any(name.removeprefix("module.").startswith("base.") for name in tensors)
    return [
        "experiment=centernet_coco",
        f"architecture={'centernet' if dla else 'centernet_hourglass104'}",
        "model.backbone.pretrained=false" if dla else "expected.value=0.64",
        "codec.convention=released",
        "++data.fill=[0,0,0]",
    ]


def into(
    tensors: Mapping[str, Tensor], sha256: str, model: nn.Module, config: Any, skeleton: Skeleton
) -> dict[str, Tensor]:
    """A state dict that the network of ``variant`` loads with ``strict=True``."""
    return convert(dict(tensors))


def convert(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The state dict of a released multi-pose model, DLA-34 or Hourglass-104, for the model of the same config.

    Names are translated, unused weights left out, the first convolution's channels reversed: images are RGB here.

    Raises:
        ConfigError: a name that neither network has.
    """
    state = {name.removeprefix("module."): value for name, value in state.items()}
    dla = any(name.startswith("base.") for name in state)
    rules, inside, first = (
        (_DLA, _DLA_INSIDE, "base.base_layer.0.weight") if dla else (_HOURGLASS, _HOURGLASS_INSIDE, "pre.0.conv.weight")
    )
    converted = {}
    for name, value in state.items():
        if not re.match(_DLA_DEAD, name):
            converted[_renamed(name, rules, inside)] = value.flip(1) if name == first else value
    return converted


def _renamed(name: str, rules: dict, inside: dict[str, str]) -> str:  # type: ignore[type-arg]
    for pattern, replacement in rules.items():
        found = re.match(pattern, name)
        if found:
            rest = name[found.end() :]
            for old, new in inside.items():
                if rest.startswith(old):
                    rest = new + rest.removeprefix(old)
                    break
            return replacement(found) + rest  # type: ignore[no-any-return]
    raise ConfigError(f"'{name}' is no tensor of the released multi-pose DLA-34 or Hourglass-104")


def _part(kind: str, number: str) -> str:
    return f"{_DLA_PARTS[kind]}.{int(number) - 1}"
