"""The same pictures through the run and through what was exported of it: how far apart are the answers?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from armature.data.geometry import FILL
from armature.evaluation.judge import Judge
from armature.evaluation.results import Predictions, Truth
from armature.exporting.pictures import Tried, canvases
from armature.restoring import Restored
from armature.structures import Poses

#: Images (B 3 H W) -> people of each, canvas px.
Answer = Callable[[Tensor], list[Poses]]
#: Keypoints that are further apart than this are as good as lost: pairing need not tell distances beyond it apart.
_FAR = 1e4


@dataclass(frozen=True)
class Tolerance:
    """What may differ at most.

    Attributes:
        pixels: the largest shift of any keypoint, in the picture's own px. AP: difference of the primary numbers.
        share: people who score below this share of the best one are not asked for their shift: among the many that
            hardly anybody is, the last bit of a score decides who is named.
    """

    pixels: float = 0.5
    AP: float = 0.002
    share: float = 0.1


@dataclass(frozen=True)
class Shift:
    """How far the people of two answers are apart; px of the picture.

    Attributes:
        people: of the run, who were asked. largest, mean: over their keypoints; None where nobody was.
        unpaired: people of either answer who have no counterpart in the other. score: largest difference of scores.
    """

    people: int
    largest: float | None
    mean: float | None
    unpaired: int
    score: float


def shift(reference: Sequence[Poses], found: Sequence[Poses], share: float) -> Shift:
    """People of equal images paired one to one, so that the keypoints that are furthest apart are as close as can be.

    Both answers' confident people are asked: whoever is found only by one side counts as unpaired.
    """
    best = max((float(p.scores.max()) for p in (*reference, *found) if len(p)), default=0.0)
    away: list[np.ndarray[Any, Any]] = []
    people, unpaired, score = 0, 0, 0.0
    for a, b in zip(reference, found, strict=True):
        sure = [int((p.scores >= share * best).sum()) for p in (a, b)]
        people += sure[0]
        for one, other, count in ((a, b, sure[0]), (b, a, sure[1])):
            rows, columns, apart = _paired(_confident(one, share * best), other)
            unpaired += count - len(rows)
            away += list(apart)
            mine = _confident(one, share * best).scores[rows]
            score = max(score, float((mine - other.scores[columns]).abs().max())) if len(rows) else score
    distances = np.concatenate(away) if away else None
    largest, mean = (None, None) if distances is None else (float(distances.max()), float(distances.mean()))
    return Shift(people, largest, mean, unpaired, score)


def compare(restored: Restored, tried: Tried, answers: dict[str, Answer], tolerance: Tolerance, batch: int = 3) -> Any:
    """What gate.json says: for each export its shift and AP beside the run's, and whether that is tolerated.

    Args:
        answers: by the name of what was exported. batch: images at once; the last batch is smaller, so that the free
            dimension of a graph is tried, too.
    """
    judge: Judge = restored.module.metrics.judge  # type: ignore[assignment, union-attr]
    reference = own_answers(restored, tried, batch)
    own = _performance(reference, tried, judge)
    verdicts = {}
    for name, answer in answers.items():
        found = _answers(restored, tried, answer, batch)
        verdicts[name] = _verdict(
            shift(reference, found, tolerance.share), own, _performance(found, tried, judge), tolerance
        )
    return {
        "passed": all(v["passed"] for v in verdicts.values()),
        "pictures": len(tried.pictures),
        "origin": tried.origin,
        "tolerance": asdict(tolerance),
        "exports": verdicts,
    }


def own_answers(restored: Restored, tried: Tried, batch: int = 3) -> list[Poses]:
    """What the run finds in float32, without flip test and multi-scale test; px of the pictures."""
    module = restored.module
    settings = module.flip_test, module.multi_scale
    module.flip_test, module.multi_scale = False, None
    try:
        return _answers(restored, tried, module.find, batch)
    finally:
        module.flip_test, module.multi_scale = settings


def _verdict(moved: Shift, own: float | None, theirs: float | None, tolerance: Tolerance) -> dict[str, Any]:
    difference = None if own is None or theirs is None else theirs - own
    far = moved.largest is not None and moved.largest > tolerance.pixels
    passed = (
        moved.largest is not None
        and not far
        and not moved.unpaired
        and (difference is None or abs(difference) <= tolerance.AP)
    )
    return {
        "passed": passed,
        "shift": asdict(moved),
        "AP": {"run": own, "export": theirs, "difference": difference},
    }


@torch.inference_mode()
def _answers(restored: Restored, tried: Tried, answer: Answer, batch: int) -> list[Poses]:
    """People in px of their pictures."""
    height, width = (int(v) for v in restored.config.data.canvas)
    red, green, blue = (int(v) for v in restored.config.data.get("fill") or FILL)
    found: list[Poses] = []
    for start in range(0, len(tried.pictures), batch):
        seen = canvases(tried.pictures[start : start + batch], (height, width), (red, green, blue))
        found += [p.transform(m) for p, m in zip(answer(seen.images), seen.to_source, strict=True)]
    return found


def _performance(found: list[Poses], tried: Tried, judge: Judge) -> float | None:
    """AP; None without annotations, or where it cannot be said."""
    if tried.records is None:
        return None
    truth = Truth.from_records(tried.records, judge.skeleton)
    ids = [record.image_id for record in tried.records]
    value = judge(truth, Predictions.from_poses(found, ids)).numbers.get("AP")
    return None if value is None or np.isnan(value) else float(value)


def _confident(people: Poses, floor: float) -> Poses:
    keep = people.scores >= floor
    return Poses(people.keypoints[keep], people.keypoint_scores[keep], people.boxes[keep], people.scores[keep])


def _paired(one: Poses, other: Poses) -> tuple[Any, Any, Any]:
    """Indices of pairs, and the distances (P K) of their keypoints."""
    if not len(one) or not len(other):
        return [], [], []
    away = (one.keypoints[:, None] - other.keypoints).norm(dim=-1).clamp(max=_FAR).numpy()
    rows, columns = linear_sum_assignment(away.max(-1))
    return rows, columns, away[rows, columns]
