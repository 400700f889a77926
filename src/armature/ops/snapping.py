"""Regressed joints and the peaks of their heatmaps: which peak within a person's box is nearest to the joint.

CenterNet's assignment of joints (Zhou et al. 2019, section 4.2).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float, Int
from torch import Tensor

from armature.ops.fixed_people import every_peak
from armature.ops.peaks import listed_peaks, surely_below

#: Added to squared distances for every unit outside the box.
_FAR = 1e30


def nearest_peak(
    joints: Float[Tensor, "B N K 2"], boxes: Float[Tensor, "B N 4"], peaks: Float[Tensor, "B K P 2"]
) -> tuple[Float[Tensor, "B N K"], Int[Tensor, "B N K"]]:
    """Distance and number of the peak of joint k that is nearest to each person's joint k and within the person's box.

    A huge distance where there is none. Everything in the same unit; the box' border is inside it.

    Args:
        peaks: of each joint, infinite where there are fewer than P.
    """
    # (B K P N): vectorised along the people, the longest axis.
    px, py = (v[..., None] for v in peaks.unbind(-1))
    jx, jy = joints.permute(3, 0, 2, 1).contiguous()[:, :, :, None]
    x1, y1, x2, y2 = boxes.permute(2, 0, 1).contiguous()[:, :, None, None]
    outside = torch.maximum(torch.maximum(x1 - px, px - x2), torch.maximum(y1 - py, py - y2)).clamp_(min=0)
    squared = (jx - px).square_().add_((jy - py).square_()).add_(outside, alpha=_FAR)
    nearest = squared.min(2)
    return nearest.values.sqrt().mT, nearest.indices.mT


def nearest_listed(
    joints: Float[Tensor, "B N K 2"], boxes: Float[Tensor, "B N 4"], peaks: Float[Tensor, "B K P 2"]
) -> tuple[Float[Tensor, "B N K"], Int[Tensor, "B N K"]]:
    """``nearest_peak`` on a CPU, where few pairs of all are worth a look: four times as fast in a crowd.

    An infinite distance where there is none. Elsewhere ``nearest_peak`` itself.
    """
    if joints.device.type != "cpu":
        return nearest_peak(joints, boxes, peaks)
    each = [_nearest(*(v.detach().float().numpy() for v in image)) for image in zip(joints, boxes, peaks, strict=True)]
    distances, numbers = (torch.from_numpy(np.stack(v)) for v in zip(*each, strict=True))
    return distances, numbers


def _nearest(
    joints: npt.NDArray[np.float32], boxes: npt.NDArray[np.float32], peaks: npt.NDArray[np.float32]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """The same of one image."""
    people, count, most = len(joints), *peaks.shape[:2]
    place = np.flatnonzero(np.isfinite(peaks[..., 0]))
    x, y = (peaks[..., axis].reshape(-1)[place] for axis in (0, 1))
    x1, y1, x2, y2 = boxes.T[..., None]
    inside = x >= x1
    for beyond in (x <= x2, y >= y1, y <= y2):
        inside &= beyond
    person, at = np.divmod(np.flatnonzero(inside), max(1, len(place)))
    # One pair after another: person by person, and of each the peaks of its joints in order.
    joint = person * count + place[at] // most
    across, down = (joints[..., axis].reshape(-1)[joint] - v[at] for axis, v in enumerate((x, y)))
    squared = across * across + down * down
    least = np.full(people * count, np.inf, squared.dtype)
    np.minimum.at(least, joint, squared)
    # Backwards, so that of several equally near peaks the first stays.
    best = np.flatnonzero(squared == least[joint])[::-1]
    numbers = np.zeros(people * count, np.int64)
    numbers[joint[best]] = place[at[best]] % most
    return np.sqrt(least).reshape(people, count), numbers.reshape(people, count)


def score_at(maps: Float[Tensor, "B K h w"], joints: Float[Tensor, "B N K 2"]) -> Float[Tensor, "B N K"]:
    """The probability that each joint's own map of logits gives to the cell in which the joint lies; xy in cells."""
    height, width = maps.shape[-2:]
    x, y = joints.floor().long().unbind(-1)
    # Not by gather, which torch.export takes for a promise that there are as many images as in its example.
    image = torch.arange(maps.shape[0], device=maps.device)[:, None, None]
    channel = torch.arange(maps.shape[1], device=maps.device)
    return maps[image, channel, y.clamp(0, height - 1), x.clamp(0, width - 1)].float().sigmoid()


class Search(NamedTuple):
    """How peaks are found, and the nearest of them: ``LISTED`` while people are listed, ``FIXED`` in a graph."""

    peaks: Callable[..., Any]
    nearest: Callable[..., Any]


LISTED, FIXED = Search(listed_peaks, nearest_listed), Search(every_peak, nearest_peak)


@dataclass(frozen=True)
class Snap:
    """Puts regressed joints at peaks of their heatmaps.

    Nearest of those in the box (the paper, section 4.2); the released code takes the nearest of all and then asks
    whether it is in the box.

    Args:
        score: a peak must be above this. reach: and lie within this share of the longer side of the person's box.
        most: peaks considered for each joint.
    """

    score: float
    reach: float
    most: int

    def __call__(
        self,
        heat: Float[Tensor, "B K h w"],
        joints: Float[Tensor, "B N K 2"],
        boxes: Float[Tensor, "B N 4"],
        within: Callable[[Int[Tensor, "B K P"]], Float[Tensor, "B K P 2"]],
        search: Search,
    ) -> tuple[Float[Tensor, "B N K 2"], Float[Tensor, "B N K"]]:
        """Joints, moved where they have a peak; and the score of that peak, or of the cell where the joint lies.

        Args:
            heat: logits. joints, boxes: in cells of it. within: where in and around flat cells their peaks are.
        """
        logits, cells = search.peaks(heat.float(), self.most, surely_below(self.score))
        scores = logits.sigmoid()
        # A weak peak is put outside every box.
        peaks = within(cells).where(scores[..., None] > self.score, torch.inf)
        distance, number = search.nearest(joints, boxes, peaks)
        found = distance <= self.reach * (boxes[..., 2:] - boxes[..., :2]).amax(-1, keepdim=True)
        to = torch.cat([peaks, scores[..., None]], -1).transpose(1, 2)
        to = to.gather(1, number[..., None].expand(-1, -1, -1, 3))
        return torch.where(found[..., None], to[..., :2], joints), torch.where(
            found, to[..., 2], score_at(heat, joints)
        )
