"""Large pictures in overlapping pieces, and one answer made of theirs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from armature.data.geometry import Size, letterbox, map_points
from armature.errors import ConfigError
from armature.predicting.views import View
from armature.structures import Poses

#: Share of the smaller of two boxes that the other may cover before they are one person seen twice; the same of people
#: whom a rim cuts; and of their union.
SMALLER, SMALLER_CUT, UNION = 0.7, 0.4, 0.5
#: Pixels of a tile's rim: a box that ends there was cut off.
_RIM = 2.0


@dataclass(frozen=True)
class Tiles:
    """A grid of overlapping tiles, each filling the canvas, and the whole picture for those larger than a tile.

    A picture that is no larger than a tile is looked at once, as without tiles.

    Attributes:
        canvas: (H, W). scale: canvas px a picture px within tiles; 1 looks at the picture's own resolution.
        overlap: smallest share of a tile that the next one sees too: people up to that size are whole in one of them.
        whole: also look at the whole picture.

    Raises:
        ConfigError: an overlap outside [0, 0.9], or a scale that is not above 0.
    """

    canvas: Size
    scale: float = 1.0
    overlap: float = 0.25
    whole: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.overlap <= 0.9 or not self.scale > 0:
            raise ConfigError(f"tiles: overlap={self.overlap} must be in [0, 0.9] and scale={self.scale} above 0")

    def __call__(self, size: Size) -> list[View]:
        whole = View(self.canvas, letterbox(size, self.canvas))
        if whole.matrix[0, 0] >= self.scale:
            return [whole]
        tile = tuple(side / self.scale for side in self.canvas)
        rows, columns = (_starts(side, piece, self.overlap) for side, piece in zip(size, tile, strict=True))
        places = [(y, x) for y in rows for x in columns]
        s = self.scale
        tiles = [View(self.canvas, np.array([[s, 0, -s * x], [0, s, -s * y], [0, 0, 1.0]])) for y, x in places]
        return [whole, *tiles] if self.whole else tiles


def _starts(side: float, tile: float, overlap: float) -> list[float]:
    """Where tiles begin so that they cover a side evenly; one in the middle where one is enough."""
    if tile >= side:
        return [(side - tile) / 2]
    count = math.ceil((side - tile) / (tile * (1 - overlap))) + 1
    return np.linspace(0, side - tile, count).tolist()


def merge(seen: Sequence[tuple[View, Poses]], size: Size) -> Poses:
    """One person for everybody who was seen in several views; poses are in the picture's pixels.

    Whole people go before those that a tile's rim cuts, then better scores. A person goes where one from another view,
    kept already, covers them. What one view says twice stays: its own codec has decided that.
    """
    if len(seen) == 1:
        return seen[0][1]
    people = [poses for _, poses in seen]
    view = torch.cat([torch.full((len(poses),), i) for i, poses in enumerate(people)])
    boxes, scores = torch.cat([p.boxes for p in people]), torch.cat([p.scores for p in people])
    cut = torch.cat([_cut(poses.boxes, v, size) for v, poses in seen])
    order = np.lexsort((-scores.cpu().numpy(), cut.cpu().numpy()))
    covered = _covered(boxes.float(), cut).cpu().numpy() & (view[:, None] != view[None]).numpy()
    kept: list[int] = []
    for i in order.tolist():
        if not covered[i, kept].any():
            kept.append(i)
    index = torch.as_tensor(kept, dtype=torch.long, device=scores.device)
    fields = ("keypoints", "keypoint_scores", "boxes", "scores")
    return replace(people[0], **{name: torch.cat([getattr(p, name) for p in people])[index] for name in fields})


def _cut(boxes: Float[Tensor, "N 4"], view: View, size: Size) -> Bool[Tensor, " N"]:
    """Boxes that end at the view's rim where the picture does not."""
    corners = np.array([[0.0, 0.0], [view.canvas[1], view.canvas[0]]])
    (left, top), (right, bottom) = map_points(corners, np.asarray(np.linalg.inv(view.matrix), np.float64)).tolist()
    rim = _RIM / float(view.matrix[0, 0])
    x1, y1, x2, y2 = boxes.unbind(-1)
    sides = [
        (x1 < left + rim) & (left > rim),
        (y1 < top + rim) & (top > rim),
        (x2 > right - rim) & (right < size[1] - rim),
        (y2 > bottom - rim) & (bottom < size[0] - rim),
    ]
    return torch.stack(sides).any(0)


def _covered(boxes: Float[Tensor, "N 4"], cut: Bool[Tensor, " N"]) -> Bool[Tensor, "N N"]:
    """Whether the first, who may be cut, is the second."""
    low = torch.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = torch.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    shared = (high - low).clamp(min=0).prod(-1)
    areas = (boxes[:, 2:] - boxes[:, :2]).clamp(min=1e-6).prod(-1)
    smaller = torch.minimum(areas[:, None], areas[None])
    union = areas[:, None] + areas[None] - shared
    least = torch.where(cut, SMALLER_CUT, SMALLER)[:, None]
    return (shared > least * smaller) | (shared > UNION * union)
