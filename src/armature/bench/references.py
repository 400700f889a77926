"""Training steps of implementations that others publish as packages, for comparison of speed only.

Nothing here is used for training. ``ultralytics`` is no dependency of this project (its licence is AGPL-3.0): its row
appears where the one who runs the benchmark has installed it.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable

import torch
from torch import Tensor, nn

from armature.structures import Batch

#: The loss of one batch, with its graph.
Loss = Callable[[], Tensor]


def torchvision_keypoint_rcnn(batch: Batch) -> tuple[nn.Module, Loss]:
    """torchvision's Keypoint R-CNN with ResNet-50, trained as published: frozen norms, stem and first stage frozen."""
    from torchvision.models.detection import KeypointRCNN
    from torchvision.models.detection.backbone_utils import resnet_fpn_backbone

    height, width = batch.images.shape[-2:]
    trunk = resnet_fpn_backbone(backbone_name="resnet50", weights=None, trainable_layers=3)
    model = KeypointRCNN(trunk, 2, min_size=min(height, width), max_size=max(height, width)).train()
    images, targets = list(batch.images), [_target(batch, b) for b in range(len(batch.images))]
    return model, lambda: torch.stack(list(model(images, targets).values())).sum()


def _target(batch: Batch, image: int) -> dict[str, Tensor]:
    people = batch.instances
    there = people.valid[image]
    points = torch.cat([people.keypoints[image], (people.visibility[image] > 0).float()[..., None]], -1)
    labels = torch.ones(int(there.sum()), dtype=torch.int64)
    return {"boxes": people.boxes[image][there], "labels": labels, "keypoints": points[there]}


def ultralytics_yolov8n_pose(batch: Batch) -> tuple[nn.Module, Loss] | None:
    """ultralytics' YOLOv8n-pose with its own losses; None where it is not installed."""
    if importlib.util.find_spec("ultralytics") is None:
        return None
    from ultralytics.cfg import get_cfg  # type: ignore[import-not-found, unused-ignore]
    from ultralytics.nn.tasks import PoseModel  # type: ignore[import-not-found, unused-ignore]

    people = batch.instances
    model = PoseModel("yolov8n-pose.yaml", data_kpt_shape=(people.keypoints.shape[2], 3), verbose=False).train()
    model.args = get_cfg()
    height, width = batch.images.shape[-2:]
    size = torch.tensor([width, height])
    image, _ = people.valid.nonzero().unbind(1)
    boxes, points = people.boxes[people.valid], people.keypoints[people.valid]
    visibility = people.visibility[people.valid].float()[..., None]
    given = {
        "img": batch.images,
        "batch_idx": image.float(),
        "cls": torch.zeros(len(image), 1),
        "bboxes": torch.cat([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]], 1) / size.repeat(2),
        "keypoints": torch.cat([points / size, visibility], -1),
    }
    return model, lambda: model.loss(given)[0].sum()
