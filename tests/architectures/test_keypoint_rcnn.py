"""Keypoint R-CNN against torchvision's: the same weights and pictures give the same people and the same losses."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision.models.detection import keypointrcnn_resnet50_fpn

from armature.architectures.keypoint_rcnn.codec import KeypointRCNNCodec
from armature.architectures.keypoint_rcnn.model import KeypointRCNN
from armature.architectures.keypoint_rcnn.released import convert
from armature.building import build
from armature.configuration import compose
from armature.errors import ConfigError
from armature.structures import Batch, Instances

pytestmark = pytest.mark.slow  # networks of the published size

SIZE = (128, 160)


@lru_cache
def reference(proposals: int = 60) -> nn.Module:
    """torchvision's network with random weights, sane activations, and everything sampled that can be."""
    torch.manual_seed(3)
    net = keypointrcnn_resnet50_fpn(
        weights=None, weights_backbone=None, min_size=SIZE[0], max_size=max(SIZE), box_detections_per_img=6,
        rpn_post_nms_top_n_train=proposals, rpn_post_nms_top_n_test=proposals,
        rpn_batch_size_per_image=10**5, box_batch_size_per_image=10**4,
    )  # fmt: skip
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
    with torch.no_grad():
        net.train().backbone(torch.randn(1, 3, *SIZE))  # statistics of normalisation
        net.rpn.head.cls_logits.weight.mul_(30)
        net.rpn.head.bbox_pred.weight.mul_(3)
        net.roi_heads.box_predictor.cls_score.weight.mul_(5)
    return net.eval()


@lru_cache
def ours() -> tuple[KeypointRCNN, KeypointRCNNCodec, Any]:
    """The published config with torchvision's weights and the reference's numbers of samples."""
    numbers = ["model.proposals.after=[60,60]", "model.detection.most=6", "model.sampling.count=10000"]
    overrides = [*numbers, "codec.anchors=100000", "codec.keypoint_score=logit"]
    config = compose("train", ["architecture=keypoint_rcnn", *overrides])
    model = build(config.model)
    model.load_state_dict(convert(reference().state_dict()), strict=True)
    return model.eval(), build(config.codec), build(config.loss)


def image(seed: int = 0, size: tuple[int, int] = SIZE) -> Tensor:
    return torch.rand(3, *size, generator=torch.Generator().manual_seed(seed))


def batch(count: int = 2) -> Batch:
    """Pictures with two people and with one; keypoints inside and outside of boxes, labelled and not."""
    generator = torch.Generator().manual_seed(7)
    boxes = torch.tensor(
        [[[10.0, 12.0, 70.0, 110.0], [60.0, 20.0, 140.0, 120.0]], [[30.0, 5.0, 95.0, 90.0], [0.0] * 4]]
    )
    points = boxes[:, :, None, :2] - 5 + torch.rand(2, 2, 17, 2, generator=generator) * 110
    points[0, 0, 0] = boxes[0, 0, 2:]  # on the far corner
    seen = torch.randint(0, 3, (2, 2, 17), generator=generator)
    valid = torch.tensor([[True, True], [True, False]])
    people = Instances(boxes, points, seen * valid[..., None], torch.ones(2, 2), valid)
    images = torch.stack([image(1), image(2)])
    whole = Batch(
        images, people, torch.zeros(2, *SIZE, dtype=torch.bool), torch.eye(3).expand(2, 3, 3), torch.arange(2)
    )
    return whole


def test_parameters_are_as_many_as_published() -> None:
    assert sum(p.numel() for p in ours()[0].parameters()) == 59_137_258


@pytest.mark.parametrize("size", [SIZE, (128, 150)])
def test_same_weights_and_picture_give_the_same_people(size: tuple[int, int]) -> None:
    model, codec, _ = ours()
    picture = image(size=size)
    with torch.no_grad():
        truth = reference()([picture])[0]
        found = codec.decode(model(picture[None]), (1, *size))[0]
    assert len(found) == len(truth["scores"]) >= 3
    order = truth["scores"].argsort(descending=True)
    torch.testing.assert_close(found.scores, truth["scores"][order], atol=1e-4, rtol=0)
    torch.testing.assert_close(found.boxes, truth["boxes"][order], atol=1e-4, rtol=0)
    torch.testing.assert_close(found.keypoints, truth["keypoints"][order][..., :2], atol=1e-4, rtol=0)
    torch.testing.assert_close(found.keypoint_scores, truth["keypoints_scores"][order], atol=1e-4, rtol=0)


def test_same_weights_and_people_give_the_same_losses() -> None:
    model, codec, loss = ours()
    data = batch()
    targets = [
        {
            "boxes": data.instances.boxes[i][on],
            "labels": torch.ones(int(on.sum()), dtype=torch.long),
            "keypoints": torch.cat([data.instances.keypoints[i][on], data.instances.visibility[i][on, :, None]], -1),
        }
        for i, on in enumerate(data.instances.valid)
    ]
    net = reference()
    net.train()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    with torch.no_grad():
        truth = net(list(data.images), targets)
        outputs = model(data.images, data.instances)
        said = loss(outputs, codec.encode(outputs, data))
    net.eval()
    names = {
        "objectness": "loss_objectness",
        "anchor_deltas": "loss_rpn_box_reg",
        "roi_scores": "loss_classifier",
        "roi_deltas": "loss_box_reg",
        "keypoints": "loss_keypoint",
    }
    for name, theirs in names.items():
        weight = loss.terms[name].weight
        torch.testing.assert_close(
            weight * said[name], truth[theirs], atol=1e-4, rtol=1e-4, msg=lambda m, n=name: f"{n}: {m}"
        )
    torch.testing.assert_close(said["total"], sum(truth.values()), atol=1e-3, rtol=1e-4)


def test_weights_trained_without_epsilon_are_converted() -> None:
    """torchvision's COCO weights: their variances come without the 1e-5."""
    state = {
        "backbone.body.bn1.running_var": torch.tensor([1e-6, 2.0]),
        "backbone.body.bn1.num_batches_tracked": torch.tensor(1),
    }
    converted = convert(state, eps=0.0)
    torch.testing.assert_close(converted["backbone.net.bn1.running_var"] + 1e-5, state["backbone.body.bn1.running_var"])


def test_older_names_are_converted_and_others_refused() -> None:
    old = {"backbone.fpn.inner_blocks.2.weight": torch.zeros(1), "rpn.head.conv.bias": torch.zeros(1)}
    assert set(convert(old)) == {"neck.lateral.2.weight", "proposals.hidden.bias"}
    with pytest.raises(ConfigError, match="mask_head"):
        convert({"roi_heads.mask_head.0.weight": torch.zeros(1)})
