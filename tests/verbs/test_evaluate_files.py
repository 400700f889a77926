"""``armature evaluate predictions=... annotations=...``: files that are wrong; choices that are named and counted."""

from __future__ import annotations

import copy
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from armature import cli, config_folders
from armature.bench.cases import make_case
from armature.evaluation import oks
from armature.evaluation.judge import count_duplicates
from armature.evaluation.results import Predictions, Truth
from armature.skeletons import load

SKELETON = load(config_folders.project() / "skeleton" / "coco_person.yaml")


def files() -> tuple[dict[str, Any], list[dict[str, Any]]]:
    truth, results = make_case(20, 50, 5, seed=3)
    truth["categories"][0]["keypoints"] = list(SKELETON.keypoints)
    return truth, results


def evaluate(folder: Path, truth: Any, results: Any, *overrides: str) -> tuple[int, dict[str, Any]]:
    """The exit code, and metrics.json where there is one."""
    for name, data in (("truth.json", truth), ("results.json", results)):
        (folder / name).write_text(json.dumps(data))
    given = [f"predictions={folder / 'results.json'}", f"annotations={folder / 'truth.json'}", f"output={folder}"]
    code = cli.main(["evaluate", *given, *overrides])
    written = folder / "metrics.json"
    return code, json.loads(written.read_text()) if written.is_file() else {}


def changed(**fields: Any) -> list[dict[str, Any]]:
    rows = files()[1]
    rows[3].update(fields)
    return rows


def without(field: str) -> list[dict[str, Any]]:
    return [{k: v for k, v in row.items() if k != field} for row in files()[1]]


@pytest.mark.parametrize(
    ("results", "message"),
    [
        (changed(image_id=99), "results.json[3].image_id is 99, which is no image of the annotations"),
        (without("score"), "results.json[0].score is missing"),
        (changed(score=math.nan), "results.json[3].score is nan"),
        (changed(keypoints=[math.nan, *([1.0] * 50)]), "results.json[3].keypoints is nan"),
        (changed(keypoints=[1.0] * 42), "results.json[3].keypoints must be 51 numbers"),
    ],
    ids=["unknown image", "no score", "nan score", "nan keypoint", "wrong count"],
)
def test_results_that_cannot_be_judged_are_named(
    results: Any, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, written = evaluate(tmp_path, files()[0], results)
    assert code == 2 and not written
    assert message in capsys.readouterr().err


def test_another_skeleton_than_the_files_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _ = evaluate(tmp_path, *files(), "skeleton=coco_foot")
    assert code == 2 and "23 sigmas for 17 keypoints" in capsys.readouterr().err


def test_no_result_at_all_has_found_nobody(tmp_path: Path) -> None:
    code, written = evaluate(tmp_path, files()[0], [], "slices=true", "+measure@measures.PCKt=pck_torso")
    numbers = written["metrics"]
    assert code == 0 and written["protocol"]["detections"] == 0 and written["protocol"]["people"] > 0
    assert numbers["val/AP"] == numbers["val/AR"] == numbers["val/PCK@0.2"] == numbers["val/matched"] == 0.0
    assert numbers["val/PCKt@0.2"] == 0.0 and numbers["val/error/mean"] is None
    assert {row["AP"] for row in written["slices"] if row["people"]} == {0.0}


def test_annotations_without_area_need_another_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth, results = files()
    boxes = copy.deepcopy(truth)
    for row in boxes["annotations"]:
        row["area"] = row["bbox"][2] * row["bbox"][3]
    for row in truth["annotations"]:
        del row["area"]
    code, _ = evaluate(tmp_path, truth, results)
    said = capsys.readouterr().err
    assert code == 2 and "50 of 50 annotations have no 'area'" in said and "area=box or area=box*0.53" in said
    for area in ("box", "box*0.53"):
        code, written = evaluate(tmp_path, truth, results, f"area={area}", "verify=true", "slices=true")
        assert code == 0 and written["verified"]["equal"] and written["protocol"]["area"].startswith(area)
    annotated = Truth.from_coco(boxes)
    expected = oks.evaluate(annotated, Predictions.from_coco(results, annotated), np.array(SKELETON.sigmas))["AP"]
    assert evaluate(tmp_path, truth, results, "area=box")[1]["metrics"]["val/AP"] == expected > 0


def test_one_person_without_area_is_named_by_its_id(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth, results = files()
    del truth["annotations"][7]["area"]
    assert evaluate(tmp_path, truth, results)[0] == 2
    assert "1 of 50 annotations have no 'area' (the first has id 8)" in capsys.readouterr().err
    assert "area" not in Truth.from_coco(truth).to_coco()["annotations"][list(Truth.from_coco(truth).ids).index(8)]


def test_repeated_predictions_are_judged_counted_and_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth, results = files()
    near = copy.deepcopy(results[0])
    near["keypoints"][0] += 0.01  # another place, and so no repetition
    twice = [*results, *copy.deepcopy(results[:4]), copy.deepcopy(results[0]), near, results[1] | {"score": 0.987}]
    code, written = evaluate(tmp_path, truth, twice, "verify=true")
    assert code == 0 and written["protocol"]["duplicate_detections"] == 5
    assert written["verified"]["equal"], "kept, as pycocotools keeps them"
    assert written["protocol"]["duplicates"] == "kept and judged like any other prediction, as COCO does"
    assert "5 predictions repeat another one" in capsys.readouterr().out
    assert evaluate(tmp_path, truth, results)[1]["protocol"]["duplicate_detections"] == 0


@pytest.mark.parametrize("seed", range(3))
def test_repetitions_are_those_of_a_set(seed: int) -> None:
    truth, results = make_case(6, 10, 6, keypoints=2, seed=seed)
    rng = np.random.default_rng(seed)
    for row in results:
        row["score"], row["image_id"] = float(rng.integers(1, 3)), int(rng.integers(1, 4))
        row["keypoints"] = [*rng.integers(0, 2, 2).tolist(), 0.5, 0, 0, 0.5]
    predictions = Predictions.from_coco(results, Truth.from_coco(truth))
    seen = {(r["image_id"], r["score"], *r["keypoints"]) for r in results}
    assert count_duplicates(predictions) == len(results) - len(seen) > 0


def test_measures_and_the_primary_metric_come_from_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, written = evaluate(tmp_path, *files(), "+measure@measures.NME=nme_box", "primary=val/NME")
    assert code == 0 and written["primary"] == "val/NME" and written["metrics"]["val/NME"] > 0
    assert written["metrics"]["val/NME/group:wrists"] > 0
    assert written["protocol"]["measures"]["NME"]["rule"].endswith("square root of the area of the annotated box")
    shown = [line.split() for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert ["val", "NME", "AP"] in [row[:3] for row in shown] and "group:wrists" not in str(shown)


def test_a_measure_of_another_skeleton_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _ = evaluate(tmp_path, *files(), "+measure@measures.NME=nme_outer_eyes")
    assert code == 2 and "measure 'NME': normaliser names 'right_eye_outer'" in capsys.readouterr().err


def test_slices_are_shown_and_written_where_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, written = evaluate(tmp_path, *files(), "slices=true", "crowded=[0.2,0.8]")
    assert code == 0 and {row["kind"] for row in written["slices"]} >= {"size", "crowding", "crowd_index"}
    assert written["protocol"]["slices"]["crowd_index"].endswith("easy below 0.2, hard from 0.8")
    assert "32^2-64^2" in capsys.readouterr().out
    assert "slices" not in evaluate(tmp_path, *files())[1]
