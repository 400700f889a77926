"""Each contender judged anew from its predictions, all by one and the same rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from armature.building import build
from armature.comparison.contenders import Contender
from armature.evaluation.diagnosis import Diagnosis, diagnosis
from armature.evaluation.judge import Judge, Verdict
from armature.evaluation.medians import Medians
from armature.evaluation.ratios import Ratios
from armature.evaluation.systems import System

#: What of a run's ``metrics`` an evaluator takes over.
_RULES = ("thresholds", "max_detections", "sigmas", "area")


@dataclass(frozen=True)
class Judged:
    """One contender's judgement, and what a comparison needs of it.

    Attributes:
        system: its metrics under any weighting of the images.
        slices: a row for each slice of the people.
    """

    contender: Contender
    verdict: Verdict
    system: System
    diagnosis: Diagnosis
    slices: list[dict[str, Any]]


def rules(contenders: Sequence[Contender], area: str | None = None) -> Judge:
    """The evaluator that the first run was judged by (thresholds, measures, areas, sigmas), for all of them.

    Args:
        area: of the people for OKS instead of that run's.
    """
    first = next((c for c in contenders if c.config), contenders[0])
    said: Mapping[str, Any] = first.config.get("metrics") or {}
    options = {key: said[key] for key in _RULES if said.get(key) is not None}
    measures = {name: build(node) for name, node in (said.get("measures") or {}).items()}
    options |= {"area": area} if area else {}
    return Judge(first.skeleton, measures=measures, **options)


def judge(contender: Contender, rule: Judge) -> Judged:
    """Everything that one contender's predictions tell."""
    truth, predictions = contender.truth, contender.predictions
    verdict = rule(truth, predictions)
    slices = rule.slices(truth, predictions, verdict)
    found = diagnosis(rule, truth, predictions, verdict)
    judged = truth.with_areas(rule.area)
    system = System(
        contender.name,
        judged,
        verdict.matches,
        Ratios.join([verdict.ratios, found.shares]),
        Medians.pixel_errors(judged, verdict.localisation),
        slices.matches,
    )
    return Judged(contender, verdict, system, found, slices.rows())
