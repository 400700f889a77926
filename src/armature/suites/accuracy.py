"""What a view costs against the labels: the ten OKS numbers, PCK and pixel errors of each view, under every draw."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from armature.evaluation.judge import Judge
from armature.evaluation.resampled_oks import Judged
from armature.evaluation.results import Predictions, Truth
from armature.evaluation.systems import Outputs
from armature.structures import Poses, Record, Skeleton
from armature.suites.drawn import Draws, Values

#: What is followed over the strengths of a change.
NAMES = ("AP", "PCK@0.1", "error/mean")


def judge_of(skeleton: Skeleton) -> Judge:
    """The project's evaluator; that a skeleton has no sigmas is said once, by the run's own evaluation."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Judge(skeleton, thresholds=(0.1,))


def accuracy(
    found: Sequence[Poses], records: Sequence[Record], judge: Judge, draws: Draws, names: Sequence[str] = NAMES
) -> dict[str, Values]:
    """Each named number, (1 + R + J,) under the draws; NaN where there is nobody to judge.

    Args:
        found: one for each record, canvas px. records: canvas px; their order is that of the draws' columns.
    """
    ids = [record.image_id for record in records]
    truth = Truth.from_records(records, judge.skeleton)
    order = sorted(range(len(ids)), key=lambda i: ids[i])
    verdict = judge(truth, Predictions.from_poses(found, ids))
    outputs = Outputs(oks=Judged.of(verdict.matches), ratios=verdict.ratios)
    values = outputs.under(draws.counts[:, order], names)
    return dict(zip(names, values.T, strict=True))


def usable(records: Sequence[Record]) -> bool:
    """Whether anybody is labelled at all."""
    return any(bool(((r.visibility > 0).any(1) & ~r.crowd).any()) for r in records)
