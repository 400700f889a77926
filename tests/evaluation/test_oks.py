"""The evaluator beside pycocotools, on random data and on data made to go wrong."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import pytest

from armature.bench.cases import make_case
from armature.errors import UserError
from armature.evaluation import oks, verify
from armature.evaluation.results import Predictions, Truth

TOLERANCE = 1e-9


def sigmas_of(count: int) -> np.ndarray:
    return np.random.default_rng(count).uniform(0.02, 0.11, count)


def both(
    truth: dict[str, Any], results: list[dict[str, Any]], sigmas: np.ndarray, most: int = 20
) -> tuple[dict[str, float], dict[str, float]]:
    """Our ten numbers and those of pycocotools from the very same dictionaries, which this package did not write."""
    annotated = Truth.from_coco(truth)
    ours = oks.evaluate(annotated, Predictions.from_coco(results, annotated), sigmas, most)
    judge = verify.prepare(copy.deepcopy(truth), copy.deepcopy(results), sigmas, most)
    judge.evaluate()
    judge.accumulate()
    return ours, verify.numbers(judge)


def assert_equal(truth: dict[str, Any], results: list[dict[str, Any]], sigmas: np.ndarray, most: int = 20) -> dict:
    ours, reference = both(truth, results, sigmas, most)
    for name in oks.NUMBERS:
        assert math.isnan(ours[name]) == math.isnan(reference[name]), name
        assert math.isnan(ours[name]) or abs(ours[name] - reference[name]) < TOLERANCE, name
    return ours


def person(
    number: int, image: int, points: np.ndarray, v: Any = 2, area: float = 5000.0, **more: Any
) -> dict[str, Any]:
    """One annotation around (K, 2) points."""
    visibility = np.broadcast_to(np.asarray(v), len(points))
    low, high = points.min(0), points.max(0)
    triples = np.concatenate([points, visibility[:, None]], 1)
    return {
        "id": number,
        "image_id": image,
        "category_id": 1,
        "keypoints": triples.ravel().tolist(),
        "num_keypoints": int((visibility > 0).sum()),
        "bbox": [*low.tolist(), *(high - low).tolist()],
        "area": area,
        "iscrowd": 0,
    } | more


def result(image: int, points: np.ndarray, score: float) -> dict[str, Any]:
    triples = np.concatenate([points, np.full((len(points), 1), 0.5)], 1)
    return {"image_id": image, "category_id": 1, "keypoints": triples.ravel().tolist(), "score": score}


def scene(images: int, people: list[dict[str, Any]], count: int) -> dict[str, Any]:
    kind = {"id": 1, "name": "thing", "keypoints": [f"k{i}" for i in range(count)]}
    pictures = [{"id": i + 1, "file_name": "", "height": 480, "width": 640} for i in range(images)]
    return {"images": pictures, "annotations": people, "categories": [kind]}


@pytest.mark.parametrize("count", [1, 4, 14, 17, 68])
@pytest.mark.parametrize("seed", range(3))
def test_random_data_gives_what_pycocotools_gives(count: int, seed: int) -> None:
    truth, results = make_case(40, 90, 24, keypoints=count, crowds=0.1, seed=seed)
    ours = assert_equal(truth, results, sigmas_of(count))
    assert 0 < ours["AP"] < 1


@pytest.mark.parametrize("seed", range(4))
def test_ties_in_score_keep_the_order_of_the_file(seed: int) -> None:
    truth, results = make_case(30, 60, 25, seed=seed)
    for row in results:
        row["score"] = round(row["score"], 1)
    np.random.default_rng(seed).shuffle(results)
    assert_equal(truth, results, sigmas_of(17))


@pytest.mark.parametrize("seed", range(4))
def test_duplicated_people_and_detections(seed: int) -> None:
    """Equal OKS with several people: the last of them is taken, ignored ones only after the others."""
    truth, results = make_case(15, 20, 6, unlabelled=0.0, crowds=0.4, seed=seed)
    copies = [dict(a, id=1000 + a["id"], iscrowd=1 - a["iscrowd"]) for a in truth["annotations"]]
    truth["annotations"] = [x for pair in zip(truth["annotations"], copies, strict=True) for x in pair] + [
        dict(a, id=5000 + a["id"]) for a in truth["annotations"]
    ]
    assert_equal(truth, results * 3, sigmas_of(17))


@pytest.mark.parametrize("most", [1, 5, 20])
def test_detections_beyond_the_limit_are_dropped(most: int) -> None:
    truth, results = make_case(20, 40, 45, seed=5)
    assert_equal(truth, results, sigmas_of(17), most)


def test_areas_on_the_edges_belong_to_both_sizes() -> None:
    rng = np.random.default_rng(0)
    edges = [32.0**2, 96.0**2, np.nextafter(32.0**2, 0), np.nextafter(96.0**2, 1e9), 31.0**2, 200.0**2]
    people, results = [], []
    for i, area in enumerate(edges):
        points = np.round(rng.uniform(0, 300, (4, 2)))
        people.append(person(i + 1, i + 1, points, area=area))
        results += [result(i + 1, points + rng.normal(0, s, (4, 2)), rng.random()) for s in (1.0, 5.0)]
        # unmatched, with an extent exactly on an edge
        side = np.sqrt(edges[i % 2])
        corners = np.array([[0.0, 0.0], [side, 0.0], [0.0, side], [side, side]])
        results.append(result(i + 1, corners, rng.random()))
    assert_equal(scene(len(edges), people, 4), results, sigmas_of(4))


def test_people_without_keypoints_and_crowds_swallow_detections() -> None:
    rng = np.random.default_rng(1)
    people, results = [], []
    for image in range(1, 9):
        points = np.round(rng.uniform(100, 300, (17, 2)))
        kinds = [{"v": 0}, {"iscrowd": 1}, {"v": 0, "iscrowd": 1}, {"num_keypoints": 0}]
        people.append(person(2 * image, image, points, **kinds[image % 4]))
        people.append(person(2 * image + 1, image, points + 60))
        results += [result(image, points + rng.normal(0, 4, (17, 2)), rng.random()) for _ in range(4)]
        results += [result(image, points + 60 + rng.normal(0, 4, (17, 2)), rng.random()) for _ in range(2)]
    ours = assert_equal(scene(10, people, 17), results, sigmas_of(17))
    assert ours["AR"] > 0.5


def test_images_with_only_people_or_only_detections() -> None:
    rng = np.random.default_rng(2)
    points = np.round(rng.uniform(0, 300, (17, 2)))
    people = [person(1, 1, points), person(2, 2, points)]
    results = [result(1, points + 1, 0.4), result(3, points, 0.9), result(3, points, 0.3)]
    ours = assert_equal(scene(4, people, 17), results, sigmas_of(17))
    assert ours["AR"] == pytest.approx(0.5)


@pytest.mark.parametrize("people", [0, 1])
def test_nobody_to_find_is_not_a_number(people: int) -> None:
    """pycocotools says -1; a person in one size leaves the other size without ground truth."""
    points = np.random.default_rng(3).uniform(0, 300, (17, 2)).round()
    truth = scene(2, [person(1, 1, points, area=5000.0)][:people], 17)
    ours = assert_equal(truth, [result(1, points, 0.9)], sigmas_of(17))
    assert math.isnan(ours["APl"])
    assert math.isnan(ours["AP"]) == (people == 0)
    assert people == 0 or [ours["AP"], ours["APm"], ours["AR"]] == pytest.approx([1, 1, 1])


def test_no_detection_at_all_is_zero() -> None:
    truth = Truth.from_coco(make_case(5, 10, 1)[0])
    numbers = oks.evaluate(truth, Predictions.from_coco([], truth), sigmas_of(17))
    assert numbers["AP"] == numbers["AR"] == 0.0
    assert verify.reference(truth, Predictions.from_coco([], truth), sigmas_of(17))["AP"] == 0.0


def test_results_with_boxes_take_their_areas_from_them() -> None:
    truth, results = make_case(25, 50, 8, seed=8)
    rng = np.random.default_rng(8)
    for row in results:
        row["bbox"] = [0.0, 0.0, *rng.uniform(10, 200, 2).round(1).tolist()]
    without = [{k: v for k, v in row.items() if k != "bbox"} for row in results]
    assert assert_equal(truth, results, sigmas_of(17))["APm"] != assert_equal(truth, without, sigmas_of(17))["APm"]


def test_annotation_id_zero_counts_here_and_not_in_pycocotools() -> None:
    """pycocotools marks matches by the annotation's id and takes 0 for "none": a hit becomes a false alarm."""
    points = np.random.default_rng(4).uniform(0, 300, (17, 2)).round()
    for number, reference_ap in ((1, 1.0), (0, 0.0)):
        ours, reference = both(scene(1, [person(number, 1, points)], 17), [result(1, points, 0.9)], sigmas_of(17))
        assert ours["AP"] == pytest.approx(1.0)
        assert reference["AP"] == pytest.approx(reference_ap)


