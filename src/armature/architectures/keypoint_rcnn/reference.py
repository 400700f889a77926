"""torchvision's training step of the same network, for comparison of speed only."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from armature.architectures.keypoint_rcnn.released import convert
from armature.structures import Batch

#: The package.
NAME = "torchvision"


def build(model: nn.Module, batch: Batch) -> tuple[nn.Module, Callable[[], Tensor]]:
    """torchvision's Keypoint R-CNN with ResNet-50, trained as published: frozen norms, stem and first stage frozen.

    Its weights go into ``model``: how many regions are somebody's, and so how much the keypoint head has to do, depends
    on what the proposal network says.
    """
    from torchvision.models.detection import KeypointRCNN
    from torchvision.models.detection.backbone_utils import resnet_fpn_backbone

    height, width = batch.images.shape[-2:]
    trunk = resnet_fpn_backbone(backbone_name="resnet50", weights=None, trainable_layers=3)
    for name, norm in trunk.body.named_modules():
        if name.endswith("bn3"):  # frozen norms tame no random kernels: activations would grow block by block
            norm.weight.zero_()
    theirs = KeypointRCNN(trunk, 2, min_size=min(height, width), max_size=max(height, width)).train()
    model.load_state_dict(convert(theirs.state_dict()))
    images, targets = list(batch.images), [_target(batch, b) for b in range(len(batch.images))]
    return theirs, lambda: torch.stack(list(theirs(images, targets).values())).sum()


def _target(batch: Batch, image: int) -> dict[str, Tensor]:
    people = batch.instances
    there = people.valid[image]
    points = torch.cat([people.keypoints[image], (people.visibility[image] > 0).float()[..., None]], -1)
    labels = torch.ones(int(there.sum()), dtype=torch.int64)
    return {"boxes": people.boxes[image][there], "labels": labels, "keypoints": points[there]}
