"""Annotations and predictions between files, records, poses and flat arrays; and files that are wrong."""

from __future__ import annotations

import copy
import gc
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pycocotools.coco import COCO

from armature.bench.cases import make_case
from armature.errors import DataError, UserError
from armature.evaluation.results import Predictions, Truth
from armature.skeletons import make
from armature.structures import Poses, Record


def small() -> tuple[dict[str, Any], list[dict[str, Any]]]:
    return make_case(4, 8, 2, keypoints=3, seed=1)


def record(image_id: int, people: int, count: int = 3) -> Record:
    rng = np.random.default_rng(image_id)
    corners = rng.uniform(0, 50, (people, 2))
    return Record(
        image_id=image_id,
        file=f"{image_id}.png",
        size=(60, 80),
        keypoints=rng.uniform(0, 60, (people, count, 2)),
        visibility=rng.integers(0, 3, (people, count)),
        boxes=np.concatenate([corners, corners + 20], 1),
        areas=np.full(people, 300.0),
        crowd=np.arange(people) == 1,
        annotation_ids=np.arange(people) + 10 * image_id,
    )


def poses(people: int, count: int = 3) -> Poses:
    generator = torch.Generator().manual_seed(people)
    shapes = ((people, count, 2), (people, count), (people, 4), (people,))
    return Poses(*(torch.rand(shape, generator=generator) * 100 for shape in shapes))


def test_truth_of_a_file_keeps_its_numbers_and_groups_by_image(tmp_path: Path) -> None:
    data, _ = small()
    data["images"].reverse()
    (tmp_path / "truth.json").write_text(json.dumps(data))
    truth = Truth.from_coco(tmp_path / "truth.json")
    assert truth.image_ids.tolist() == [1, 2, 3, 4]
    assert truth.files[0] == "000000000001.jpg"
    by_id = {a["id"]: a for a in data["annotations"]}
    for i, number in enumerate(truth.ids.tolist()):
        annotation = by_id[number]
        assert truth.image_ids[truth.image[i]] == annotation["image_id"]
        triples = np.concatenate([truth.keypoints[i], truth.visibility[i][:, None]], 1)
        assert triples.ravel().tolist() == annotation["keypoints"]
        assert truth.boxes[i].tolist() == annotation["bbox"] and truth.areas[i] == annotation["area"]
    assert (np.diff(truth.image) >= 0).all()


def test_truth_goes_to_coco_and_back() -> None:
    truth = Truth.from_coco(small()[0])
    again = Truth.from_coco(json.loads(json.dumps(truth.to_coco())))
    for name, value in vars(truth).items():
        assert np.array_equal(getattr(again, name), value), name


def test_records_lose_their_half_pixel() -> None:
    skeleton = make("three", ["a", "b", "c"])
    records = [record(7, 2), record(3, 0), record(5, 1)]
    truth = Truth.from_records(records, skeleton)
    assert truth.image_ids.tolist() == [3, 5, 7] and truth.image.tolist() == [1, 2, 2]
    np.testing.assert_allclose(truth.keypoints[1:], records[0].keypoints - 0.5)
    np.testing.assert_allclose(truth.boxes[1:, 2:], 20)
    np.testing.assert_array_equal(truth.labelled[1:], (records[0].visibility > 0).sum(1))
    assert truth.crowd.tolist() == [False, False, True] and truth.sizes[0].tolist() == [60, 80]


def test_no_person_anywhere_is_truth_too() -> None:
    truth = Truth.from_records([record(3, 0)], make("three", ["a", "b", "c"]))
    assert len(truth) == 0 and truth.keypoints.shape == (0, 3, 2)


def test_records_of_another_skeleton_are_refused() -> None:
    with pytest.raises(DataError, match=r"7\.png.*skeleton 'two' has 2"):
        Truth.from_records([record(7, 2)], make("two", ["a", "b"]))
    with pytest.raises(DataError, match="image_id 7 comes 2 times"):
        Truth.from_records([record(7, 1), record(7, 1)], make("three", ["a", "b", "c"]))


@pytest.mark.parametrize(("source", "factor"), [("box", 1.0), ("box*0.53", 0.53)])
def test_areas_can_come_from_the_box(source: str, factor: float) -> None:
    truth = Truth.from_coco(small()[0])
    np.testing.assert_allclose(truth.with_areas(source).areas, truth.boxes[:, 2] * truth.boxes[:, 3] * factor)
    assert truth.with_areas("annotation") is truth
    with pytest.raises(UserError, match="'bbox' is unknown"):
        truth.with_areas("bbox")


