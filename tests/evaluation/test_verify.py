"""The check against pycocotools that users can ask for."""

from __future__ import annotations

import dataclasses
import math

import pytest

from armature.bench.cases import make_case
from armature.evaluation import verify as verifying
from armature.evaluation.results import Predictions, Truth
from armature.evaluation.verify import Differences, verify
from armature.skeletons import make

SKELETON = make("seven", [f"point_{i}" for i in range(7)])


def data() -> tuple[Truth, Predictions]:
    annotations, results = make_case(15, 40, 23, keypoints=7, seed=3)
    truth = Truth.from_coco(annotations)
    return truth, Predictions.from_coco(results, truth)


def test_equal_data_is_verified_in_silence(capsys: pytest.CaptureFixture[str]) -> None:
    truth, predictions = data()
    truth = dataclasses.replace(truth, ids=truth.ids - 1)  # id 0, which pycocotools alone would get wrong
    differences = verify(truth, predictions, SKELETON)
    assert differences.equal and differences.largest <= verifying.TOLERANCE
    assert str(differences).startswith("verified: pycocotools gives the same ten numbers")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("most", [3, 20])
def test_other_limits_are_verified_too(most: int) -> None:
    assert verify(*data(), SKELETON, max_detections=most).equal


def test_a_difference_is_named() -> None:
    numbers = verify(*data(), SKELETON).ours
    other = Differences(numbers, numbers | {"APm": numbers["APm"] + 1e-6})
    assert not other.equal and other.largest == pytest.approx(1e-6)
    assert str(other).startswith("NOT verified: APm is")
    assert math.isinf(Differences(numbers, numbers | {"AP": math.nan}).largest)
