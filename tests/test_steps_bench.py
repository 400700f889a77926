"""The comparison of training steps takes real ones, on pictures too small to say anything about speed."""

from __future__ import annotations

import importlib
import math

import pytest
import torch

from armature import assembly
from armature.bench import steps
from armature.bench.pipeline import first_batch
from armature.configuration import compose


def test_every_architecture_with_a_config_of_its_name_is_measured() -> None:
    assert set(steps.published()) >= {"centernet", "keypoint_rcnn", "openpose", "posted", "yolo_pose"}
    assert not any(name.endswith("_tiny") for name in steps.published())


def test_a_step_contains_its_targets() -> None:
    ours = steps.measure("yolo_pose", canvas=64, batch_size=1, rounds=1)[0]
    assert ours.implementation == "armature" and 0 < ours.encode < ours.step


@pytest.mark.long
def test_the_other_package_learns_from_the_same_people_with_the_same_weights() -> None:
    given = ["architecture=keypoint_rcnn", "data.canvas=[128,128]", "data.batch_size=1", "data.workers=0"]
    config = compose("train", given)
    module, data = assembly.assemble(config), assembly.data(config)
    batch = first_batch(module, data)
    reference = importlib.import_module("armature.architectures.keypoint_rcnn.reference")
    theirs, loss = reference.build(module.model, batch)
    windows: list[int] = []
    theirs.roi_heads.keypoint_head.register_forward_pre_hook(lambda _, given: windows.append(len(given[0])))
    assert math.isfinite(float(loss().detach()))
    outputs = module.model.train()(batch.images, batch.instances)
    people = int(batch.instances.valid.sum())
    assert windows[0] >= people and len(outputs["keypoints"]) == windows[0]
    assert torch.equal(module.model.box_head.first.weight, theirs.roi_heads.box_head.fc6.weight)
