"""``armature data sigmas``: from files and runs to a table, a curve and a skeleton file."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from armature import cli
from armature.skeletons import load
from armature.structures import Record

KNOWN = np.array([0.03, 0.06, 0.06])
SKELETON = """# Three points of a mouse; nobody has published sigmas.
_target_: armature.skeletons.make
name: trio
keypoints: [snout, left_ear, right_ear]
edges: [[snout, left_ear], [snout, right_ear]]
"""


def people(count: int = 300) -> list[dict[str, Any]]:
    rng = np.random.default_rng(0)
    return [
        {"image_id": i + 1, "side": side, "points": side * rng.random((3, 2))}
        for i, side in enumerate(rng.uniform(50, 150, count).tolist())
    ]


def triples(person: dict[str, Any], rng: np.random.Generator) -> list[float]:
    """The person's keypoints as an annotator with ``KNOWN`` sigmas (both axes together) places them."""
    off = rng.normal(size=(3, 2)) * (KNOWN / math.sqrt(2) * person["side"])[:, None]
    return np.concatenate([person["points"] + off, np.full((3, 1), 2)], 1).ravel().tolist()


def annotations(path: Path, seed: int, names: tuple[str, ...] = ("snout", "left_ear", "right_ear")) -> Path:
    rng = np.random.default_rng(seed)
    rows = [
        {
            "id": i + 1,
            "image_id": person["image_id"],
            "category_id": 1,
            "keypoints": triples(person, rng),
            "num_keypoints": 3,
            "bbox": [0, 0, person["side"], person["side"]],
            "area": person["side"] ** 2,
            "iscrowd": 0,
        }
        for i, person in enumerate(people())
    ]
    kind = {"id": 1, "name": "mouse", "keypoints": list(names)}
    images = [{"id": person["image_id"]} for person in people()]
    path.write_text(json.dumps({"images": images, "annotations": rows, "categories": [kind]}))
    return path


def results(path: Path, seed: int) -> Path:
    rng = np.random.default_rng(seed)
    rows = [{"image_id": p["image_id"], "category_id": 1, "keypoints": triples(p, rng), "score": 1} for p in people()]
    path.write_text(json.dumps(rows))
    return path


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    annotations(tmp_path / "anna.json", 1)
    annotations(tmp_path / "ben.json", 2)
    results(tmp_path / "network.json", 3)
    (tmp_path / "trio.yaml").write_text(SKELETON)
    return tmp_path


def call(*overrides: str) -> int:
    return cli.main(["data", "sigmas", "resamples=50", *overrides])