def test_poses_become_pixel_indices_and_results_of_their_image() -> None:
    found = [poses(2), poses(0), poses(3)]
    predictions = Predictions.from_poses(found, [9, 4, 1])
    assert predictions.image_ids.tolist() == [9, 9, 1, 1, 1]
    np.testing.assert_allclose(predictions.keypoints[2:], found[2].keypoints.numpy() - 0.5, atol=6e-4)
    np.testing.assert_array_equal(predictions.scores[:2], found[0].scores.numpy())
    first = predictions.to_coco(category=3)[0]
    assert first["image_id"] == 9 and first["category_id"] == 3 and "bbox" not in first
    assert first["keypoints"][:2] == predictions.keypoints[0, 0].tolist()
    assert first["box"] == pytest.approx(found[0].boxes[0].tolist(), abs=1e-3)


def test_a_light_in_the_first_pixel_is_at_zero_in_the_file() -> None:
    one = Poses(torch.full((1, 3, 2), 0.5), torch.ones(1, 3), torch.tensor([[0.0, 0, 1, 1]]), torch.ones(1))
    assert Predictions.from_poses([one], [1]).to_coco()[0]["keypoints"] == [0.0, 0.0, 1.0] * 3


def test_a_saved_file_gives_the_same_predictions(tmp_path: Path) -> None:
    truth = Truth.from_coco(small()[0])
    predictions = Predictions.from_poses([poses(2), poses(3)], [1, 4])
    predictions.save(tmp_path / "predictions.json")
    again = Predictions.from_coco(tmp_path / "predictions.json", truth)
    for name, value in vars(predictions).items():
        assert np.array_equal(getattr(again, name), value), name
    assert [p.name for p in tmp_path.iterdir()] == ["predictions.json"]


def test_poses_that_are_not_numbers_are_refused() -> None:
    found = poses(2)
    found.keypoints[1, 0, 0] = math.nan
    with pytest.raises(DataError, match="image 4: 1 predictions with NaN"):
        Predictions.from_poses([found], [4])


@pytest.mark.parametrize("boxed", [False, True])
def test_a_results_file_gives_what_pycocotools_reads(boxed: bool, tmp_path: Path) -> None:
    data, results = small()
    if boxed:
        for i, row in enumerate(results):
            row["bbox"] = [i, 2 * i, 10.5, 20.25 + i]
    for name, content in (("truth", data), ("results", results)):
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    theirs = COCO(str(tmp_path / "truth.json")).loadRes(str(tmp_path / "results.json")).dataset["annotations"]
    ours = Predictions.from_coco(tmp_path / "results.json", Truth.from_coco(tmp_path / "truth.json"))
    assert ours.image_ids.tolist() == [row["image_id"] for row in theirs]
    assert ours.scores.tolist() == [row["score"] for row in theirs]
    assert ours.areas.tolist() == [row["area"] for row in theirs]
    triples = np.concatenate([ours.keypoints, ours.keypoint_scores[:, :, None]], 2).reshape(len(ours), -1)
    assert triples.tolist() == [row["keypoints"] for row in theirs]