def test_found_people_are_those_of_pycocotools() -> None:
    truth, results = make_case(30, 70, 12, crowds=0.2, seed=6)
    annotated = Truth.from_coco(truth)
    matches = oks.match(annotated, Predictions.from_coco(results, annotated), sigmas_of(17))
    judge = verify.prepare(copy.deepcopy(truth), copy.deepcopy(results), sigmas_of(17), 20)
    judge.evaluate()
    for size, name in enumerate(oks.SIZES):
        images = [e for e in judge.evalImgs[size * 30 : (size + 1) * 30] if e is not None]
        for t in (0, 5, 9):
            found = matches.found(oks.THRESHOLDS[t], name)
            expected = np.concatenate([e["dtMatches"][t] for e in images])
            np.testing.assert_array_equal(np.where(found < 0, 0, annotated.ids[found]), expected)
            ignored = np.concatenate([e["dtIgnore"][t] for e in images])
            np.testing.assert_array_equal((matches.ignored[size] >> t) & 1, ignored)


def test_weights_count_images_as_copies_of_them_would() -> None:
    truth, results = make_case(12, 30, 5, seed=7)
    annotated = Truth.from_coco(truth)
    matches = oks.match(annotated, Predictions.from_coco(results, annotated), sigmas_of(17))
    assert oks.accumulate(matches, np.ones(12)).numbers() == pytest.approx(oks.accumulate(matches).numbers(), abs=1e-15)
    weights = np.random.default_rng(0).integers(0, 4, 12)
    copies: dict[str, Any] = {"images": [], "annotations": [], "categories": truth["categories"]}
    copied = []
    for old, new in enumerate(np.repeat(np.arange(12), weights), start=1):
        copies["images"].append(dict(truth["images"][new], id=old))
        mine = [a for a in truth["annotations"] if a["image_id"] == new + 1]
        copies["annotations"] += [dict(a, image_id=old, id=100 * old + i) for i, a in enumerate(mine)]
        copied += [dict(r, image_id=old) for r in results if r["image_id"] == new + 1]
    expected = both(copies, copied, sigmas_of(17))[1]
    assert oks.accumulate(matches, weights).numbers() == pytest.approx(expected, abs=1e-12, nan_ok=True)


