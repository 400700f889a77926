"""One verdict: numbers, card, and warnings about sigmas."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

from armature.bench.cases import make_case
from armature.errors import UserError
from armature.evaluation import oks
from armature.evaluation.judge import Judge
from armature.evaluation.results import Predictions, Truth
from armature.skeletons import DEFAULT_SIGMA, make

NAMES = [f"point_{i}" for i in range(5)]
MEASURED = make("five", NAMES, sigmas=[0.03, 0.04, 0.05, 0.06, 0.07])
UNMEASURED = make("unmeasured", NAMES)


def data(**changes: float) -> tuple[Truth, Predictions]:
    annotations, results = make_case(12, 30, 6, keypoints=5, seed=2)
    annotations["annotations"] = [dict(a, **changes) for a in annotations["annotations"]]
    truth = Truth.from_coco(annotations)
    return truth, Predictions.from_coco(results, truth)


def test_the_ten_numbers_are_those_of_the_evaluator() -> None:
    truth, predictions = data()
    numbers = Judge(MEASURED)(truth, predictions).numbers
    expected = oks.evaluate(truth, predictions, np.array(MEASURED.sigmas))
    assert {name: numbers[name] for name in oks.NUMBERS} == expected
    assert {"PCK@0.05", "PCK@0.1", "PCK@0.2/point_4", "error/mean", "error/median/point_0", "matched"} <= set(numbers)
    assert all(isinstance(value, float) for value in numbers.values())


def test_skeletons_without_sigmas_warn_once_by_name() -> None:
    with pytest.warns(UserWarning, match=f"'unmeasured' has no sigmas: OKS takes {DEFAULT_SIGMA}"):
        judge = Judge(UNMEASURED)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        verdict = judge(*data())
        Judge(MEASURED)
    assert verdict.card["sigmas"] == f"default {DEFAULT_SIGMA} (skeleton 'unmeasured' has none)"


def test_sigmas_can_be_given() -> None:
    truth, predictions = data()
    given = Judge(UNMEASURED, sigmas=MEASURED.sigmas)(truth, predictions)
    assert given.numbers["AP"] == Judge(MEASURED)(truth, predictions).numbers["AP"]
    assert Judge(UNMEASURED, sigmas=0.05)(truth, predictions).card["sigmas"] == "given: 0.05"
    with pytest.raises(UserError, match="sigmas must be 5 numbers > 0 for 'unmeasured'"):
        Judge(UNMEASURED, sigmas=[0.1, 0.2])


def test_the_card_says_how() -> None:
    truth, predictions = data()
    card = Judge(MEASURED, max_detections=7, area="box", protocol={"flip_test": True, "decoder": "x"})(
        truth, predictions, images_predicted=9
    ).card
    assert card["flip_test"] is True and card["decoder"] == "x" and card["nms"] == "not stated"
    assert card["max_detections"] == 7 and card["area"] == "box (truth), keypoints (predictions)"
    assert card["images"] == 12 and card["images_predicted"] == 9 and card["detections"] == 72
    assert card["people"] + card["people_ignored"] == 30 and card["people"] == int((~truth.ignored).sum())
    assert card["evaluator"].startswith("armature.evaluation ")


def test_the_area_changes_similarity() -> None:
    truth, predictions = data(area=1.0)
    assert (
        Judge(MEASURED, area="box")(truth, predictions).numbers["AP"]
        > Judge(MEASURED)(truth, predictions).numbers["AP"]
    )
    with pytest.raises(UserError, match="area 'mask' is unknown"):
        Judge(MEASURED, area="mask")


def test_verifying_follows_the_same_rules() -> None:
    truth, predictions = data()
    judge = Judge(MEASURED, sigmas=0.09, area="box", max_detections=4)
    differences = judge.verify(truth, predictions)
    assert differences.equal
    assert (
        differences.ours["AP"]
        == judge(truth, predictions).numbers["AP"]
        != Judge(MEASURED)(truth, predictions).numbers["AP"]
    )


def test_sizes_without_people_are_not_a_number() -> None:
    numbers = Judge(MEASURED)(*data(area=100.0)).numbers
    assert math.isnan(numbers["APm"]) and math.isnan(numbers["ARl"]) and not math.isnan(numbers["AP"])
