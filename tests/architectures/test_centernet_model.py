"""The small CenterNet's finer maps: by a config key, half the stride, and the codec reads them."""

from __future__ import annotations

import torch

from armature.architectures.protocol import check
from armature.building import build
from armature.configuration import compose


def test_subpixel_halves_the_stride_of_every_map() -> None:
    config = compose("train", ["model.subpixel=2"])
    model, codec, loss = build(config.model).eval(), build(config.codec), build(config.loss)
    with torch.no_grad():
        outputs = model(torch.zeros(1, 3, 64, 96), None)
    assert {tuple(output.shape[-2:]) for output in outputs.values()} == {(32, 48)}
    check(model, codec, loss, len(config.skeleton.keypoints), (64, 96))
