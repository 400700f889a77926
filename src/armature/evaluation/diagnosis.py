"""What lies behind a judgement: errors by kind, the AP that each costs, and whether scores can be believed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from armature.evaluation.calibration import Calibration, calibrate
from armature.evaluation.judge import Judge, Verdict
from armature.evaluation.keypoint_groups import GROUP, keypoint_groups
from armature.evaluation.ratios import Ratios
from armature.evaluation.results import Predictions, Truth
from armature.evaluation.taxonomy import diagnose
from armature.evaluation.taxonomy_impact import impact, impact_by_keypoint
from armature.structures import Skeleton


@dataclass(frozen=True)
class Diagnosis:
    """Errors and calibration of one judgement.

    Attributes:
        errors: ``errors/<kind>`` shares (also by keypoint and group) and ``errors/<AP>_gain/<fix>``, flat.
        shares: the shares as ratios over images, for a bootstrap. calibration: of the scores.
    """

    errors: dict[str, float]
    shares: Ratios
    calibration: Calibration

    def written(self) -> dict[str, Any]:
        """For metrics.json: ``errors``, ``calibration`` (numbers) and ``reliability`` (diagrams)."""
        numbers = self.calibration.numbers()
        return {"errors": self.errors, "calibration": numbers, "reliability": self.calibration.figures()}


def diagnosis(judge: Judge, truth: Truth, predictions: Predictions, verdict: Verdict) -> Diagnosis:
    """The diagnosis of a verdict that this judge gave on this truth and these predictions."""
    truth = truth.with_areas(judge.area)
    found = diagnose(truth, predictions, verdict.matches, judge.sigmas, judge.skeleton.flip)
    groups = {f"{GROUP}{name}": members for name, members in keypoint_groups(judge.skeleton).items()}
    shares = found.ratios(groups)
    made_from = (truth, predictions, verdict.matches, found, judge.sigmas)
    gains = impact(*made_from) | impact_by_keypoint(*made_from, _parts(judge.skeleton))
    calibration = calibrate(truth, predictions, verdict.matches, judge.sigmas)
    return Diagnosis(shares.numbers() | gains, shares, calibration)


def _parts(skeleton: Skeleton) -> dict[str, tuple[int, ...]]:
    """Groups of keypoints (both wrists, ...) and the keypoints that are in none."""
    groups = keypoint_groups(skeleton)
    grouped = {member for members in groups.values() for member in members}
    alone = {name: (i,) for i, name in enumerate(skeleton.keypoints) if i not in grouped}
    return alone | groups
