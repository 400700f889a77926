"""Each measure of localisation beside loops over people and keypoints that say the same in plain words."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from armature.errors import ConfigError
from armature.evaluation.judge import Judge, Verdict
from armature.evaluation.measures import Auc, Measure, Nme, Pck, PixelError
from armature.evaluation.normalisers import Box, HeadBox, Pair
from armature.evaluation.results import Predictions, Truth
from armature.skeletons import make
from armature.structures import Skeleton

#: MPII's joints in its order; 6 is the pelvis, 7 the thorax.
LEGS = ["right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle"]
ARMS = ["right_wrist", "right_elbow", "right_shoulder", "left_shoulder", "left_elbow", "left_wrist"]
MPII = [*LEGS, "pelvis", "thorax", "upper_neck", "head_top", *ARMS]
SKELETON = make("mpii", MPII, sigmas=[0.07] * 16)
TORSO = Pair("left_shoulder", "right_hip")


def person(number: int, rng: np.random.Generator, head: bool = True) -> dict[str, Any]:
    """One person of an image of its own, whole numbers, a third of the keypoints without label."""
    triples = np.column_stack([rng.integers(0, 200, (16, 2)), rng.choice(3, 16, p=(0.3, 0.2, 0.5))])
    row = {
        "id": number,
        "image_id": number,
        "category_id": 1,
        "keypoints": triples.ravel().tolist(),
        "bbox": [5, 6, int(rng.integers(80, 200)), int(rng.integers(80, 200))],
        "area": 9000,
    }
    x, y, w, h = rng.integers(10, 60, 4).tolist()
    return row | ({"head_box": [x, y, x + w, y + h]} if head else {})


def data(people: int = 30, missing: int = 3) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """One person an image, found a few px away; the first two have no head box, the last ``missing`` are not found."""
    rng = np.random.default_rng(7)
    annotations = [person(i, rng, head=i > 2) for i in range(1, people + 1)]
    results = []
    for row in annotations[: people - missing]:
        points = np.array(row["keypoints"]).reshape(16, 3)[:, :2] + rng.integers(-30, 31, (16, 2))
        triples = np.column_stack([points, np.ones(16)])
        results.append({"image_id": row["id"], "category_id": 1, "keypoints": triples.ravel().tolist(), "score": 0.5})
    pictures = [{"id": i} for i in range(1, people + 1)]
    kind = {"id": 1, "name": "person", "keypoints": MPII}
    return {"images": pictures, "annotations": annotations, "categories": [kind]}, results


def judged(measures: dict[str, Measure], skeleton: Skeleton = SKELETON, **options: Any) -> tuple[Verdict, Truth]:
    annotations, results = data(**options)
    truth = Truth.from_coco(annotations)
    return Judge(skeleton, measures=measures)(truth, Predictions.from_coco(results, truth)), truth


def keypoints(**options: Any) -> Iterator[tuple[dict[str, Any], int, bool, float | None]]:
    """(person, index of the keypoint, labelled, distance or None where the person was not found), from the files."""
    annotations, results = data(**options)
    found = {row["image_id"]: row["keypoints"] for row in results}
    for row in annotations["annotations"]:
        for k in range(16):
            x, y, v = row["keypoints"][3 * k : 3 * k + 3]
            there = found.get(row["id"])
            yield row, k, v > 0, None if there is None else math.dist((x, y), there[3 * k : 3 * k + 2])


def between(row: dict[str, Any], first: str, second: str) -> float | None:
    """The distance of two keypoints, None where one is not labelled."""
    (ax, ay, av), (bx, by, bv) = (row["keypoints"][3 * MPII.index(n) : 3 * MPII.index(n) + 3] for n in (first, second))
    return math.dist((ax, ay), (bx, by)) if av and bv else None


def assert_shares(verdict: Verdict, name: str, rows: list[tuple[int, float]]) -> None:
    """Total, keypoints and the wrists of a metric are the means of (keypoint, value) rows."""
    numbers = verdict.numbers
    assert numbers[name] == pytest.approx(np.mean([value for _, value in rows]), abs=1e-12)
    for k, keypoint in enumerate(MPII):
        assert numbers[f"{name}/{keypoint}"] == pytest.approx(np.mean([v for i, v in rows if i == k]), abs=1e-12)
    wrists = [v for i, v in rows if i in (10, 15)]
    assert numbers[f"{name}/group:wrists"] == pytest.approx(np.mean(wrists), abs=1e-12)


def test_pck_of_the_torso_is_that_of_a_loop_over_people_with_a_torso() -> None:
    verdict, _ = judged({"PCKt": Pck([0.1, 0.2], TORSO)})
    for threshold in (0.1, 0.2):
        rows = []
        for row, k, labelled, distance in keypoints():
            torso = between(row, "left_shoulder", "right_hip")
            if labelled and torso:
                rows.append((k, float(distance is not None and distance < threshold * torso)))
        assert_shares(verdict, f"PCKt@{threshold}", rows)
    lost = sum(between(row, "left_shoulder", "right_hip") is None for row, k, _, _ in keypoints() if k == 0)
    assert 0 < lost == verdict.card["measures"]["PCKt"]["people_not_judged"] < 30


@pytest.mark.parametrize("offset", [0.0, 1.0])
def test_pckh_follows_mpiis_own_rules(offset: float) -> None:
    """Per joint, then the mean over joints by their counts; 0.6 x the head box, <=, without pelvis and thorax."""
    measure = Pck([0.5], HeadBox(0.6), exclude=["pelvis", "thorax"], inclusive=True, offset=offset)
    verdict, _ = judged({"PCKh": measure}, missing=0)
    annotations, results = data(missing=0)
    right, count = np.zeros(16), np.zeros(16)
    for row, result in zip(annotations["annotations"], results, strict=True):
        if "head_box" not in row:
            continue
        x1, y1, x2, y2 = row["head_box"]
        size = 0.6 * math.hypot(x2 - x1, y2 - y1)
        truth, guess = (np.array(r["keypoints"]).reshape(16, 3) for r in (row, result))
        for k in np.flatnonzero(truth[:, 2]):
            count[k] += 1
            right[k] += math.dist(truth[k, :2], guess[k, :2] + offset) / size <= 0.5
    kept = [k for k in range(16) if k not in (6, 7)]
    each = right / count
    assert verdict.numbers["PCKh@0.5"] == pytest.approx(sum(each[k] * count[k] for k in kept) / count[kept].sum())
    for k, name in enumerate(MPII):
        assert verdict.numbers[f"PCKh@0.5/{name}"] == pytest.approx(each[k])
    assert verdict.card["measures"]["PCKh"]["people_not_judged"] == 2


@pytest.mark.parametrize(("inclusive", "expected"), [(True, 1.0), (False, 0.0)])
def test_a_keypoint_exactly_at_the_limit_is_right_by_mpiis_rule_only(inclusive: bool, expected: float) -> None:
    row = person(1, np.random.default_rng(0))
    row |= {"head_box": [0, 0, 30, 40], "keypoints": [0, 0, 2] + [0, 0, 0] * 15}
    annotations = data()[0] | {"annotations": [row]}
    truth = Truth.from_coco(annotations)
    # 0.4 x the diagonal of 50 is 20, and half of it 10
    guess = [{"image_id": 1, "category_id": 1, "keypoints": [6, 8, 1] + [0, 0, 1] * 15, "score": 1.0}]
    judge = Judge(SKELETON, measures={"H": Pck([0.5], HeadBox(0.4), inclusive=inclusive)})
    assert judge(truth, Predictions.from_coco(guess, truth)).numbers["H@0.5"] == expected


def test_auc_is_the_mean_pck_over_twenty_thresholds_up_to_30_px() -> None:
    verdict, _ = judged({"AUC": Auc()})
    rows = []
    for _, k, labelled, distance in keypoints():
        if labelled:
            rows.append((k, np.mean([distance is not None and distance / 30 < i / 20 for i in range(20)])))
    assert_shares(verdict, "AUC", rows)


def test_auc_of_known_distances() -> None:
    """At 14.9 px the thresholds 15, 16.5, ..., 28.5 are passed: 10 of 20; at 15 px one less."""
    for distance, expected in ((14.9, 0.5), (15.0, 0.45), (29.0, 0.0), (0.0, 0.95)):
        row = person(1, np.random.default_rng(0)) | {"keypoints": [50, 50, 2] + [0, 0, 0] * 15}
        truth = Truth.from_coco(data()[0] | {"annotations": [row]})
        guess = [{"image_id": 1, "category_id": 1, "keypoints": [50 + distance, 50, 1] * 16, "score": 1.0}]
        numbers = Judge(SKELETON, measures={"AUC": Auc()})(truth, Predictions.from_coco(guess, truth)).numbers
        assert numbers["AUC"] == pytest.approx(expected)


def test_auc_may_be_relative() -> None:
    verdict, _ = judged({"AUC": Auc(reach=0.5, steps=10, normaliser=Box())})
    rows = []
    for row, k, labelled, distance in keypoints():
        if labelled:
            reach = 0.5 * max(row["bbox"][2:])
            rows.append((k, np.mean([distance is not None and distance < i / 10 * reach for i in range(10)])))
    assert_shares(verdict, "AUC", rows)


@pytest.mark.parametrize(
    ("normaliser", "length"),
    [
        (Pair("head_top", "upper_neck"), lambda row: between(row, "head_top", "upper_neck")),
        (Pair("head_top", "upper_neck", 1.5), lambda row: 1.5 * (between(row, "head_top", "upper_neck") or 0)),
        (Box("root_area"), lambda row: math.sqrt(row["bbox"][2] * row["bbox"][3])),
        (Box("longer_side"), lambda row: max(row["bbox"][2:])),
        (Box("diagonal"), lambda row: math.hypot(*row["bbox"][2:])),
    ],
)
def test_nme_is_the_mean_distance_over_a_length(normaliser: Any, length: Any) -> None:
    verdict, _ = judged({"NME": Nme(normaliser)})
    rows = [
        (k, distance / length(row))
        for row, k, labelled, distance in keypoints()
        if labelled and distance is not None and length(row)
    ]
    assert_shares(verdict, "NME", rows)


def test_pixel_error_is_error_mean_by_another_name() -> None:
    verdict, _ = judged({"EPE": PixelError(), "arms": PixelError(exclude=MPII[:10])})
    rows = [(k, d) for _, k, labelled, d in keypoints() if labelled and d is not None]
    assert_shares(verdict, "EPE", rows)
    assert verdict.numbers["EPE"] == pytest.approx(verdict.numbers["error/mean"], abs=1e-12)
    assert verdict.numbers["arms"] == pytest.approx(np.mean([d for k, d in rows if k >= 10]), abs=1e-12)


def test_a_length_that_nobody_has_is_not_a_number() -> None:
    annotations, results = data()
    for row in annotations["annotations"]:
        row.pop("head_box", None)
        row["keypoints"][3 * MPII.index("head_top") + 2] = 0
    truth = Truth.from_coco(annotations)
    measures = {"PCKh": Pck([0.5], HeadBox()), "NME": Nme(Pair("head_top", "upper_neck"))}
    verdict = Judge(SKELETON, measures=measures)(truth, Predictions.from_coco(results, truth))
    for name, value in verdict.numbers.items():
        if name.startswith(("PCKh", "NME")):
            assert math.isnan(value), name
    assert verdict.card["measures"]["PCKh"]["people_not_judged"] == len(verdict.localisation.person)
    assert not math.isnan(verdict.numbers["PCK@0.2"])


def test_a_length_of_zero_is_none() -> None:
    annotations, results = data()
    row = annotations["annotations"][0]
    for name in ("left_shoulder", "right_hip"):
        row["keypoints"][3 * MPII.index(name) : 3 * MPII.index(name) + 3] = [9, 9, 2]
    row["bbox"][2:] = [0, 0]
    truth = Truth.from_coco(annotations)
    measures = {"a": Nme(TORSO), "b": Nme(Box()), "c": Pck([0.5], TORSO)}
    verdict = Judge(SKELETON, measures=measures)(truth, Predictions.from_coco(results, truth))
    assert verdict.card["measures"]["b"]["people_not_judged"] == 1
    assert all(math.isfinite(verdict.numbers[name]) for name in ("a", "b", "c@0.5"))


def test_ratios_are_the_numbers_and_weigh_images_as_copies_would() -> None:
    verdict, truth = judged({"PCKt": Pck([0.2], TORSO), "NME": Nme(Box()), "AUC": Auc()})
    whole = verdict.ratios.numbers()
    assert {"matched", "PCK@0.05", "PCK@0.2/group:wrists", "error/mean/pelvis", "PCKt@0.2", "NME", "AUC"} <= set(whole)
    assert set(whole) <= set(verdict.numbers)
    for name, value in whole.items():
        assert verdict.numbers[name] == pytest.approx(value, abs=1e-9, nan_ok=True), name
    weights = np.random.default_rng(0).integers(0, 3, len(truth.image_ids))
    annotations, results = data()
    copies: dict[str, Any] = annotations | {"images": [], "annotations": []}
    found = []
    for new, old in enumerate(np.repeat(np.arange(len(weights)), weights).tolist(), start=1):
        copies["images"].append({"id": new})
        copies["annotations"].append(annotations["annotations"][old] | {"id": new, "image_id": new})
        found += [row | {"image_id": new} for row in results if row["image_id"] == old + 1]
    again = Truth.from_coco(copies)
    measures = {"PCKt": Pck([0.2], TORSO), "NME": Nme(Box()), "AUC": Auc()}
    expected = Judge(SKELETON, measures=measures)(again, Predictions.from_coco(found, again)).numbers
    weighed = dict(zip(verdict.ratios.names, verdict.ratios.under(weights[None].astype(float))[0], strict=True))
    for name, value in weighed.items():
        assert expected[name] == pytest.approx(value, abs=1e-9, nan_ok=True), name


def test_measures_leave_the_standard_numbers_as_they_are() -> None:
    plain, _ = judged({})
    more, _ = judged({"NME": Nme(Box())})
    assert plain.numbers["PCK@0.1"] == plain.localisation.numbers(MPII, [0.1])["PCK@0.1"]
    assert "measures" not in plain.card
    for name, value in plain.numbers.items():
        assert more.numbers[name] == value or math.isnan(value), name


@pytest.mark.parametrize(
    ("measures", "message"),
    [
        ({"NME": Nme(Pair("left_eye", "left_wrist"))}, "measure 'NME': normaliser names 'left_eye', .* 'mpii'"),
        ({"P": Pck([0.1], TORSO, exclude=["pelvi"])}, "measure 'P': exclude names 'pelvi'.* did you mean 'pelvis'"),
        ({"PCK": Pck([0.2], TORSO)}, "measure 'PCK': there is a metric PCK@0.2 already"),
        ({"AP": Nme(Box())}, "measure 'AP': there is a metric AP already"),
        ({"matched": Nme(Box())}, "there is a metric matched already"),
    ],
)
def test_what_the_skeleton_cannot_have_is_named(measures: dict[str, Measure], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Judge(SKELETON, measures=measures)


def test_sizes_and_steps_are_checked() -> None:
    with pytest.raises(ConfigError, match="box size 'area' is unknown; known: longer_side"):
        Box("area")
    with pytest.raises(ConfigError, match="steps=0"):
        Auc(steps=0)


def test_a_measure_from_elsewhere_needs_no_change_here() -> None:
    class Far:
        """The share of labelled keypoints more than 20 px away."""

        def heads(self, name: str) -> tuple[str, ...]:
            return (name,)

        def check(self, skeleton: Skeleton) -> None:
            pass

        def __call__(self, name: str, scene: Any) -> Any:
            return scene.ratios(name, scene.distances() > 20, ~np.isnan(scene.distances()))

        def card(self, scene: Any) -> dict[str, Any]:
            return {"rule": "further than 20 px"}

    verdict, _ = judged({"far": Far()})
    rows = [(k, float(d > 20)) for _, k, labelled, d in keypoints() if labelled and d is not None]
    assert_shares(verdict, "far", rows)
    assert verdict.card["measures"] == {"far": {"rule": "further than 20 px"}}
