"""Slices beside pycocotools with everybody else taken out of the judgement, and what belongs to each beside loops."""

from __future__ import annotations

import contextlib
import copy
import io
import math
from typing import Any

import numpy as np
import pytest

from armature.bench.cases import make_case
from armature.errors import UserError
from armature.evaluation import oks, pck, verify
from armature.evaluation.crowd_index import computed_index, crowd_index
from armature.evaluation.judge import Judge
from armature.evaluation.results import Predictions, Truth
from armature.evaluation.slices import KINDS, SliceTable, count_overlaps, judge_slices
from armature.skeletons import make

SIGMAS = np.random.default_rng(17).uniform(0.03, 0.11, 17)
Files = tuple[dict[str, Any], list[dict[str, Any]]]


@pytest.fixture(scope="module")
def files() -> Files:
    truth, results = make_case(60, 150, 12, crowds=0.08, seed=4)
    for row in truth["annotations"]:  # bodies near each other, and some at the border
        row["bbox"][0] = round(row["bbox"][0] * 0.9, 2)
    return truth, results


def judged(files: Files, **options: Any) -> tuple[Truth, Predictions, SliceTable]:
    truth = Truth.from_coco(files[0])
    predictions = Predictions.from_coco(files[1], truth)
    matches = oks.match(truth, predictions, SIGMAS)
    localisation = pck.localise(truth, predictions, matches)
    return truth, predictions, judge_slices(truth, predictions, matches, localisation, **options)


def reference(files: Files, ids: set[int], images: list[int] | None = None, area: Any = None) -> tuple[float, float]:
    """AP and AR by pycocotools with all other people ignored (it ignores people without ``num_keypoints``)."""
    truth, results = copy.deepcopy(files)
    for row in truth["annotations"]:
        row["num_keypoints"] *= row["id"] in ids
    judge = verify.prepare(truth, results, SIGMAS, 20)
    if images is not None:
        judge.params.imgIds = images
    judge.params.areaRng, judge.params.areaRngLbl = [area or [0, 1e10]], ["all"]
    with contextlib.redirect_stdout(io.StringIO()):
        judge.evaluate()
        judge.accumulate()
    values = (judge.eval[kind] for kind in ("precision", "recall"))
    ap, ar = (float(v[v > -1].mean()) if (v > -1).any() else math.nan for v in values)
    return ap, ar


def people_of(table: SliceTable, label: str) -> np.ndarray:
    return next(part.people for part in table.slices if part.label == label)


def row_of(table: SliceTable, label: str) -> dict[str, Any]:
    return next(row for row in table.rows() if f"{row['kind']}:{row['name']}" == label)


@pytest.mark.parametrize("kind", ["keypoints", "occlusion", "crowding", "truncation"])
def test_a_slice_of_people_is_pycocotools_on_their_images_with_the_others_ignored(files: Files, kind: str) -> None:
    truth, _, table = judged(files, kinds=[kind])
    for part, row in zip(table.slices, table.rows(), strict=True):
        images = truth.image_ids[np.unique(truth.image[part.people])].tolist()
        if not images:
            assert math.isnan(row["AP"]) and math.isnan(row["OKS"]) and row["people"] == 0
            continue
        expected = reference(files, set(truth.ids[part.people].tolist()), images)
        assert (row["AP"], row["AR"]) == pytest.approx(expected, abs=1e-12), part.label
    assert sum(row["people"] > 3 for row in table.rows()) >= 2


def test_a_size_is_pycocotools_in_that_area_range(files: Files) -> None:
    truth, _, table = judged(files, kinds=["size"])
    bounds = [0, 32**2, 64**2, 96**2, 128**2, 1e10]
    everyone = set(truth.ids.tolist())
    for low, high, row in zip(bounds, bounds[1:], table.rows(), strict=False):
        expected = reference(files, everyone, area=[low, np.nextafter(high, 0)])
        assert (row["AP"], row["AR"]) == pytest.approx(expected, abs=1e-12), row["name"]
    assert [row["name"] for row in table.rows()] == ["<32^2", "32^2-64^2", "64^2-96^2", "96^2-128^2", ">=128^2"]


def test_crowded_images_are_pycocotools_on_these_images_alone(files: Files) -> None:
    truth, _, table = judged(files, kinds=["crowd_index"])
    index, everyone, seen = computed_index(truth), set(truth.ids.tolist()), 0
    levels = {"easy": index < 0.1, "medium": (index >= 0.1) & (index < 0.8), "hard": index >= 0.8}
    for row in table.rows():
        images = truth.image_ids[levels[row["name"]]].tolist()
        seen += len(images)
        if row["people"]:
            assert (row["AP"], row["AR"]) == pytest.approx(reference(files, everyone, images), abs=1e-12), row["name"]
    assert seen == 60 and sum(row["people"] > 10 for row in table.rows()) >= 2


