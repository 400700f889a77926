"""Any trained run of this framework as a detector of people: images in, boxes and scores out."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from armature.errors import ConfigError
from armature.restoring import restore


class RunDetector:
    """The people that a trained run finds, as boxes, best first.

    It is no part of the network that asks it: it is not trained, its weights are in no other checkpoint, and its run
    folder must stay where it is.

    Args:
        run: a run folder. checkpoint: ``best``, ``last`` or a file.
        box: what stands for a person: the ``predicted`` box, or the smallest one around its ``keypoints``, which is
            all that a network without a box of its own knows (one that assembles limbs, say).
        min_score: people below it are left out.

    Raises:
        ConfigError: no such run or checkpoint, or another ``box``.
    """

    def __init__(self, run: str, checkpoint: str = "best", box: str = "predicted", min_score: float = 0.05) -> None:
        if box not in ("predicted", "keypoints"):
            raise ConfigError(f"RunDetector: box={box!r}; known are 'predicted' and 'keypoints'")
        self.module = restore(run, checkpoint).module.requires_grad_(False)
        self.box, self.min_score = box, min_score

    @torch.no_grad()
    def __call__(self, images: Float[Tensor, "B 3 H W"]) -> list[tuple[Tensor, Tensor]]:
        """(boxes (N 4) xyxy, canvas px; scores (N)) of every image; images are float in [0, 1]."""
        module = self.module.to(images.device).eval()
        found = []
        for one in module.find(images):
            boxes = one.boxes if self.box == "predicted" else _around(one.keypoints)
            order = one.scores.argsort(descending=True)
            order = order[one.scores[order] >= self.min_score]
            found.append((boxes[order].float(), one.scores[order].float()))
        return found


def _around(points: Float[Tensor, "N K 2"]) -> Float[Tensor, "N 4"]:
    return torch.cat([points.amin(1), points.amax(1)], -1)
