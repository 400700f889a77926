"""PCK and pixel errors beside loops that say the same in plain words."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from armature.bench.cases import make_case
from armature.evaluation import oks, pck
from armature.evaluation.results import Predictions, Truth

SIGMAS = np.full(4, 0.06)


def localise(truth: dict[str, Any], results: list[dict[str, Any]], sigmas: np.ndarray = SIGMAS) -> tuple[Truth, Any]:
    annotated = Truth.from_coco(truth)
    predictions = Predictions.from_coco(results, annotated)
    return annotated, pck.localise(annotated, predictions, oks.match(annotated, predictions, sigmas))


def scene(*people: tuple[int, np.ndarray], images: int = 3) -> dict[str, Any]:
    """People (image, (4, 3) triples) with boxes of 100 x 50 px."""
    kind = {"id": 1, "name": "mouse", "keypoints": ["snout", "left_ear", "right_ear", "tail"]}
    return {
        "images": [{"id": i + 1} for i in range(images)],
        "categories": [kind],
        "annotations": [
            {
                "id": i + 1,
                "image_id": image,
                "category_id": 1,
                "keypoints": triples.ravel().tolist(),
                "bbox": [0, 0, 100, 50],
                "area": 2500,
            }
            for i, (image, triples) in enumerate(people)
        ],
    }


def found(image: int, points: np.ndarray, score: float) -> dict[str, Any]:
    triples = np.concatenate([points[:, :2], np.ones((len(points), 1))], 1)
    return {"image_id": image, "category_id": 1, "keypoints": triples.ravel().tolist(), "score": score}


POINTS = np.array([[10.0, 10, 2], [40, 10, 2], [40, 40, 1], [90, 25, 2]])


def test_single_people_are_measured_by_a_loop_over_keypoints() -> None:
    rng = np.random.default_rng(0)
    people, results, distances = [], [], []
    for image in range(1, 21):
        visible = rng.integers(0, 3, 4)
        truth = np.concatenate([rng.uniform(0, 100, (4, 2)).round(), visible[:, None]], 1)
        guess = truth[:, :2] + rng.normal(0, 8, (4, 2))
        people.append((image, truth))
        results += [found(image, guess, 0.9), found(image, truth, 0.1)]
        distances.append([math.dist(guess[k], truth[k, :2]) if visible[k] else math.nan for k in range(4)])
    truth_, localisation = localise(scene(*people, images=20), results)
    numbers = localisation.numbers(truth_.names, (0.05, 0.1))
    for t in (0.05, 0.1):
        for k, name in enumerate(truth_.names):
            column = [row[k] for row in distances if not math.isnan(row[k])]
            assert numbers[f"PCK@{t:g}/{name}"] == pytest.approx(np.mean([d < t * 100 for d in column]))
            assert numbers[f"error/mean/{name}"] == pytest.approx(np.mean(column))
            assert numbers[f"error/median/{name}"] == pytest.approx(np.median(column))
    every = [d for row in distances for d in row if not math.isnan(d)]
    assert numbers["PCK@0.1"] == pytest.approx(np.mean([d < 10 for d in every]))
    assert numbers["error/mean"] == pytest.approx(np.mean(every))
    assert numbers["error/median"] == pytest.approx(np.median(every))
    assert numbers["matched"] == 1.0


def test_the_best_score_is_measured_even_where_it_is_far_away() -> None:
    """A second prediction, however good, must not flatter the error of a single animal."""
    truth, localisation = localise(scene((1, POINTS)), [found(1, POINTS + 5000, 0.9), found(1, POINTS, 0.8)])
    assert localisation.oks[0] == 0.0
    assert localisation.numbers(truth.names, (0.2,))["error/mean"] == pytest.approx(5000 * math.sqrt(2))


def test_people_without_prediction_are_wrong_and_have_no_error() -> None:
    truth, localisation = localise(scene((1, POINTS), (2, POINTS)), [found(1, POINTS, 0.9)])
    numbers = localisation.numbers(truth.names, (0.1,))
    assert numbers["matched"] == 0.5
    assert numbers["PCK@0.1"] == numbers["PCK@0.1/tail"] == 0.5
    assert numbers["error/mean"] == 0.0


def test_two_people_each_take_the_prediction_that_fits() -> None:
    """The best-scored prediction lies between the two but nearer to the second."""
    other = POINTS + np.array([60, 0, 0])
    results = [found(1, POINTS + np.array([40, 0, 0]), 0.9), found(1, POINTS + np.array([4, 0, 0]), 0.5)]
    truth, localisation = localise(scene((1, POINTS), (1, other)), results)
    assert localisation.prediction.tolist() == [1, 0]
    assert localisation.numbers(truth.names, (0.1,))["error/mean"] == pytest.approx((4 + 20) / 2)


def test_where_all_similarities_are_zero_the_nearest_is_taken() -> None:
    far = [found(1, POINTS + 9000, 0.9), found(1, POINTS + 5000, 0.8)]
    _, localisation = localise(scene((1, POINTS), (1, POINTS + np.array([1, 1, 0]))), far)
    assert localisation.prediction.tolist() == [0, 1]
    assert sorted(localisation.oks) == [0.0, 0.0]


def test_crowds_and_unlabelled_people_are_not_measured() -> None:
    data = scene((1, POINTS), (1, POINTS * [1, 1, 0]), (2, POINTS))
    data["annotations"][2]["iscrowd"] = 1
    _, localisation = localise(data, [found(1, POINTS + 300, 0.9), found(1, POINTS, 0.8)])
    # two annotations in the image, so both predictions may be used and the labelled person takes the better
    assert localisation.person.tolist() == [0] and localisation.oks[0] == pytest.approx(1.0)


def test_nobody_labelled_is_not_a_number() -> None:
    truth, localisation = localise(scene(), [found(1, POINTS, 0.9)])
    numbers = localisation.numbers(truth.names, (0.2,))
    assert all(math.isnan(value) for value in numbers.values()) and len(numbers) == 4 + 3 * 4
    assert pck.image_oks(truth, localisation) == {}


def test_image_similarity_is_the_mean_over_its_people() -> None:
    people = [(1, POINTS), (1, POINTS + np.array([60, 0, 0])), (2, POINTS)]
    truth, localisation = localise(scene(*people), [found(1, POINTS, 0.9)])
    assert pck.image_oks(truth, localisation) == {1: pytest.approx(0.5), 2: 0.0}


@pytest.mark.parametrize("seed", range(3))
def test_pairing_is_that_of_a_plain_loop(seed: int) -> None:
    data, results = make_case(20, 60, 8, crowds=0.1, seed=seed)
    sigmas = np.full(17, 0.07)
    truth = Truth.from_coco(data)
    predictions = Predictions.from_coco(results, truth)
    matches = oks.match(truth, predictions, sigmas)
    localisation = pck.localise(truth, predictions, matches)
    expected: dict[int, int] = {}
    pairs = sorted(
        (-oks_, int(p), int(g))
        for p, g, oks_ in zip(matches.pairs.prediction, matches.pairs.person, matches.pairs.oks, strict=True)
        if not truth.ignored[g] and matches.ranked.rank[p] < (truth.image == truth.image[g]).sum() and oks_ > 1e-3
    )
    used = set()
    for _, p, g in pairs:
        if g not in expected and p not in used:
            expected[g] = int(matches.ranked.source[p])
            used.add(p)
    clear = {
        g: p for g, p, o in zip(localisation.person, localisation.prediction, localisation.oks, strict=True) if o > 1e-3
    }
    assert clear == expected and len(clear) > 10
