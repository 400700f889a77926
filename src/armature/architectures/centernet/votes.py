"""Where CenterNet's joint heatmaps say that keypoints may be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from armature.ops.votes import Votes, of_maps
from armature.structures import Outputs

if TYPE_CHECKING:
    from armature.architectures.centernet.codec import CenterNetCodec


def votes(codec: CenterNetCodec, outputs: Outputs, canvas: tuple[int, int, int]) -> list[list[Votes]]:
    """Each image's heatmap cells, weighted by their probability; of several stages the last one's."""
    heat = outputs["heatmaps"].float()
    return of_maps((heat[-1] if heat.ndim > 4 else heat).sigmoid(), canvas[2])
