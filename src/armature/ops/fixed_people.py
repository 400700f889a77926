"""People in tensors whose shapes do not depend on how many there are: what a network exported as a graph answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
import torch.nn.functional as F
import torchvision
from jaxtyping import Bool, Float, Int
from torch import Tensor

#: Score of a slot that nobody fills.
EMPTY = -1.0


class FixedPeople(NamedTuple):
    """N slots an image, people first, best first; an empty slot scores ``EMPTY``. Canvas px, boxes xyxy."""

    keypoints: Float[Tensor, "B N K 2"]
    keypoint_scores: Float[Tensor, "B N K"]
    boxes: Float[Tensor, "B N 4"]
    scores: Float[Tensor, "B N"]

    def best(self, keep: Bool[Tensor, "B N"], most: int) -> FixedPeople:
        """At most ``most`` slots: those that ``keep`` names, in the order of their scores, then empty ones."""
        scores, order = best_first(self.scores.where(keep, EMPTY), most)
        keypoints, keypoint_scores, boxes = (pick(values, order) for values in self[:3])
        return FixedPeople(keypoints, keypoint_scores, boxes, scores)


def best_first(scores: Float[Tensor, "B n"], most: int) -> tuple[Float[Tensor, "B m"], Int[Tensor, "B m"]]:
    """The ``most`` highest of each row, highest first, and where they stand."""
    found = scores.topk(min(most, scores.shape[1]), dim=1)
    return found.values, found.indices


def pick(values: Float[Tensor, "B n *c"], order: Int[Tensor, "B m"]) -> Float[Tensor, "B m *c"]:
    """The entries of each image that ``order`` numbers."""
    at = order.view(*order.shape, *[1] * (values.ndim - 2)).expand(-1, -1, *values.shape[2:])
    return values.gather(1, at)


def survivors(
    boxes: Float[Tensor, "B n 4"],
    scores: Float[Tensor, "B n"],
    overlap: float,
    group: Int[Tensor, " n"] | None = None,
) -> Bool[Tensor, "B n"]:
    """Which boxes no better one of the same image (and group) overlaps by more than ``overlap`` IoU.

    One greedy suppression for the whole batch: images and groups are moved apart, which costs the last bits of a
    coordinate and nothing else. Boxes that must not count get a score below all others.
    """
    batch, count = scores.shape
    apart = torch.arange(batch, device=boxes.device)[:, None].expand(-1, count)
    if group is not None:
        apart = apart * (group.max() + 1) + group
    low, high = boxes.min(), boxes.max()
    moved = boxes + (apart * (high - low + 1).ceil())[..., None]
    kept = torchvision.ops.nms(moved.flatten(0, 1), scores.flatten(), overlap)
    # Not scores.new_zeros: a mask's own shape must be the batch's, however many boxes survive.
    mask = torch.zeros(batch * count, device=boxes.device).index_fill(0, kept, 1.0)
    return mask.view(batch, count) > 0


def every_peak(
    maps: Float[Tensor, "B C h w"], count: int, floor: float = -torch.inf, window: int = 3
) -> tuple[Float[Tensor, "B C n"], Int[Tensor, "B C n"]]:
    """``ops.peaks.listed_peaks`` with n always ``count`` (or the number of cells); -inf where there are fewer peaks."""
    high = F.max_pool2d(maps, window, stride=1, padding=window // 2)
    peaks = maps.where((maps == high) & (maps >= floor), -torch.inf).flatten(2)
    found = peaks.topk(min(count, peaks.shape[2]), dim=2)
    return found.values, found.indices


def on_some(
    there: Bool[Tensor, " R"], run: Callable[..., Mapping[str, Tensor]], *rows: Float[Tensor, "R *c"]
) -> dict[str, Tensor]:
    """What ``run`` says of the rows (of one tensor or more) that are there, laid out over all R; else nothing of use.

    So that a network's second stage costs as much as there are people, although there are always as many slots.
    """
    found = there.nonzero()[:, 0]
    # The first row always comes along: a tracer cannot tell whether there is anybody, and operators on nothing differ.
    at = torch.cat([found.new_zeros(1), found])
    said = run(*(values[at] for values in rows))
    return {n: v.new_zeros(there.shape[0], *v.shape[1:]).index_put((at,), v) for n, v in said.items()}
