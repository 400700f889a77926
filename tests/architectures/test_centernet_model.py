"""The small CenterNet's finer maps: by a config key, half the stride, and the codec reads them."""

from __future__ import annotations

import pytest
import torch

from armature.architectures.protocol import check
from armature.building import build
from armature.configuration import compose
from armature.errors import ConfigError


def test_subpixel_halves_the_stride_of_the_joints_own_maps() -> None:
    config = compose("train", ["model.subpixel=2"])
    model, codec, loss = build(config.model).eval(), build(config.codec), build(config.loss)
    with torch.no_grad():
        outputs = model(torch.zeros(1, 3, 64, 96), None)
    fine = {name for name, output in outputs.items() if output.shape[-2:] == (32, 48)}
    assert fine == {"heatmaps", "joint_offset"}
    assert all(output.shape[-2:] == (16, 24) for name, output in outputs.items() if name not in fine)
    check(model, codec, loss, len(config.skeleton.keypoints), (64, 96))


def test_heads_have_widths_of_their_own() -> None:
    widths = {"center": 16, "size": 8, "offset": 8, "joints": 24, "heatmaps": 32, "joint_offset": 4}
    model = build(compose("train", [f"model.head_channels={str(widths).replace(chr(39), '')}"]).model)
    assert {name: head[0].out_channels for name, head in model.heads.items()} == widths
    with pytest.raises(ConfigError, match="one for each of center, size"):
        build(compose("train", ["model.head_channels={center:16,pafs:8}"]).model)
