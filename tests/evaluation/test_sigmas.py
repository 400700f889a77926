"""Sigmas that simulated annotators are known to have are found again; a network's residuals bound them from above."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import pytest

from armature.errors import DataError, UserError
from armature.evaluation import oks, sigmas
from armature.evaluation.results import Predictions, Truth

KNOWN = np.array([0.02, 0.05, 0.1])
NAMES = ["nose", "left_wrist", "right_wrist"]


def places(images: int, people: int = 1, seed: int = 0) -> dict[str, Any]:
    """Annotation file of the true places: ``people`` in a row in each image, none near another."""
    rng = np.random.default_rng(seed)
    size = rng.uniform(40, 160, images * people)
    annotations = [
        {
            "id": i + 1,
            "image_id": i // people + 1,
            "category_id": 1,
            "keypoints": [v for xy in 200 * (i % people) + s * rng.random((3, 2)) for v in (*xy.tolist(), 2)],
            "num_keypoints": 3,
            "bbox": [200.0 * (i % people), 200.0 * (i % people), s, s],
            "area": 0.6 * s * s,
            "iscrowd": 0,
        }
        for i, s in enumerate(size.tolist())
    ]
    kind = {"id": 1, "name": "thing", "keypoints": NAMES}
    return {"images": [{"id": i + 1} for i in range(images)], "annotations": annotations, "categories": [kind]}


def annotate(true: dict[str, Any], seed: int, spread: np.ndarray = KNOWN) -> dict[str, Any]:
    """An annotator whose keypoints lie sigma x sqrt(area) off in the root mean square, both axes together."""
    rng = np.random.default_rng(seed)
    data = copy.deepcopy(true)
    for row in data["annotations"]:
        points = np.array(row["keypoints"], float).reshape(3, 3)
        points[:, :2] += rng.normal(size=(3, 2)) * (spread / math.sqrt(2) * math.sqrt(row["area"]))[:, None]
        row["keypoints"] = points.ravel().tolist()
    return data


def twice(images: int, people: int = 1, seed: int = 0) -> tuple[dict[str, Any], dict[str, Any]]:
    true = places(images, people, seed)
    return annotate(true, 1000 + seed), annotate(true, 2000 + seed)


def between(first: dict[str, Any], second: dict[str, Any], **options: Any) -> sigmas.Deviations:
    return sigmas.between(Truth.from_coco(first), Truth.from_coco(second), **options)


@pytest.mark.parametrize("robust", [False, True])
def test_the_annotators_own_sigma_comes_out(robust: bool) -> None:
    found = sigmas.estimate(between(*twice(3000)), robust)
    np.testing.assert_allclose(found.sigmas, KNOWN, rtol=0.04)
    assert (found.low < found.sigmas).all() and (found.sigmas < found.high).all()
    assert found.counts.tolist() == [3000] * 3 and (found.people, found.images) == (3000, 3000)
    assert not found.upper_bound and found.robust is robust


def test_at_a_distance_of_one_sigma_oks_is_what_coco_says() -> None:
    """exp(-1/8) = 0.88 and exp(-4/8) = 0.61: ties sigma here to sigma in OKS."""
    true = places(1)
    for many in (1, 2):
        moved = copy.deepcopy(true)
        points = np.array(moved["annotations"][0]["keypoints"]).reshape(3, 3)
        points[:, 0] += many * KNOWN * math.sqrt(true["annotations"][0]["area"])
        result = {"image_id": 1, "category_id": 1, "keypoints": points.ravel().tolist(), "score": 1.0}
        truth = Truth.from_coco(true)
        pairs = oks.match(truth, Predictions.from_coco([result], truth), KNOWN).pairs
        assert pairs.oks[0] == pytest.approx(math.exp(-(many**2) / 8))


def test_the_mean_is_that_of_a_plain_loop() -> None:
    first, second = twice(20, 3, seed=4)
    second["annotations"][7]["keypoints"][5] = 0
    found = sigmas.estimate(between(first, second))
    for k in range(3):
        values = []
        for a, b in zip(first["annotations"], second["annotations"], strict=True):
            (xa, ya, va), (xb, yb, vb) = a["keypoints"][3 * k : 3 * k + 3], b["keypoints"][3 * k : 3 * k + 3]
            if va > 0 and vb > 0:
                values.append(((xa - xb) ** 2 + (ya - yb) ** 2) / ((a["area"] + b["area"]) / 2))
        assert found.sigmas[k] == pytest.approx(math.sqrt(sum(values) / len(values) / 2), rel=1e-12)
        assert found.counts[k] == len(values) == (59 if k == 1 else 60)


def test_gross_mistakes_move_the_mean_but_hardly_the_median() -> None:
    first, second = twice(2000)
    for row in second["annotations"][:100]:  # left and right exchanged in one of twenty
        k = row["keypoints"]
        k[3:6], k[6:9] = k[6:9], k[3:6]
    plain, robust = (sigmas.estimate(between(first, second), r, resamples=10) for r in (False, True))
    assert plain.sigmas[1] > 1.5 * KNOWN[1]
    np.testing.assert_allclose(robust.sigmas, KNOWN, rtol=0.08)


@pytest.mark.parametrize("robust", [False, True])
def test_intervals_hold_the_known_sigma_about_as_often_as_they_say(robust: bool) -> None:
    held = []
    for seed in range(40):
        found = sigmas.estimate(between(*twice(100, seed=seed)), robust, resamples=200)
        held.append((found.low <= KNOWN) & (found.high >= KNOWN))
    assert 0.87 <= np.mean(held) <= 1.0  # 0.95, less what a bootstrap of a hundred images gives away


def test_people_of_an_image_are_drawn_together() -> None:
    """Deviations that all people of an image share: intervals of whole images are wider than those of single people."""
    true = places(40, 10)
    first, second = copy.deepcopy(true), annotate(true, 1)
    rng = np.random.default_rng(0)
    tired = rng.exponential(1, 41)
    for a, b in zip(true["annotations"], second["annotations"], strict=True):
        mixed = np.array(a["keypoints"]) + tired[b["image_id"]] * (np.array(b["keypoints"]) - a["keypoints"])
        b["keypoints"] = mixed.tolist()
    together = sigmas.estimate(between(first, second))
    for data in (first, second):
        data["images"] = [{"id": i + 1} for i in range(400)]
        for i, row in enumerate(data["annotations"]):
            row["image_id"] = i + 1
    apart = sigmas.estimate(between(first, second))
    np.testing.assert_allclose(together.sigmas, apart.sigmas)
    assert ((together.high - together.low) > 1.3 * (apart.high - apart.low)).all()


def test_people_are_paired_by_their_boxes_in_any_order() -> None:
    first, second = twice(30, 4)
    wanted = sigmas.estimate(between(first, second), resamples=2).sigmas
    second["annotations"].reverse()
    second["images"].reverse()
    np.testing.assert_allclose(sigmas.estimate(between(first, second), resamples=2).sigmas, wanted)


def test_nearer_keypoints_decide_between_equal_boxes() -> None:
    first, second = twice(30, 2)
    for data in (first, second):
        for row in data["annotations"]:
            row["bbox"] = [0, 0, 400, 400]
    second["annotations"].reverse()
    np.testing.assert_allclose(sigmas.estimate(between(first, second), resamples=2).sigmas, KNOWN, rtol=0.3)


def test_who_is_left_out_is_counted() -> None:
    first, second = twice(10, 3)
    first["annotations"][0]["iscrowd"] = 1
    second["annotations"][3]["bbox"] = [900, 900, 10, 10]
    for row in (first["annotations"][5], second["annotations"][5]):
        row["area"] = 0
    second["annotations"][7]["keypoints"] = [*second["annotations"][7]["keypoints"][:3], 0, 0, 0, 0, 0, 0]
    first["annotations"][7]["keypoints"][2] = 0
    del second["images"][9:], second["annotations"][27:]
    found = between(first, second)
    assert found.left_out == {
        "without a partner of IoU >= 0.5": 1,
        "without an area": 1,
        "without a common keypoint": 1,
    }
    assert len(found.squared) == 30 - 1 - 1 - 1 - 1 - 3


def test_a_keypoint_that_nobody_labels_is_not_estimated() -> None:
    first, second = twice(10)
    for row in second["annotations"]:
        row["keypoints"][8] = 0
    for robust in (False, True):
        found = sigmas.estimate(between(first, second), robust, resamples=20)
        assert np.isnan([found.sigmas[2], found.low[2], found.high[2]]).all() and found.counts[2] == 0
        assert np.isfinite(found.sigmas[:2]).all()


def test_annotations_that_do_not_belong_together_are_refused() -> None:
    first, second = twice(3)
    other = copy.deepcopy(second)
    other["categories"][0]["keypoints"] = ["a", "b", "c"]
    with pytest.raises(DataError, match="other keypoints"):
        between(first, other)
    other = copy.deepcopy(second)
    for row in [*other["images"], *other["annotations"]]:
        row["id" if "bbox" not in row else "image_id"] += 100
    with pytest.raises(DataError, match=r"share no image id \(3 and 3 images\)"):
        between(first, other)
    for row in second["annotations"]:
        row["bbox"] = [900, 900, 10, 10]
    with pytest.raises(DataError, match=r"of 3 people annotated 3 without a partner of IoU >= 0\.5"):
        between(first, second)
    with pytest.raises(UserError, match="at least 2 resamples"):
        sigmas.estimate(between(*twice(3)), resamples=0)
    with pytest.raises(UserError, match=r"between 0 and 1; found 95"):
        sigmas.estimate(between(*twice(3)), level=95)


def results_of(data: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"image_id": a["image_id"], "category_id": 1, "keypoints": a["keypoints"], "score": 0.5}
        for a in data["annotations"]
    ]


def test_residuals_are_an_upper_bound_by_the_networks_own_error() -> None:
    true = places(3000)
    truth = Truth.from_coco(annotate(true, 1))
    own = np.array([0.03, 0.03, 0.03])
    predictions = Predictions.from_coco(results_of(annotate(true, 2, own)), truth)
    deviations = sigmas.residuals(truth, predictions, KNOWN, min_oks=0)
    found = sigmas.estimate(deviations, resamples=50)
    assert found.upper_bound and (found.sigmas > KNOWN).all()
    np.testing.assert_allclose(found.sigmas, np.hypot(KNOWN, own), rtol=0.04)


def test_people_whom_nobody_found_have_no_residual() -> None:
    true = places(10, 2)
    truth = Truth.from_coco(true)
    rows = results_of(annotate(true, 2, KNOWN / 4))
    for row in rows[:3]:
        row["keypoints"] = [v + 500 for v in row["keypoints"]]
    predictions = Predictions.from_coco(rows[:-1], truth)
    found = sigmas.residuals(truth, predictions, KNOWN)
    assert len(found.squared) == 16 and found.left_out["without a prediction of OKS >= 0.5"] == 4
    assert len(sigmas.residuals(truth, predictions, KNOWN, min_oks=0).squared) == 19
    with pytest.raises(DataError, match="nobody to estimate sigmas from"):
        sigmas.residuals(truth, Predictions.from_coco(rows[:1], truth), KNOWN)


def test_the_curve_is_the_evaluation_with_other_sigmas() -> None:
    true = places(50)
    truth = Truth.from_coco(true)
    predictions = Predictions.from_coco(results_of(annotate(true, 2, 2 * KNOWN)), truth)
    found = sigmas.curve(truth, predictions, KNOWN, factors=(0.25, 1, 4))
    for factor, ap, ap50 in zip(found["factor"], found["AP"], found["AP50"], strict=True):
        numbers = oks.evaluate(truth, predictions, KNOWN * factor)
        assert (ap, ap50) == (numbers["AP"], numbers["AP50"])
    assert found["AP"] == sorted(found["AP"]) and found["AP"][0] < 0.3 < 0.9 < found["AP"][2]
    assert 1.0 in sigmas.FACTORS and (min(sigmas.FACTORS), max(sigmas.FACTORS)) == (0.25, 4.0)