def test_two_annotations_give_sigmas_in_the_skeletons_own_file(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("annotations=anna.json", "second=ben.json", "file=trio.yaml", "write=true") == 0
    shown = capsys.readouterr().out
    assert "300 people in 300 images" in shown and "left_ear" in shown and "upper bound" not in shown
    assert "line 1" in shown  # the comment that says there are none
    written = (files / "trio.yaml").read_text()
    assert written.startswith(SKELETON) and "from anna.json and ben.json, two annotations" in written
    np.testing.assert_allclose(load(files / "trio.yaml").sigmas, KNOWN, rtol=0.15)


def test_predictions_give_an_upper_bound_and_the_curve(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["annotations=anna.json", "predictions=network.json", "file=trio.yaml", "output=new.yaml"]
    assert call(*arguments, "report=out", "robust=true") == 0
    shown = capsys.readouterr().out
    assert "upper bounds" in shown and "<= sigma" in shown
    assert (files / "trio.yaml").read_text() == SKELETON and "as upper bounds" in (files / "new.yaml").read_text()
    said = json.loads((files / "out" / "sigmas.json").read_text())
    assert (
        said["upper_bound"]
        and said["robust"]
        and [row["keypoint"] for row in said["keypoints"]]
        == [
            "snout",
            "left_ear",
            "right_ear",
        ]
    )
    bounds = [row["sigma"] for row in said["keypoints"]]
    np.testing.assert_allclose(bounds, math.sqrt(2) * KNOWN, rtol=0.2)
    assert set(said["curves"]) == {"the default sigma", "the estimated upper bounds"}
    for curve in said["curves"].values():
        assert curve["AP"] == sorted(curve["AP"]) and curve["AP"][0] < curve["AP"][-1]
    assert (files / "out" / "sigma_curve.png").read_bytes()[:4] == b"\x89PNG"
    assert "<svg" in (files / "out" / "sigma_curve.svg").read_text()


def a_run(folder: Path, skeleton: dict[str, Any], **config: Any) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump({"skeleton": skeleton, **config}))
    results(folder / "predictions.json", 3)
    return folder


def test_a_run_needs_nothing_but_its_files(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = a_run(files / "runs" / "mice" / "one", yaml.safe_load(SKELETON))
    annotations(run / "truth.json", 1)
    assert call(f"run={run}", "file=trio.yaml", "output=new.yaml") == 0
    assert "trio: residuals of mice/one" in capsys.readouterr().out
    assert "upper bounds from residuals of mice/one" in (files / "new.yaml").read_text()


def test_a_run_without_a_copy_of_its_annotations_is_judged_by_its_data(
    files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from armature import assembly

    class Data:
        def val_records(self) -> list[Record]:
            rng = np.random.default_rng(1)
            return [
                Record(
                    image_id=p["image_id"],
                    file="",
                    size=(200, 200),
                    keypoints=np.array(triples(p, rng)).reshape(1, 3, 3)[:, :, :2] + 0.5,
                    visibility=np.full((1, 3), 2),
                    boxes=np.array([[0, 0, p["side"], p["side"]]]),
                    areas=np.array([p["side"] ** 2]),
                    crowd=np.zeros(1, bool),
                    annotation_ids=np.array([p["image_id"]]),
                )
                for p in people()
            ]

    monkeypatch.setattr(assembly, "data", lambda config: Data())
    run = a_run(files / "runs" / "mice" / "one", yaml.safe_load(SKELETON))
    assert call(f"run={run}", "report=without") == 0
    annotations(run / "truth.json", 1)
    assert call(f"run={run}", "report=with") == 0
    without, with_copy = (json.loads((files / name / "sigmas.json").read_text()) for name in ("without", "with"))
    for a, b in zip(without["keypoints"], with_copy["keypoints"], strict=True):
        assert a["sigma"] == pytest.approx(b["sigma"], rel=1e-9)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ([], "found none of them"),
        (["annotations=anna.json"], "found annotations=anna.json"),
        (["run=runs", "annotations=anna.json", "second=ben.json"], "data sigmas needs"),
        (["annotations=anna.json", "second=ben.json"], "those of skeleton 'coco_person'"),
        (["annotations=anna.json", "second=ben.json", "file=trio.yaml", "write=true", "output=x"], "give one of them"),
        (["annotations=anna.json", "second=none.json", "file=trio.yaml"], "none.json: cannot be read"),
        (["annotations=anna.json", "second=ben.json", "file=trio.yaml", "level=95"], "level must lie"),
        (["run=nowhere"], "run nowhere: no such folder"),
    ],
)
def test_mistakes_are_named(
    overrides: list[str], message: str, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(*overrides) == 2
    assert message in capsys.readouterr().err
    assert (files / "trio.yaml").read_text() == SKELETON


def test_a_file_of_other_keypoints_is_not_written(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = a_run(files / "runs" / "mice" / "one", yaml.safe_load(SKELETON.replace("snout", "nose")))
    annotations(run / "truth.json", 1, ("nose", "left_ear", "right_ear"))
    assert call(f"run={run}", "file=trio.yaml", "write=true") == 2
    assert "is for the keypoints ['snout'" in capsys.readouterr().err
    assert (files / "trio.yaml").read_text() == SKELETON


def test_a_keypoint_without_pairs_leaves_the_file_alone(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = json.loads((files / "ben.json").read_text())
    for row in data["annotations"]:
        row["keypoints"][8] = 0
    (files / "ben.json").write_text(json.dumps(data))
    assert call("annotations=anna.json", "second=ben.json", "file=trio.yaml", "write=true") == 2
    shown = capsys.readouterr()
    assert "there is no sigma for right_ear" in shown.err and "fewer than 30 pairs, so rough: right_ear" in shown.out
    assert (files / "trio.yaml").read_text() == SKELETON
