"""ultralytics' training step of the same network, for comparison of speed only.

The package is no dependency of this project (its licence is AGPL-3.0): it is measured where the one who runs the
benchmark has installed it.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable

import torch
from torch import Tensor, nn

from armature.structures import Batch

#: The package.
NAME = "ultralytics"


def build(model: nn.Module, batch: Batch) -> tuple[nn.Module, Callable[[], Tensor]] | None:
    """ultralytics' YOLOv8n-pose with its own losses; None where it is not installed. ``model`` is left as it is."""
    if importlib.util.find_spec("ultralytics") is None:
        return None
    from ultralytics.cfg import get_cfg  # type: ignore[import-not-found, unused-ignore]
    from ultralytics.nn.tasks import PoseModel  # type: ignore[import-not-found, unused-ignore]

    people = batch.instances
    theirs = PoseModel("yolov8n-pose.yaml", data_kpt_shape=(people.keypoints.shape[2], 3), verbose=False).train()
    theirs.args = get_cfg()
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
    return theirs, lambda: theirs.loss(given)[0].sum()
