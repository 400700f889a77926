"""Where somebody may be: the region proposal network (Ren et al. 2015) on every level of a feature pyramid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torchvision.ops import batched_nms

from armature.errors import ConfigError
from armature.ops.anchors import cell_anchors, clipped, from_deltas, grid_anchors
from armature.ops.fixed_people import EMPTY, best_first, pick, survivors

#: Smaller boxes (canvas px) are no proposals.
_SMALLEST = 1e-3


class Regions(NamedTuple):
    """At most R boxes of every image, xyxy in canvas px; ``valid`` says which slots hold one."""

    boxes: Float[Tensor, "B R 4"]
    valid: Bool[Tensor, "B R"]


class Said(NamedTuple):
    """What the network says of each of A anchors; ``counts`` of them stand on each level."""

    objectness: Float[Tensor, "B A"]
    deltas: Float[Tensor, "B A 4"]
    anchors: Float[Tensor, "A 4"]
    counts: list[int]


class ProposalNetwork(nn.Module):
    """Objectness and four deltas of every anchor, and the boxes that come of the best of them.

    Args:
        channels: of all levels. sizes: of the anchors of each level, canvas px. ratios: height / width, on all levels.
        before: of each level so many, the best, go through non-maximum suppression; ``after``: so many of all levels
            are proposed. Both are pairs: while people are given (in training), and otherwise.
        overlap: of two boxes of one level that overlap by more than this IoU the better one is proposed.

    Raises:
        ConfigError: pairs that are none, anchors that are not equally many on all levels.
    """

    def __init__(
        self,
        channels: int,
        sizes: Sequence[Sequence[float]] = ((32,), (64,), (128,), (256,), (512,)),
        ratios: Sequence[float] = (0.5, 1.0, 2.0),
        before: Sequence[int] = (2000, 1000),
        after: Sequence[int] = (2000, 1000),
        overlap: float = 0.7,
    ) -> None:
        super().__init__()
        if len(before) != 2 or len(after) != 2:
            raise ConfigError(f"proposals: before and after are (with people, without); found {before} and {after}")
        if len({len(level) for level in sizes}) != 1:
            raise ConfigError(f"proposals: levels need equally many sizes; found {[list(level) for level in sizes]}")
        self.before, self.after, self.overlap = tuple(before), tuple(after), overlap
        cells = torch.stack([cell_anchors(level, ratios) for level in sizes])
        self.register_buffer("cells", cells, persistent=False)
        self.hidden = nn.Conv2d(channels, channels, 3, padding=1)
        self.objectness = nn.Conv2d(channels, cells.shape[1], 1)
        self.deltas = nn.Conv2d(channels, 4 * cells.shape[1], 1)
        for conv in (self.hidden, self.objectness, self.deltas):
            nn.init.normal_(conv.weight, std=0.01)
            nn.init.zeros_(conv.bias)  # type: ignore[arg-type]

    cells: Tensor

    def forward(self, levels: Sequence[Tensor], canvas: tuple[int, int]) -> Said:
        """Args: levels: of the pyramid. canvas: (H, W) that they were computed from."""
        if len(levels) != len(self.cells):
            raise ConfigError(f"proposals: sizes for {len(self.cells)} levels; the pyramid has {len(levels)}")
        objectness, deltas, anchors = [], [], []
        for cells, level in zip(self.cells, levels, strict=True):
            hidden = self.hidden(level).relu()
            objectness.append(self.objectness(hidden).permute(0, 2, 3, 1).flatten(1).float())
            deltas.append(self.deltas(hidden).permute(0, 2, 3, 1).reshape(level.shape[0], -1, 4).float())
            anchors.append(grid_anchors(cells, (level.shape[-2], level.shape[-1]), canvas))
        counts = [len(a) for a in anchors]
        return Said(torch.cat(objectness, 1), torch.cat(deltas, 1), torch.cat(anchors), counts)

    @torch.no_grad()
    def propose(self, said: Said, canvas: tuple[int, int], taught: bool) -> Regions:
        """The best boxes of every image. taught: whether people are given. canvas: (H, W) that boxes are cut off at."""
        before, after = (pair[0 if taught else 1] for pair in (self.before, self.after))
        best, level = self._best(said, before)
        scores = said.objectness.gather(1, best).sigmoid()
        deltas = said.deltas.gather(1, best[..., None].expand(-1, -1, 4))
        boxes = clipped(from_deltas(deltas, said.anchors[best]), canvas)
        kept = [self._suppressed(*image, level, after) for image in zip(boxes, scores, strict=True)]
        return padded(kept)

    @torch.no_grad()
    def fixed(self, said: Said, canvas: tuple[int, int]) -> Regions:
        """``propose`` without people given, in equally many slots of every image: for exported graphs."""
        best, level = self._best(said, self.before[1])
        deltas = pick(said.deltas, best)
        boxes = clipped(from_deltas(deltas, said.anchors[best]), canvas)
        large = (boxes[..., 2:] - boxes[..., :2] >= _SMALLEST).all(-1)
        scores = said.objectness.gather(1, best).sigmoid().where(large, EMPTY)
        kept = survivors(boxes, scores, self.overlap, level) & large
        scores, order = best_first(scores.where(kept, EMPTY), self.after[1])
        return Regions(pick(boxes, order), scores >= 0)

    def _best(self, said: Said, before: int) -> tuple[Tensor, Tensor]:
        """Anchors of the best objectness on each level (B n), and the levels (n)."""
        best, level, start = [], [], 0
        for i, of_level in enumerate(said.objectness.split(said.counts, 1)):
            top = of_level.topk(min(before, of_level.shape[1]), dim=1).indices
            best.append(top + start)
            level.append(torch.full_like(top[0], i))
            start += of_level.shape[1]
        return torch.cat(best, 1), torch.cat(level)

    def _suppressed(self, boxes: Tensor, scores: Tensor, level: Tensor, after: int) -> Tensor:
        large = (boxes[:, 2:] - boxes[:, :2] >= _SMALLEST).all(1)
        boxes, scores, level = boxes[large], scores[large], level[large]
        return boxes[batched_nms(boxes, scores, level, self.overlap)[:after]]


def padded(boxes: Sequence[Float[Tensor, "n 4"]]) -> Regions:
    """Boxes of every image side by side, as many slots as the fullest image needs, at least one."""
    most = max(1, *(len(b) for b in boxes))
    valid = (
        torch.arange(most, device=boxes[0].device)
        < torch.tensor([len(b) for b in boxes], device=boxes[0].device)[:, None]
    )
    out = boxes[0].new_zeros(len(boxes), most, 4)
    out[valid] = torch.cat(list(boxes))
    return Regions(out, valid)
