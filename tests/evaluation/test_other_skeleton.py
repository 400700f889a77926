"""Predictions with one skeleton's keypoints judged against annotations with another's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from armature import cli, config_folders
from armature.bench.cases import make_case
from armature.errors import DataError
from armature.evaluation.other_skeleton import align, map_predictions
from armature.evaluation.results import Predictions, Truth
from armature.skeleton_mapping import between
from armature.skeletons import SkeletonError, load, make

FOLDER = config_folders.project() / "skeleton"
PERSON, LSP, MPII, OPENPOSE = (load(FOLDER / f"{n}.yaml") for n in ("coco_person", "lsp", "mpii", "openpose_18"))


def case() -> tuple[dict[str, Any], list[dict[str, Any]]]:
    truth, results = make_case(20, 60, 5, seed=3)
    truth["categories"][0]["keypoints"] = list(PERSON.keypoints)
    return truth, results


def rearranged(values: list[float], names: tuple[str, ...], filler: float = 0.0) -> list[float]:
    """Triples of COCO's 17 points in the order of other names; ``filler`` three times for points COCO has not."""
    triples = np.array(values).reshape(17, 3).tolist()
    place = {name: i for i, name in enumerate(PERSON.keypoints)}
    return [v for name in names for v in (triples[place[name]] if name in place else [filler] * 3)]


def as_lsp(truth: dict[str, Any]) -> dict[str, Any]:
    """The annotations as LSP would have them: other points, other order, and twelve in common."""
    people = [a | {"keypoints": rearranged(a["keypoints"], LSP.keypoints)} for a in truth["annotations"]]
    for a in people:
        a["num_keypoints"] = sum(v > 0 for v in a["keypoints"][2::3])
    return truth | {"annotations": people, "categories": [{"id": 1, "name": "x", "keypoints": list(LSP.keypoints)}]}


def judged_by_pycocotools(truth: dict[str, Any], results: list[dict[str, Any]], names: list[str]) -> dict[str, float]:
    """AP and AR over some of COCO's points, cut out of both files by hand."""
    kept = [PERSON.keypoints.index(name) for name in names]

    def cut(values: list[float]) -> list[float]:
        return np.array(values).reshape(17, 3)[kept].reshape(-1).tolist()

    people = [a | {"keypoints": cut(a["keypoints"])} for a in truth["annotations"]]
    people = [a | {"num_keypoints": sum(v > 0 for v in a["keypoints"][2::3])} for a in people]
    gt = COCO()
    gt.dataset = truth | {"annotations": people}
    gt.createIndex()
    found = gt.loadRes(
        [{k: v for k, v in r.items() if k != "bbox"} | {"keypoints": cut(r["keypoints"])} for r in results]
    )
    evaluator = COCOeval(gt, found, "keypoints")
    evaluator.params.kpt_oks_sigmas = np.array([(PERSON.sigmas or ())[i] for i in kept])
    evaluator.evaluate()
    evaluator.accumulate()
    evaluator.summarize()
    return {"AP": evaluator.stats[0], "AP50": evaluator.stats[1], "APm": evaluator.stats[3], "AR": evaluator.stats[5]}


def evaluate(folder: Path, truth: Any, results: Any, *overrides: str) -> tuple[int, dict[str, Any]]:
    for name, data in (("truth.json", truth), ("results.json", results)):
        (folder / name).write_text(json.dumps(data))
    given = [f"predictions={folder / 'results.json'}", f"annotations={folder / 'truth.json'}", f"output={folder}"]
    code = cli.main(["evaluate", *given, *overrides])
    written = folder / "metrics.json"
    return code, json.loads(written.read_text()) if written.is_file() else {}


def test_what_both_have_is_judged_as_pycocotools_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """COCO's predictions, LSP's annotations, COCO's sigmas."""
    truth, results = case()
    code, written = evaluate(tmp_path, as_lsp(truth), results, "skeleton=coco_person", "predicted_skeleton=coco_person",
                             "verify=true")  # fmt: skip
    assert code == 0
    common = [name for name in PERSON.keypoints if name in LSP.keypoints]
    assert len(common) == 12
    expected = judged_by_pycocotools(truth, results, common)
    assert 0.01 < expected["AP"] < 0.99
    for name, value in expected.items():
        assert written["metrics"][f"val/{name}"] == pytest.approx(value, abs=1e-9)
    said = written["protocol"]["keypoints_judged"]
    assert said == "12 of 17 of coco_person; not annotated: nose, left_eye, right_eye, left_ear, right_ear"
    assert f"keypoints judged: {said}" in capsys.readouterr().out


