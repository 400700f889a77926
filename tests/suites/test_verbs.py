"""The commands from end to end: evaluate suite=... on a run, and probe on runs and detectors."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from armature import cli
from armature.suites import probing
from armature.suites.result import shown
from smallest import RUN

SMALL = [*RUN, "data.batch_size=8", "data.train.length=24", "data.val.length=6", "trainer.max_epochs=1", "pictures=1"]
FEW = ["suites.equivariance.rotations=[180]", "suites.equivariance.scales=[]", "suites.equivariance.lights=[]"]
FEW += ["suites.equivariance.shifts=[4]", "suites.corruptions.strengths=[3]", "suites.corruptions.kinds=[contrast]"]
FEW += ["suites.repeatability.rotations=[]", "suites.repeatability.scales=[]", "suites.repeatability.corruptions={}"]
FEW += ["suites.crowding.overlaps=[0.5]", *(f"suites.{s}.resamples=20" for s in ("equivariance", "corruptions"))]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    os.environ.pop("ARMATURE_RUN_ID", None)
    runs = tmp_path_factory.mktemp("runs")
    assert cli.main(["train", *SMALL, "logger=none", f"runs={runs}"]) == 0
    os.environ.pop("ARMATURE_RUN_ID", None)
    return next((runs / "default").iterdir())


@pytest.mark.slow
def test_a_suite_is_kept_beside_the_run_with_its_settings(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few = ["suite.rotations=[180]", "suite.scales=[]", "suite.lights=[]", "suite.seed=3", "suite.resamples=20"]
    assert cli.main(["evaluate", f"run={trained}", "suite=equivariance", *few, "pictures=4"]) == 0
    said = capsys.readouterr().out
    assert "equivariance of CenterNet" in said and "4 pictures" in said
    told = json.loads((trained / "suites" / "equivariance.json").read_text())
    assert told["protocol"]["settings"]["seed"] == 3 and told["protocol"]["settings"]["rotations"] == [180]
    assert told["protocol"]["pictures"] == 4 and told["protocol"]["subject"]["flip_test"] is False
    assert len(told["protocol"]["fingerprint"]) == 64
    assert (trained / "suites" / "equivariance_curves.png").is_file()
    assert (trained / "suites" / "equivariance_01.jpg").is_file()


@pytest.mark.slow
def test_a_suite_needs_a_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["evaluate", "suite=uniqueness", "predictions=a.json", "annotations=b.json"]) == 2
    assert "give run=FOLDER" in capsys.readouterr().err


@pytest.mark.long
def test_probe_writes_one_table_a_suite_and_a_page(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "probe"
    data = ["data.canvas=[64,64]", "data.val.length=6", "detectors=[harris,sift]", "pictures=3", f"output={out}"]
    assert cli.main(["probe", f"mine:{trained}", *data, *FEW]) == 0
    said = capsys.readouterr().out
    assert "harris" in said and "mine" in said and f"written to {out / 'probe.html'}" in said
    told = json.loads((out / "probe.json").read_text())
    assert {name: [r["subject"] for r in rows] for name, rows in told["suites"].items()} == {
        "repeatability": ["harris", "sift", "mine"],
        **{name: ["mine"] for name in ("equivariance", "corruptions", "uniqueness", "crowding")},
    }
    assert sum("points without names" in said for said in told["left_out"]) == 8
    numbers = told["suites"]["repeatability"][1]["numbers"]
    assert 0 < numbers["repeatability@3/viewpoint"]["estimate"] <= 1 and "matching score/viewpoint" in numbers
    page = (out / "probe.html").read_text()
    assert 'src="data:image' in page and "<td>mine</td>" in page and "| mine |" in (out / "probe.md").read_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["detectors=[]"], "nobody to examine"),
        (["only=[loudness]"], "there is no suite loudness"),
        (["detectors=[centernet_tiny]"], "has to be trained"),
    ],
)
def test_what_cannot_be_probed_is_said(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["probe", "data.val.length=2", "data.canvas=[64,64]", "pictures=2", *words]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.slow
def test_a_run_with_other_keypoints_than_the_data_is_refused(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["skeleton=plate", "data=plate", "data.val.length=2", "detectors=[]"]
    assert cli.main(["probe", str(trained), *words]) == 2
    assert "17 keypoints" in capsys.readouterr().err


def test_numbers_are_shown_with_their_ends() -> None:
    interval = {"estimate": 0.5123, "low": 0.4, "high": 0.61}
    assert shown(interval) == "0.512 [0.400, 0.610]" and shown(interval, fine=2) == "0.512 [0.40, 0.61]"
    assert shown(interval, "px") == "0.51 [0.40, 0.61]" and shown(interval, ends=False) == "0.512"
    assert shown(None) == "-" and shown({"estimate": None, "low": None, "high": None}) == "-"


def test_a_name_before_a_colon_is_the_rows_name(tmp_path: Path) -> None:
    assert probing._named(f"ours:{tmp_path}") == ("ours", str(tmp_path))
    assert probing._named(str(tmp_path)) == (None, str(tmp_path))
