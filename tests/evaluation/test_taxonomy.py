"""The error taxonomy on data made to go wrong in known ways, and beside a loop that says the table in plain words."""

from __future__ import annotations

import contextlib
import copy
import io
import itertools
import math
from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from armature.bench.cases import make_case
from armature.errors import UserError
from armature.evaluation import oks, verify
from armature.evaluation.results import Predictions, Truth
from armature.evaluation.taxonomy import KINDS, NONE, ROLES, Taxonomy, diagnose, find
from armature.evaluation.taxonomy_impact import FIXES, MOVED, NUMBERS, Oracle, impact, impact_by_keypoint

NAMES = ("nose", "left_eye", "right_eye", "left_hand", "right_hand", "tail")
FLIP = (0, 2, 1, 4, 3, 5)
SIGMA, AREA = 0.05, 10000.0
SIGMAS = np.full(6, SIGMA)
#: Px from the nose; every two points lie further apart than any KS of 0.5 reaches.
LAYOUT = np.array([[50.0, 0], [0, 50], [100, 50], [0, 150], [100, 150], [50, 220]])
FAR = np.array([0.0, 4000.0])


def away(similarity: float, area: float = AREA) -> np.ndarray:
    """(2,) an offset that gives a keypoint this KS."""
    return np.array([math.sqrt(-2 * math.log(similarity) * area) * 2 * SIGMA, 0.0])


def person(number: int, image: int, points: np.ndarray, v: Any = 2, **more: Any) -> dict[str, Any]:
    visible = np.broadcast_to(np.asarray(v), len(points))
    triples = np.concatenate([points, visible[:, None]], 1)
    fields = {"id": number, "image_id": image, "category_id": 1, "area": AREA, "iscrowd": 0}
    counted = {"keypoints": triples.ravel().tolist(), "num_keypoints": int((visible > 0).sum())}
    return fields | counted | {"bbox": [*points.min(0).tolist(), 100.0, 220.0]} | more


def result(image: int, points: np.ndarray, score: float) -> dict[str, Any]:
    triples = np.concatenate([points, np.ones((len(points), 1))], 1)
    return {"image_id": image, "category_id": 1, "keypoints": triples.ravel().tolist(), "score": score}


def scene(images: int, people: list[dict[str, Any]], names: tuple[str, ...] = NAMES) -> dict[str, Any]:
    kind = {"id": 1, "name": "thing", "keypoints": list(names)}
    return {"images": [{"id": i + 1} for i in range(images)], "annotations": people, "categories": [kind]}


def judge(
    data: dict[str, Any], results: list[dict[str, Any]], sigmas: np.ndarray = SIGMAS, flip: Any = FLIP, most: int = 20
) -> tuple[Truth, Predictions, oks.Matches, Taxonomy]:
    truth = Truth.from_coco(data)
    predictions = Predictions.from_coco(results, truth)
    matches = oks.match(truth, predictions, sigmas, most)
    return truth, predictions, matches, diagnose(truth, predictions, matches, sigmas, flip)


def gains(data: dict[str, Any], results: list[dict[str, Any]]) -> tuple[dict[str, float], dict[str, float]]:
    """The ten numbers and the impact."""
    truth, predictions, matches, taxonomy = judge(data, results)
    return oks.accumulate(matches).numbers(), impact(truth, predictions, matches, taxonomy, SIGMAS)


def label_in_words(similarities: list[tuple[float, str]]) -> str:
    """The table, for (KS, whose) candidates in its order."""
    highest = max(ks for ks, _ in similarities)
    whose = next(who for ks, who in similarities if ks == highest)
    if highest < 0.5:
        return "miss"
    if whose == "own":
        return "good" if highest > 0.85 else "jitter"
    return whose