def test_weights_of_another_length_are_refused() -> None:
    truth, results = make_case(4, 8, 2)
    annotated = Truth.from_coco(truth)
    matches = oks.match(annotated, Predictions.from_coco(results, annotated), sigmas_of(17))
    with pytest.raises(UserError, match="4 images"):
        oks.accumulate(matches, np.ones(3))


def test_sigmas_of_another_length_are_refused() -> None:
    truth, results = make_case(4, 8, 2)
    annotated = Truth.from_coco(truth)
    with pytest.raises(UserError, match="14 sigmas for 17 keypoints"):
        oks.evaluate(annotated, Predictions.from_coco(results, annotated), sigmas_of(14))


def test_similarity_of_one_pair_is_the_formula() -> None:
    points = np.array([[10.0, 20.0], [30.0, 40.0], [50.0, 60.0]])
    truth = Truth.from_coco(scene(1, [person(1, 1, points, v=[2, 0, 1], area=400.0)], 3))
    shifted = points + np.array([[3.0, 4.0], [100.0, 0.0], [0.0, 0.0]])
    sigmas = np.array([0.1, 0.2, 0.3])
    matches = oks.match(truth, Predictions.from_coco([result(1, shifted, 1.0)], truth), sigmas)
    # 5 px away on the first point, unlabelled second, exact third
    assert matches.pairs.oks[0] == pytest.approx((math.exp(-(5**2) / (2 * 400 * (2 * 0.1) ** 2)) + 1) / 2)