@pytest.mark.parametrize("kind", KINDS)
def test_everybody_is_in_one_slice_of_a_kind(files: Files, kind: str) -> None:
    truth, _, table = judged(files, kinds=[kind])
    times = sum(part.people.astype(int) for part in table.slices)
    assert np.array_equal(times, (~truth.ignored).astype(int))


def test_mean_oks_and_pck_are_those_of_a_loop_over_the_people(files: Files) -> None:
    truth, predictions, table = judged(files, threshold=0.1)
    found = pck.localise(truth, predictions, oks.match(truth, predictions, SIGMAS))
    rows = {f"{row['kind']}:{row['name']}": row for row in table.rows()}
    for part in table.slices:
        similarity, right, labelled = [], 0, 0
        for i, person in enumerate(found.person):
            if part.people[person]:
                similarity.append(found.oks[i])
                labelled += int(found.labelled[i].sum())
                right += sum(d < 0.1 * truth.boxes[person, 2:].max() for d in found.distances[i])
        if similarity:
            assert rows[part.label]["OKS"] == pytest.approx(np.mean(similarity))
            assert rows[part.label]["PCK@0.1"] == pytest.approx(right / labelled)


def test_who_belongs_where_is_what_a_loop_says(files: Files) -> None:
    truth, _, table = judged(files)
    rows = {row["id"]: row for row in files[0]["annotations"]}
    for i, number in enumerate(truth.ids.tolist()):
        row = rows[number]
        if truth.ignored[i]:
            continue
        v = row["keypoints"][2::3]
        labelled, hidden = sum(x > 0 for x in v), sum(x == 1 for x in v)
        name = next(n for n, end in (("1-5", 5), ("6-10", 10), ("11-15", 15), ("16-17", 17)) if labelled <= end)
        assert people_of(table, f"keypoints:{name}")[i]
        share = hidden / labelled
        name = "none" if not hidden else "<1/4" if share < 0.25 else "1/4-1/2" if share < 0.5 else ">=1/2"
        assert people_of(table, f"occlusion:{name}")[i]
        x, y, w, h = row["bbox"]
        cut = x <= 1 or y <= 1 or x + w >= 639 or y + h >= 479
        assert people_of(table, f"truncation:{'yes' if cut else 'no'}")[i]
    assert row_of(table, "truncation:yes")["people"] > 5 and row_of(table, "truncation:no")["people"] > 5


def test_overlaps_are_counted_as_by_a_loop(files: Files) -> None:
    truth = Truth.from_coco(files[0])

    def iou(a: list[float], b: list[float]) -> float:
        w = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
        h = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
        shared = max(w, 0) * max(h, 0)
        return shared / (a[2] * a[3] + b[2] * b[3] - shared)

    rows = [(r["image_id"], r["bbox"], r["iscrowd"], r["id"]) for r in files[0]["annotations"]]
    expected = {
        number: 0 if crowd else sum(j == i and n != number and not c and iou(box, b) > 0.1 for j, b, c, n in rows)
        for i, box, crowd, number in rows
    }
    assert dict(zip(truth.ids.tolist(), count_overlaps(truth).tolist(), strict=True)) == expected
    assert max(expected.values()) >= 2


def test_the_crowd_index_is_the_papers_equation(files: Files) -> None:
    truth = Truth.from_coco(files[0])
    expected = []
    for image in truth.image_ids:
        people = [
            r for r in files[0]["annotations"] if r["image_id"] == image and r["num_keypoints"] and not r["iscrowd"]
        ]
        shares = []
        for one in people:
            x, y, w, h = one["bbox"]
            others = [r["keypoints"] for r in people if r is not one]
            points = [p[k : k + 3] for p in others for k in range(0, 51, 3)]
            inside = sum(v > 0 and x <= px <= x + w and y <= py <= y + h for px, py, v in points)
            shares.append(inside / one["num_keypoints"])
        expected.append(sum(shares) / len(shares) if shares else 0)
    np.testing.assert_allclose(computed_index(truth), expected, atol=1e-12)
    assert max(expected) > 0.5


def test_two_people_of_known_crowding() -> None:
    """A's box holds 2 of B's keypoints, B's holds none of A's: (2/4 + 0/2) / 2."""

    def annotation(number: int, triples: list[int], box: list[int]) -> dict[str, Any]:
        return {"id": number, "image_id": 1, "category_id": 1, "keypoints": triples, "bbox": box, "area": 1.0}

    a = annotation(1, [1, 1, 2, 2, 2, 2, 3, 3, 1, 4, 4, 2], [0, 0, 10, 10])
    b = annotation(2, [10, 10, 2, 9, 9, 1, 5, 5, 0, 0, 0, 0], [9, 9, 20, 20])
    kind = {"id": 1, "name": "x", "keypoints": list("abcd")}
    data = {"images": [{"id": 1}, {"id": 2}], "annotations": [a, b], "categories": [kind]}
    assert computed_index(Truth.from_coco(data)).tolist() == [0.25, 0.0]
    assert crowd_index(Truth.from_coco(data))[1] == "computed from the annotations"
    data["images"][0]["crowdIndex"] = 0.9
    index, source = crowd_index(Truth.from_coco(data))
    assert index.tolist() == [0.9, 0.0] and source == "crowdIndex of the file, computed for 1 images"
    data["images"][1]["crowdIndex"] = 0.7
    assert crowd_index(Truth.from_coco(data))[1] == "crowdIndex of the file"


