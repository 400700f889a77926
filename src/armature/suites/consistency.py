"""How far a keypoint lies from itself when the picture is changed and the answer mapped back; no labels are needed.

Of each picture the best people are taken, as many as are annotated (the rule of PCK). A person of the unchanged picture
is paired with the nearest one of the view; who has none within half a person's size is lost. A keypoint that moved
further than ``JUMP`` of the person's size, or whose person is lost, has jumped; the others have moved by so many px.

Letters in shapes: I images, N people found on a picture, K keypoints, L people followed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from armature.evaluation.ratios import Ratios
from armature.structures import Poses, Record
from armature.suites.scenes import View, within

#: Shares of a person's size (the longer side of its keypoints' extent): from here on it is not the same place, and
#: not the same person.
JUMP, LOST = 0.1, 0.5


@dataclass(frozen=True)
class Moves:
    """Keypoints of the unchanged picture and where a view puts them, canvas px.

    Attributes:
        image: (L,). offset: (L, K, 2) view minus unchanged, NaN where the person is lost.
        size: (L,) of the person, px. counted: (L, K) bool, found on the picture and inside the view.
    """

    image: NDArray[np.int64]
    offset: NDArray[np.float64]
    size: NDArray[np.float64]
    counted: NDArray[np.bool_]
    images: int

    @property
    def distance(self) -> NDArray[np.float64]:
        """(L, K) px, NaN for lost people."""
        return np.asarray(np.linalg.norm(self.offset, axis=-1))

    @property
    def steady(self) -> NDArray[np.bool_]:
        """(L, K) keypoints that count and have not jumped."""
        with np.errstate(invalid="ignore"):
            return np.asarray(self.counted & (self.distance <= JUMP * self.size[:, None]))

    def ratios(self, names: Sequence[str]) -> Ratios:
        """``moved`` (px, of those that have not jumped) and ``jumps`` (share), each also ``.../<keypoint>``."""
        steady, counted = self.steady, self.counted
        moved = np.where(steady, np.nan_to_num(self.distance), 0.0)
        columns = {"moved": (moved, steady), "jumps": (counted & ~steady, counted)}
        parts = []
        for kind, (top, bottom) in columns.items():
            named = [kind, *(f"{kind}/{name}" for name in names)]
            sums = [np.column_stack([rows.sum(1), rows]).astype(np.float64) for rows in (top, bottom)]
            parts.append(Ratios.by_image(named, self.image, self.images, *sums))
        return Ratios.join(parts)


def best(found: Poses, record: Record, at_least: int = 1) -> NDArray[np.int64]:
    """Indices of the best people of a picture, as many as are annotated, best first."""
    count = max(at_least, int((~record.crowd).sum()))
    scores = found.scores.detach().float().numpy()
    return np.argsort(-scores, kind="stable")[:count]


def moves(base: Sequence[Poses], seen: Sequence[Poses], records: Sequence[Record], view: View) -> Moves:
    """Everybody followed from the unchanged pictures to a view of them.

    Args:
        base, seen: one for each record, both in px of the unchanged canvas.
    """
    image, offset, size, counted = [], [], [], []
    for number, (before, after, record) in enumerate(zip(base, seen, records, strict=True)):
        a, b = best(before, record), best(after, record)
        points = before.keypoints[a].double().numpy()
        shown = within(np.asarray(points @ view.matrix[:2, :2].T + view.matrix[:2, 2]), record.size)
        there = shown & (before.keypoint_scores[a].numpy() > 0)
        extent = _extent(points, before.keypoint_scores[a].numpy() > 0)
        whole = there.mean(1) >= 0.5 if len(a) else np.zeros(0, bool)
        pairs = _pairs(points[whole], after.keypoints[b].double().numpy(), extent[whole], there[whole])
        image.append(np.full(int(whole.sum()), number))
        offset.append(pairs - points[whole])
        size.append(extent[whole])
        counted.append(there[whole])
    k = base[0].keypoints.shape[1]
    return Moves(
        np.concatenate(image),
        np.concatenate([np.zeros((0, k, 2)), *offset]),
        np.concatenate(size),
        np.concatenate([np.zeros((0, k), bool), *counted]),
        len(records),
    )


def _extent(points: NDArray[np.float64], on: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(N,) longer side of each person's keypoints, at least a pixel."""
    if not len(points):
        return np.zeros(0)
    low = np.where(on[..., None], points, np.inf).min(1)
    high = np.where(on[..., None], points, -np.inf).max(1)
    return np.maximum(np.where(np.isfinite(high - low), high - low, 0.0).max(1), 1.0)


def pairing(
    points: NDArray[np.float64], others: NDArray[np.float64], size: NDArray[np.float64], on: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """(N,) which of the others (M, K, 2) each person (N, K, 2) is, one to one, the nearest pairs first; -1 for none.

    Near is the median over the keypoints that are ``on`` (N, K), as a share of the person's ``size`` (N,).
    """
    found = np.full(len(points), -1)
    if not len(points) or not len(others):
        return found
    away = np.linalg.norm(points[:, None] - others[None], axis=-1)  # (N, M, K)
    away = np.nanmedian(np.where(on[:, None], away, np.nan), axis=-1) / size[:, None]
    for _ in range(min(away.shape)):
        i, j = np.unravel_index(int(np.nanargmin(away)), away.shape)
        if not away[i, j] <= LOST:
            break
        found[i] = j
        away[i], away[:, j] = np.inf, np.inf
    return found


def _pairs(
    points: NDArray[np.float64], others: NDArray[np.float64], size: NDArray[np.float64], on: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """(N, K, 2) where each person is among the others; NaN for the lost."""
    chosen = pairing(points, others, size, on)
    found = np.full_like(points, np.nan)
    found[chosen >= 0] = others[chosen[chosen >= 0]]
    return found