def test_all_three_may_differ(tmp_path: Path) -> None:
    """OpenPose's predictions against LSP's annotations, in MPII's order and with MPII's sigmas."""
    truth, results = case()
    rows = [r | {"keypoints": rearranged(r["keypoints"], OPENPOSE.keypoints, 50.0)} for r in results]
    code, written = evaluate(tmp_path, as_lsp(truth), rows, "skeleton=mpii", "predicted_skeleton=openpose_18")
    # The necks: LSP's and OpenPose's are both MPII's upper_neck by name; nobody is annotated with one.
    assert code == 0 and written["protocol"]["keypoints_judged"].startswith("13 of 16 of mpii")
    names = [n for n in MPII.keypoints if n in PERSON.keypoints]
    reference = Truth.from_coco(truth)
    kept = [PERSON.keypoints.index(n) for n in names]
    aligned = align(Truth.from_coco(as_lsp(truth)), rows, OPENPOSE, MPII)
    of_names = [aligned.skeleton.keypoints.index(n) for n in names]
    order = [np.flatnonzero(reference.ids == i)[0] for i in aligned.truth.ids]
    seen = reference.visibility[order][:, kept]
    np.testing.assert_array_equal(aligned.truth.visibility[:, of_names], seen)
    points = np.where(seen[..., None] > 0, reference.keypoints[order][:, kept], 0)
    np.testing.assert_array_equal(aligned.truth.keypoints[:, of_names], points)
    np.testing.assert_array_equal(
        aligned.predictions.keypoints[:, of_names], Predictions.from_coco(results, reference).keypoints[:, kept]
    )


def test_middles_are_made_of_predictions_too(tmp_path: Path) -> None:
    truth, results = case()
    code, written = evaluate(tmp_path, truth, results, "skeleton=openpose_18", "predicted_skeleton=coco_person",
                             "derive_points=true")  # fmt: skip
    assert code == 0 and written["protocol"]["keypoints_judged"] == "18 of 18 of openpose_18"
    aligned = align(Truth.from_coco(truth), results, PERSON, OPENPOSE, derive=True)
    plain = Predictions.from_coco(results, Truth.from_coco(truth))
    np.testing.assert_allclose(aligned.predictions.keypoints[:, 1], plain.keypoints[:, [5, 6]].mean(1))
    np.testing.assert_array_equal(aligned.predictions.keypoint_scores[:, 1], plain.keypoint_scores[:, [5, 6]].min(1))


def test_people_without_a_common_point_are_ignored() -> None:
    truth, results = case()
    eyes = make("eyes", ["left_eye", "right_eye"])
    aligned = align(Truth.from_coco(truth), results, PERSON, eyes)
    flags = Truth.from_coco(truth)
    expected = np.where(flags.labelled > 0, (flags.visibility[:, [1, 2]] > 0).sum(1), 0)
    np.testing.assert_array_equal(aligned.truth.labelled, expected)
    assert (expected == 0).sum() > (flags.labelled == 0).sum()


def test_unnamed_annotations_are_the_judged_skeleton_s(tmp_path: Path) -> None:
    truth, results = case()
    del truth["categories"][0]["keypoints"]
    assert align(Truth.from_coco(truth), results, PERSON, PERSON).skeleton.count == 17
    with pytest.raises(DataError, match="do not name their 17 keypoints, and skeleton 'lsp' has 14"):
        align(Truth.from_coco(truth), results, PERSON, LSP)


def test_nothing_common_is_an_error() -> None:
    truth, results = case()
    with pytest.raises(SkeletonError, match="no keypoint in common"):
        align(Truth.from_coco(truth), results, PERSON, load(FOLDER / "hand_21.yaml"))
    mixed = make("mixed", ["nose", "tail"])
    with pytest.raises(DataError, match="is both annotated and predicted: 0 of 2 of mixed; not annotated: tail"):
        align(Truth.from_coco(truth), [], make("dog", ["tail"]), mixed)
    with pytest.raises(DataError, match="have no \\['neck'"):
        map_predictions(Predictions.from_coco(results, Truth.from_coco(truth)), between(PERSON, OPENPOSE))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["predicted_skeleton=coco_persn"], "no skeleton 'coco_persn', did you mean 'coco_person'"),
        (["predicted_skeleton=nowhere.yaml"], "no skeleton 'nowhere.yaml'; known: "),
        (["predicted_skeleton=lsp"], "must be 42 numbers"),
    ],
)
def test_mistakes_are_named(
    overrides: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, written = evaluate(tmp_path, *case(), *overrides)
    assert code == 2 and not written and message in capsys.readouterr().err
    assert cli.main(["evaluate", "run=x", "predicted_skeleton=lsp"]) == 2
    assert "predicted_skeleton goes with predictions" in capsys.readouterr().err


def test_a_file_of_one_s_own_is_a_skeleton_too(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(
        (FOLDER / "coco_person.yaml").read_text().replace("left_wrist", "LWrist").replace("right_wr", "r_wr")
    )
    file.write_text(file.read_text().replace("r_wrist", "RWrist") + "flip_pairs: []\n")
    code, written = evaluate(tmp_path, *case(), f"predicted_skeleton={file}")
    assert code == 0 and written["protocol"]["keypoints_judged"] == "17 of 17 of coco_person"
    code, plain = evaluate(tmp_path, *case())
    assert written["metrics"] == plain["metrics"]