def test_the_files_own_crowd_index_and_bounds_decide(files: Files) -> None:
    truth, results = copy.deepcopy(files[0]), files[1]
    for picture in truth["images"]:
        picture["crowdIndex"] = (picture["id"] % 10) / 10
    annotated, _, table = judged((truth, results), kinds=["crowd_index"], crowded=(0.2, 0.8))
    number = annotated.image_ids[annotated.image]
    assert np.array_equal(people_of(table, "crowd_index:easy"), (number % 10 < 2) & ~annotated.ignored)
    assert np.array_equal(people_of(table, "crowd_index:hard"), (number % 10 >= 8) & ~annotated.ignored)
    assert table.notes["crowd_index"] == "crowdIndex of the file; easy below 0.2, hard from 0.8"
    again = Truth.from_coco(annotated.to_coco())
    assert again.crowd_index is not None and np.array_equal(again.crowd_index, annotated.crowd_index)


def test_images_of_unknown_size_are_neither_whole_nor_cut(files: Files) -> None:
    truth = copy.deepcopy(files[0])
    for picture in truth["images"][:30]:
        del picture["height"], picture["width"]
    annotated, _, table = judged((truth, files[1]), kinds=["truncation"])
    lost = int(((annotated.image < 30) & ~annotated.ignored).sum())
    assert sum(row["people"] for row in table.rows()) == (~annotated.ignored).sum() - lost
    assert lost and table.notes["truncation"] == f"{lost} people in images of unknown size left out"


@pytest.mark.parametrize(
    ("keypoints", "names"), [(4, ["1", "2", "3-4"]), (14, ["1-4", "5-8", "9-12", "13-14"]), (1, ["1"])]
)
def test_numbers_of_keypoints_follow_the_skeleton(keypoints: int, names: list[str]) -> None:
    truth = Truth.from_coco(make_case(5, 10, 1, keypoints=keypoints)[0])
    parts, _ = KINDS["keypoints"](truth, Predictions.from_coco([], truth), (0.1, 0.8))
    assert [part.name for part in parts] == names


def test_weights_count_images_as_copies_of_them_would(files: Files) -> None:
    _, _, table = judged(files)
    weights = np.random.default_rng(0).integers(0, 3, 60)
    truth, results = files
    copies: dict[str, Any] = truth | {"images": [], "annotations": []}
    found = []
    for new, old in enumerate(np.repeat(np.arange(60), weights).tolist(), start=1):
        copies["images"].append(truth["images"][old] | {"id": new})
        mine = [a for a in truth["annotations"] if a["image_id"] == old + 1]
        copies["annotations"] += [a | {"id": 1000 * new + i, "image_id": new} for i, a in enumerate(mine)]
        found += [r | {"image_id": new} for r in results if r["image_id"] == old + 1]
    expected = judged((copies, found))[2].rows()
    for row, wanted in zip(table.rows(weights), expected, strict=True):
        for name in ("AP", "AR", "OKS", "PCK@0.2"):
            assert row[name] == pytest.approx(wanted[name], abs=1e-12, nan_ok=True), row


def test_the_plain_judgement_is_untouched_and_a_judge_uses_its_own_area(files: Files) -> None:
    truth = Truth.from_coco(files[0])
    predictions = Predictions.from_coco(files[1], truth)
    names = list(truth.names)
    judge = Judge(make("many", names, sigmas=SIGMAS.tolist()), area="box*0.53")
    verdict = judge(truth, predictions)
    table = judge.slices(truth, predictions, verdict)
    assert verdict.numbers["AP"] == oks.evaluate(truth.with_areas("box*0.53"), predictions, SIGMAS)["AP"]
    boxes = truth.boxes[:, 2] * truth.boxes[:, 3] * 0.53
    assert np.array_equal(people_of(table, "size:<32^2"), (boxes < 32**2) & ~truth.ignored)
    assert table.notes["size"] == "box*0.53 (truth), keypoints (predictions)"


def test_nobody_annotated_and_nobody_found() -> None:
    truth, results = make_case(3, 6, 2)
    for files in ((truth | {"annotations": []}, results), (truth, [])):
        rows = judged(files)[2].rows()
        assert len(rows) == 22
        assert all(math.isnan(row["AP"]) if not row["people"] else row["AP"] == 0.0 for row in rows)


def test_an_unknown_kind_is_named(files: Files) -> None:
    with pytest.raises(UserError, match="no kind 'colour'; known: size, keypoints"):
        judged(files, kinds=["colour"])