def test_no_result_at_all_is_read(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text("[]")
    found = Predictions.from_coco(tmp_path / "results.json", Truth.from_coco(small()[0]))
    assert len(found) == 0 and found.keypoints.shape == (0, 3, 2) and found.boxes.shape == (0, 4)


def test_reading_leaves_the_collector_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text("[1")
    truth = Truth.from_coco(small()[0])
    for enabled in (False, True):
        (gc.enable if enabled else gc.disable)()
        with pytest.raises(DataError):
            Predictions.from_coco(tmp_path / "results.json", truth)
        assert gc.isenabled() is enabled


def broken_results() -> dict[str, tuple[Any, str]]:
    good = small()[1]

    def changed(**fields: Any) -> list[dict[str, Any]]:
        rows = copy.deepcopy(good)
        rows[3].update(fields)
        return rows

    nan = copy.deepcopy(good[0]["keypoints"])
    nan[4] = math.nan
    return {
        "not a list": ({"annotations": []}, "expected a list of results, found an object"),
        "nan": (changed(keypoints=nan), r"\[3\]\.keypoints is nan"),
        "infinite score": (changed(score=math.inf), r"\[3\]\.score is inf"),
        "score as text": (changed(score="high"), r"\[3\]\.score must hold numbers"),
        "score null": (changed(score=None), r"\[3\]\.score must hold numbers; found null"),
        "score as a number in quotes": (changed(score="0.9"), r"\[3\]\.score must hold numbers; found str '0\.9'"),
        "keypoint in quotes": (
            changed(keypoints=[1] * 8 + ["1"]),
            r"\[3\]\.keypoints must hold numbers; found str '1'",
        ),
        "score beyond floats": (changed(score=10**400), r"\[3\]\.score is 1000+; only finite numbers"),
        "image beyond integers": (changed(image_id=2**63), r"\[3\]\.image_id must be a whole number of 64 bits"),
        "too few": (changed(keypoints=[1, 2, 3]), r"\[3\]\.keypoints must be 9 numbers \(3 keypoints .*list of 3"),
        "no list": (changed(keypoints=5), r"\[3\]\.keypoints must be 9 numbers"),
        "unknown image": (changed(image_id=99), r"\[3\]\.image_id is 99, which is no image .*4 images"),
        "image as text": (changed(image_id="1"), r"\[3\]\.image_id must be a whole number; found str '1'"),
        "other category": (changed(category_id=2), r"\[3\]\.category_id is 2; 1 of 8 .*asked for, 1 \('person'\)"),
        "no object": ([*good, 5], r"\[8\]\.image_id must be a whole number"),
        "missing": ([{k: v for k, v in row.items() if k != "score"} for row in good], r"\[0\]\.score is missing"),
    }


@pytest.mark.parametrize("name", broken_results())
def test_broken_results_name_the_file_and_the_field(name: str, tmp_path: Path) -> None:
    rows, message = broken_results()[name]
    (tmp_path / "results.json").write_text(json.dumps(rows))
    with pytest.raises(DataError, match=r"results\.json.*" + message):
        Predictions.from_coco(tmp_path / "results.json", Truth.from_coco(small()[0]))


def test_files_that_are_no_json_are_named(tmp_path: Path) -> None:
    truth = Truth.from_coco(small()[0])
    (tmp_path / "results.json").write_text('[{"image_id": 1,')
    with pytest.raises(DataError, match=r"results\.json: is not JSON: .*line 1 column"):
        Predictions.from_coco(tmp_path / "results.json", truth)
    (tmp_path / "results.json").write_bytes(b"\xff\xd8\xff\xe0 a picture")
    with pytest.raises(DataError, match=r"results\.json: is not JSON"):
        Predictions.from_coco(tmp_path / "results.json", truth)
    with pytest.raises(DataError, match=r"nowhere\.json: cannot be read: No such file"):
        Truth.from_coco(tmp_path / "nowhere.json")


def broken_truths() -> dict[str, tuple[dict[str, Any], str]]:
    def changed(**fields: Any) -> dict[str, Any]:
        data = small()[0]
        data["annotations"][2].update(fields)
        return data

    data, several = small()[0], small()[0]
    several["categories"].append({"id": 2, "name": "dog", "keypoints": ["nose", "tail", "paw"]})
    return {
        "annotation ids twice": (changed(id=1), "annotations: id 1 comes 2 times"),
        "image ids twice": ({**data, "images": data["images"] * 2}, "images: id 1 comes 2 times"),
        "no such image": (changed(image_id=50), r"annotations\[2\]\.image_id is 50, which is no image"),
        "area is nan": (changed(area=math.nan), r"annotations\[id 3\]\.area is nan"),
        "no images": ({"annotations": [], "categories": []}, "'images' must be a list; found only"),
        "two kinds": (several, r"2 categories with keypoints, expected one; .*2 'dog' \(3 keypoints\)"),
        "wrong count": (changed(keypoints=[0, 0, 0]), r"annotations\[id 3\]\.keypoints must be 9 numbers"),
    }


@pytest.mark.parametrize("name", broken_truths())
def test_broken_annotations_name_the_field(name: str, tmp_path: Path) -> None:
    data, message = broken_truths()[name]
    (tmp_path / "truth.json").write_text(json.dumps(data))
    with pytest.raises(DataError, match=r"truth\.json: " + message):
        Truth.from_coco(tmp_path / "truth.json")


def test_the_category_asked_for_is_taken() -> None:
    data = small()[0]
    data["categories"].append({"id": 2, "name": "dog", "keypoints": ["nose", "tail", "paw"]})
    data["annotations"][0]["category_id"] = 2
    assert Truth.from_coco(data, "dog").ids.tolist() == [1]
    assert len(Truth.from_coco(data, 1)) == len(data["annotations"]) - 1
    with pytest.raises(DataError, match="0 categories 'cat'"):
        Truth.from_coco(data, "cat")