def diagnose_in_words(
    data: dict[str, Any], results: list[dict[str, Any]], sigmas: np.ndarray, flip: Any
) -> dict[int, list[str | None]]:
    """The labels of everybody who was found, by annotation id: loops over the very same dictionaries."""

    def read(row: dict[str, Any]) -> list[tuple[float, float, float]]:
        return list(zip(*[iter(row["keypoints"])] * 3, strict=True))

    def similarity(a: tuple, b: tuple, sigma: float, area: float) -> float:
        return math.exp(-((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2) / (2 * area * (2 * sigma) ** 2))

    labels: dict[int, list[str | None]] = {}
    count = len(sigmas)
    for image in {row["image_id"] for row in results}:
        everybody = [a for a in data["annotations"] if a["image_id"] == image]
        judged = [a for a in everybody if not a["iscrowd"] and a["num_keypoints"]]
        ranked = sorted((r for r in results if r["image_id"] == image), key=lambda r: -r["score"])[:20]
        for found in ranked:
            points, best, taken = read(found), 0.1, None
            for a in judged:
                wanted = [k for k in range(count) if read(a)[k][2] > 0]
                score = sum(similarity(points[k], read(a)[k], sigmas[k], a["area"]) for k in wanted) / len(wanted)
                if a["id"] not in labels and score >= best:
                    best, taken = score, a
            if taken is None:
                continue
            others = [a for a in everybody if a is not taken and not a["iscrowd"]]
            labels[taken["id"]] = []
            for k in range(count):
                candidates = [(taken, k, "own"), *((a, k, "swap") for a in others)]
                candidates += [(taken, flip[k], "inversion"), *((a, flip[k], "swap") for a in others)]
                near = [
                    (similarity(points[k], read(a)[i], sigmas[k], a["area"]), who)
                    for a, i, who in candidates
                    if read(a)[i][2] > 0
                ]
                labels[taken["id"]].append(label_in_words(near) if read(taken)[k][2] > 0 else None)
    return labels


def muddled(count: int, flip: list[int], seed: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A made-up case in which some predictions exchange keypoints with their mirror image or with another's."""
    data, results = make_case(50, 100, 22, keypoints=count, unlabelled=0.3, crowds=0.15, seed=seed)
    rng = np.random.default_rng(seed)
    for a, b in pairwise(results):
        points = np.array(a["keypoints"]).reshape(count, 3)
        mirrored, others = points[flip], np.array(b["keypoints"]).reshape(count, 3)
        chance = rng.random((count, 1))
        points = np.where(chance < 0.15, mirrored, np.where(chance > 0.85, others, points))
        a["keypoints"] = points.ravel().tolist()
    return data, results


@pytest.mark.parametrize(("count", "flip"), [(1, [0]), (4, [0, 2, 1, 3]), (6, FLIP), (6, range(6)), (17, None)])
@pytest.mark.parametrize("seed", range(3))
def test_labels_are_those_of_a_plain_loop(count: int, flip: Any, seed: int) -> None:
    flip = list(flip or [0, *(i for pair in range(1, 17, 2) for i in (pair + 1, pair))])
    data, results = muddled(count, flip, seed)
    sigmas = np.random.default_rng(seed).uniform(0.05, 0.15, count)
    truth, _, _, taxonomy = judge(data, results, sigmas, flip)
    found = {
        int(truth.ids[g]): [None if label == NONE else KINDS[label] for label in taxonomy.labels[g]]
        for g in np.flatnonzero(taxonomy.prediction >= 0)
    }
    expected = diagnose_in_words(data, results, sigmas, flip)
    assert found == expected
    seen = Counter(label for row in expected.values() for label in row)
    assert seen["good"] and seen["jitter"] and seen["miss"] and (count == 1 or (seen["swap"] and seen[None]))
    assert (seen["inversion"] > 0) == (flip != sorted(flip))
    assert any(a["iscrowd"] and a["num_keypoints"] for a in data["annotations"])
    assert 1 in Counter(a["image_id"] for a in data["annotations"]).values()


def test_who_is_found_is_what_cocoapi_says_at_that_threshold() -> None:
    data, results = make_case(60, 200, 24, crowds=0.1, seed=5)
    sigmas = np.full(17, 0.08)
    truth, _, _, taxonomy = judge(data, results, sigmas, range(17))
    reference = verify.prepare(copy.deepcopy(data), copy.deepcopy(results), sigmas, 20)
    reference.params.iouThrs = np.array([0.1])
    with contextlib.redirect_stdout(io.StringIO()):
        reference.evaluate()
    images = [e for e in reference.evalImgs if e is not None and e["aRng"] == reference.params.areaRng[0]]
    expected = {
        int(person): int(number) - 1  # loadRes counts the results from 1
        for e in images
        for person, number, ignore in zip(e["gtIds"], e["gtMatches"][0], e["gtIgnore"], strict=True)
        if number > 0 and not ignore
    }
    found = {int(truth.ids[g]): int(taxonomy.prediction[g]) for g in np.flatnonzero(taxonomy.prediction >= 0)}
    assert found == expected and len(found) > 50
    assert len(found) < taxonomy.judged.sum() == (~truth.ignored).sum()


def test_of_two_people_just_as_similar_the_last_is_found() -> None:
    """As in cocoapi; two annotations of one person."""
    taxonomy = judge(scene(1, [person(1, 1, LAYOUT), person(2, 1, LAYOUT)]), [result(1, LAYOUT, 0.9)])[3]
    assert taxonomy.prediction.tolist() == [-1, 0]


def spoil(rng: np.random.Generator, points: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Points with known errors, two keypoints at least good, and the labels they must get."""
    labels = ["good", "good", *rng.choice(KINDS, 4)]
    rng.shuffle(labels)
    labels = ["miss" if label == "inversion" and FLIP[k] == k else label for k, label in enumerate(labels)]
    places = {
        "good": lambda k: points[k] + away(0.95),
        "jitter": lambda k: points[k] + away(0.7),
        "inversion": lambda k: points[FLIP[k]] + away(0.8),
        "swap": lambda k: other[rng.choice([k, FLIP[k]])] + away(0.6),
        "miss": lambda k: points[k] + FAR,
    }
    return np.array([places[label](k) for k, label in enumerate(labels)]), labels


def test_known_errors_are_found_at_exactly_their_share() -> None:
    rng = np.random.default_rng(0)
    people, results, expected = [], [], []
    for image in range(1, 41):
        points = [LAYOUT, LAYOUT + np.array([600.0, 0])]
        for i in (0, 1):
            people.append(person(len(people) + 1, image, points[i]))
            guess, labels = spoil(rng, points[i], points[1 - i])
            results.append(result(image, guess, rng.uniform(0.3, 0.9)))
            expected.append(labels)
    taxonomy = judge(scene(40, people), results)[3]
    assert [[KINDS[label] for label in row] for row in taxonomy.labels] == expected
    assert taxonomy.prediction.tolist() == list(range(80))
    groups = {"hands": [3, 4], "head": [0, 1, 2]}
    counts, numbers = taxonomy.counts(groups), taxonomy.numbers(groups)
    where = {"all": range(6), "hands": (3, 4), "head": (0, 1, 2)} | {name: (k,) for k, name in enumerate(NAMES)}
    assert set(counts) == set(where)
    for name, columns in where.items():
        column = Counter(row[k] for row in expected for k in columns)
        assert counts[name] == {kind: column[kind] for kind in KINDS}
        for kind in KINDS:
            key = f"errors/{kind}" if name == "all" else f"errors/{kind}/{name}"
            assert numbers[key] == pytest.approx(column[kind] / (80 * len(columns)))
    assert min(counts["all"].values()) > 10
    assert numbers["errors/false_negative"] == numbers["errors/background"] == numbers["errors/duplicate"] == 0


def test_known_shares_of_predictions_and_people_gone_wrong() -> None:
    """20 people: 4 have nobody, 5 a better prediction that is outscored, 2 a worse one; 7 show nobody, 3 a crowd."""
    people = [person(i + 1, i + 1, LAYOUT) for i in range(20)]
    people += [person(30, 21, LAYOUT, iscrowd=1), person(31, 22, LAYOUT, v=0)]
    worse = LAYOUT.copy()
    worse[:3] += FAR
    results = [result(i + 1, worse if i < 5 else LAYOUT, 0.9) for i in range(16)]
    results += [result(i + 1, LAYOUT, 0.8) for i in range(5)] + [result(i + 1, worse, 0.7) for i in (10, 11)]
    results += [result(i + 1, LAYOUT + FAR, 0.5) for i in range(7)]
    results += [result(21, LAYOUT, 0.9), result(21, LAYOUT, 0.8), result(22, LAYOUT, 0.9)]
    _, _, _, taxonomy = judge(scene(22, people), results)
    numbers = taxonomy.numbers()
    assert numbers["errors/false_negative"] == pytest.approx(4 / 20)
    assert numbers["errors/score"] == pytest.approx(5 / 16)
    assert numbers["errors/duplicate"] == pytest.approx(7 / 33)
    assert numbers["errors/background"] == pytest.approx(7 / 33)
    assert Counter(taxonomy.roles.tolist()) == {
        ROLES.index("found"): 16,
        ROLES.index("duplicate"): 7,
        ROLES.index("background"): 7,
        ROLES.index("ignored"): 3,
    }


def one_point(similarity: float, v: int = 2) -> tuple[str | None, float]:
    """The label of a nose at about that KS, and the KS that the float arithmetic gives."""
    sigma = 1 / math.sqrt(8)  # (2 sigma)^2 area 2 = area, so that KS = exp(-d^2 / area)
    area = 100.0
    guess = LAYOUT.copy()
    guess[0, 0] += math.sqrt(-math.log(similarity) * area)
    data = scene(1, [person(1, 1, LAYOUT, [v, 2, 2, 2, 2, 2], area=area)])
    _, _, _, taxonomy = judge(data, [result(1, guess, 1.0)], np.full(6, sigma))
    label = int(taxonomy.labels[0, 0])
    return (None if label == NONE else KINDS[label]), math.exp(-((guess[0, 0] - 50) ** 2) / area)


@pytest.mark.parametrize("v", [1, 2])
def test_the_edges_of_the_table(v: int) -> None:
    assert one_point(0.8501, v)[0] == "good"
    assert one_point(0.8499, v)[0] == "jitter"
    assert one_point(0.5001, v)[0] == "jitter"
    assert one_point(0.4999, v)[0] == "miss"
    assert one_point(0.9, 0)[0] is None


def test_the_very_edge_is_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    """KS of 1 is one that floats hold exactly, so both edges are moved there."""
    from armature.evaluation import taxonomy

    monkeypatch.setattr(taxonomy, "EXACT", 1.0)
    assert one_point(1.0)[0] == "jitter"
    monkeypatch.setattr(taxonomy, "SHOWN", 1.0)
    assert one_point(1.0)[0] == "jitter"
    assert one_point(0.9999)[0] == "miss"


def test_points_of_crowds_and_of_unlabelled_people_are_no_swaps() -> None:
    other = LAYOUT + np.array([600.0, 0])
    guess = LAYOUT.copy()
    guess[0] = other[0]
    for more, label in (({}, "swap"), ({"iscrowd": 1}, "miss"), ({"v": 0}, "miss"), ({"v": [0, *[2] * 5]}, "miss")):
        data = scene(1, [person(1, 1, LAYOUT), person(2, 1, other, **more)])
        taxonomy = judge(data, [result(1, guess, 0.9)])[3]
        assert KINDS[taxonomy.labels[0, 0]] == label
        assert (taxonomy.labels[1] == NONE).all()


def test_the_own_keypoint_wins_where_two_coincide() -> None:
    """Two people whose noses share a pixel: as near to the other's is no swap."""
    turned = np.array([1.0, -1.0]) * LAYOUT
    taxonomy = judge(scene(1, [person(1, 1, LAYOUT), person(2, 1, turned)]), [result(1, LAYOUT, 0.9)])[3]
    assert KINDS[taxonomy.labels[0, 0]] == "good"


def test_shares_can_be_formed_again_for_any_weights_of_the_images() -> None:
    data, results = make_case(30, 80, 10, crowds=0.1, seed=3)
    sigmas, weights = np.full(17, 0.08), np.random.default_rng(0).integers(0, 4, (5, 30))
    truth, _, _, taxonomy = judge(data, results, sigmas, range(17))
    ratios = taxonomy.ratios({"first": [0, 1]})
    values = dict(zip(ratios.names, ratios.under(weights.astype(float)).T, strict=True))
    assert len(ratios.names) == 5 * 19 + 4
    for row, weight in enumerate(weights.tolist()):
        part, whole = Counter(), 0
        for g in range(len(truth)):
            for k in (0, 1):
                if (label := int(taxonomy.labels[g, k])) != NONE:
                    part[KINDS[label]] += weight[truth.image[g]]
                    whole += weight[truth.image[g]]
        for kind in KINDS:
            assert values[f"errors/{kind}/first"][row] == pytest.approx(part[kind] / whole)
        missed = [(weight[truth.image[g]], taxonomy.prediction[g] < 0) for g in np.flatnonzero(taxonomy.judged)]
        expected = sum(w for w, lost in missed if lost) / sum(w for w, _ in missed)
        assert values["errors/false_negative"][row] == pytest.approx(expected)


def test_nobody_to_judge_is_not_a_number() -> None:
    for data, results in (
        (scene(2, []), [result(1, LAYOUT, 0.9)]),
        (scene(2, [person(1, 1, LAYOUT, v=0)]), [result(1, LAYOUT, 0.9)]),
    ):
        truth, predictions, matches, taxonomy = judge(data, results)
        numbers = taxonomy.numbers()
        assert all(math.isnan(v) for k, v in numbers.items() if k not in ("errors/background", "errors/duplicate"))
        assert all(math.isnan(v) for v in impact(truth, predictions, matches, taxonomy, SIGMAS).values())


def test_nobody_predicted_is_everybody_missed() -> None:
    truth, predictions, matches, taxonomy = judge(scene(2, [person(1, 1, LAYOUT)]), [])
    numbers = taxonomy.numbers()
    assert numbers["errors/false_negative"] == 1.0
    assert math.isnan(numbers["errors/good"]) and math.isnan(numbers["errors/background"])
    gained = impact(truth, predictions, matches, taxonomy, SIGMAS)
    assert gained["errors/AP_gain/miss"] == gained["errors/AP_gain/score"] == 0.0
    assert math.isnan(gained["errors/AP_gain/false_negative"])  # nobody is left to be found


def test_bad_flip_sigmas_and_groups_are_refused() -> None:
    truth, predictions, matches, taxonomy = judge(scene(1, [person(1, 1, LAYOUT)]), [result(1, LAYOUT, 0.9)])
    for flip in ((0, 1, 2), (1, 2, 0, 3, 4, 5), (0, 0, 1, 2, 3, 4), (0, 2, 1, 4, 3, 6)):
        with pytest.raises(UserError, match="flip must name the counterpart of each of the 6 keypoints"):
            diagnose(truth, predictions, matches, SIGMAS, flip)
    with pytest.raises(UserError, match="5 sigmas for 6 keypoints"):
        diagnose(truth, predictions, matches, SIGMAS[:5], FLIP)
    for groups in ({"nose": [1]}, {"all": [1]}, {"hands": []}, {"hands": [6]}, {"hands": [-1]}):
        with pytest.raises(UserError, match=f"keypoint group '{next(iter(groups))}'"):
            taxonomy.counts(groups)


#: COCO reads precision at 101 recalls; finding 5 of 8 reaches 63 of them, 0 to 0.62.
FIVE_OF_EIGHT = 63 / 101


def eight(guesses: list[np.ndarray | None]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Eight images with a person each, and predictions with falling scores."""
    data = scene(8, [person(i + 1, i + 1, LAYOUT) for i in range(8)])
    return data, [result(i + 1, g, 0.9 - i / 100) for i, g in enumerate(guesses) if g is not None]


def inverted() -> np.ndarray:
    return LAYOUT[list(FLIP)]


def half_missed() -> np.ndarray:
    return np.concatenate([LAYOUT[:2], LAYOUT[2:] + FAR])


@pytest.mark.parametrize(
    ("guess", "fix", "share"),
    [
        (LAYOUT + away(0.72), "jitter", 0.5),  # OKS 0.72 counts at 5 of 10 thresholds
        (LAYOUT + away(0.92), "imprecision", 0.1),  # OKS 0.92 fails at 0.95 only
        (inverted(), "inversion", 1.0),  # OKS 1/3: counts nowhere
        (half_missed(), "miss", 1.0),
        (None, "false_negative", 1.0),
    ],
)
def test_three_in_eight_gone_wrong_one_way_cost_a_known_ap(guess: np.ndarray | None, fix: str, share: float) -> None:
    before, gained = gains(*eight([LAYOUT] * 5 + [guess] * 3))
    lost = share * (1 - FIVE_OF_EIGHT)
    assert before["AP"] == pytest.approx(1 - lost)
    assert gained[f"errors/AP_gain/{fix}"] == pytest.approx(lost)
    assert gained[f"errors/AP_gain_in_turn/{fix}"] == pytest.approx(lost)
    assert gained[f"errors/AP50_gain/{fix}"] == pytest.approx(0 if share < 1 else lost)
    others = [other for other in FIXES if other not in (fix, "score")]
    assert [gained[f"errors/AP_gain/{other}"] for other in others] == pytest.approx([0.0] * len(others))
    assert gained["errors/AP_gain/score"] == pytest.approx(0.0)


def test_swapped_limbs_cost_a_known_ap() -> None:
    """Three of eight people show four of their six keypoints on a second one, whom their own prediction finds."""
    other = LAYOUT + np.array([600.0, 0])
    data, results = eight([LAYOUT] * 5 + [np.concatenate([LAYOUT[:2], other[2:]])] * 3)
    data["annotations"] += [person(20 + i, i + 1, other) for i in range(8)]
    results += [result(i + 1, other, 0.95) for i in range(8)]
    before, gained = gains(data, results)
    assert before["AP"] == pytest.approx(82 / 101)  # 13 of 16
    assert gained["errors/AP_gain/swap"] == pytest.approx(19 / 101)
    assert gained["errors/AP_gain/inversion"] == gained["errors/AP_gain/jitter"] == 0.0


def test_false_alarms_that_outscore_everybody_cost_half() -> None:
    data, results = eight([LAYOUT] * 8)
    before, gained = gains(data, results + [result(i + 1, LAYOUT + FAR, 0.99) for i in range(8)])
    assert before["AP"] == pytest.approx(0.5)
    assert gained["errors/AP_gain/background"] == pytest.approx(0.5)
    assert gained["errors/AP_gain/score"] == pytest.approx(0.5)
    assert gained["errors/AP_gain_in_turn/background"] == pytest.approx(0.5)
    assert gained["errors/AP_gain_in_turn/score"] == pytest.approx(0.0)
    assert gained["errors/AP_gain/miss"] == gained["errors/AP_gain/false_negative"] == 0.0


def test_worse_predictions_that_outscore_better_ones_are_a_matter_of_score() -> None:
    """Each person's first prediction has OKS 1/3, the second is exact: rightly ranked, nothing is lost."""
    data, results = eight([half_missed()] * 8)
    truth_numbers, gained = gains(data, results + [result(i + 1, LAYOUT, 0.1) for i in range(8)])
    assert truth_numbers["AP"] == pytest.approx(0.5)
    assert gained["errors/AP_gain/score"] == pytest.approx(0.5)
    assert gained["errors/AP_gain/background"] == 0.0


def test_exact_duplicates_are_ranked_behind_everybody() -> None:
    """A copy follows each person at once, so that the n-th is found among 2n - 1; its OKS is that of its original."""
    data, results = eight([LAYOUT] * 8)
    before, gained = gains(data, results + [result(i + 1, LAYOUT, 0.895 - i / 100) for i in range(8)])
    needed = [max(1, math.ceil(8 * recall / 100)) for recall in range(101)]
    expected = sum(n / (2 * n - 1) for n in needed) / 101
    assert before["AP"] == pytest.approx(expected)
    assert gained["errors/AP_gain/score"] == pytest.approx(1 - expected)
    assert gained["errors/AP_gain/background"] == 0.0


@pytest.mark.parametrize("seed", range(4))
def test_fixing_everything_gives_one(seed: int) -> None:
    data, results = make_case(40, 90, 24, crowds=0.1, seed=seed)
    sigmas = np.full(17, 0.08)
    truth, predictions, matches, taxonomy = judge(data, results, sigmas, range(17))
    before = oks.accumulate(matches).numbers()
    gained = impact(truth, predictions, matches, taxonomy, sigmas)
    assert set(gained) == {
        f"errors/{n}_gain{turn}/{fix}" for n in NUMBERS for turn in ("", "_in_turn") for fix in FIXES
    }
    for name in NUMBERS:
        in_turn = [gained[f"errors/{name}_gain_in_turn/{fix}"] for fix in FIXES]
        assert before[name] < 0.6 and before[name] + sum(in_turn) == pytest.approx(1.0)
    assert gained["errors/AP_gain/score"] > 0.05 and gained["errors/AP_gain/miss"] > 0.05
    assert Oracle(truth, predictions, matches, taxonomy, sigmas)(())["AP"] == before["AP"]


def test_no_fix_needs_other_images_or_predictions_than_those_judged() -> None:
    """Beyond the most judged in an image, a better prediction cannot come in through its new score."""
    truth, predictions, matches, taxonomy = judge(
        scene(1, [person(1, 1, LAYOUT)]), [result(1, half_missed(), 0.9), result(1, LAYOUT, 0.8)], most=1
    )
    assert impact(truth, predictions, matches, taxonomy, SIGMAS)["errors/AP_gain/score"] == 0.0


def test_every_label_is_fixed_by_something() -> None:
    assert sorted(MOVED.values()) == sorted(KINDS)


def test_higher_thresholds_find_nobody_whom_the_lowest_did_not() -> None:
    """False negatives are taken off the people to be found, so they must not be hits at any threshold."""
    for seed in range(5):
        data, results = make_case(40, 300, 24, seed=seed)
        truth, _, matches, _ = judge(data, results, np.full(17, 0.15), range(17))
        hit = np.zeros(len(truth), bool)
        hit[matches.close.person[matches.hits[0] > 0]] = True
        assert not (hit & ~truth.ignored & (find(truth, matches) < 0)).any() and hit.any()


def test_the_cost_of_a_keypoint_is_the_gain_of_results_in_which_it_is_right() -> None:
    rng = np.random.default_rng(5)
    places = [LAYOUT + np.array([400.0 * i, 0.0]) for i in range(6)]
    data = scene(6, [person(i + 1, i + 1, place) for i, place in enumerate(places)])
    noisy = [place + rng.normal(0, 15, place.shape) for place in places]
    results = [result(i + 1, points, 0.9 - 0.1 * i) for i, points in enumerate(noisy)]
    truth, predictions, matches, taxonomy = judge(data, results)
    groups = {"nose": (0,), "hands": (3, 4)}
    found = impact_by_keypoint(truth, predictions, matches, taxonomy, SIGMAS, groups)
    before = oks.evaluate(truth, predictions, SIGMAS)["AP"]
    for name, members in groups.items():
        mended = copy.deepcopy(noisy)
        for i, k in itertools.product(range(6), members):
            if taxonomy.labels[i, k] != KINDS.index("good"):
                mended[i][k] = places[i][k]
        fixed = [result(i + 1, points, 0.9 - 0.1 * i) for i, points in enumerate(mended)]
        gain = oks.evaluate(truth, Predictions.from_coco(fixed, truth), SIGMAS)["AP"] - before
        assert found[f"errors/AP_gain/keypoints/{name}"] == pytest.approx(gain, abs=1e-12) and gain > 0
