"""``armature predict`` from the command line."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import cv2
import lamps
import numpy as np
import pytest

from armature import cli

MakeRun = Callable[..., Path]
#: Each restores a run, which takes a second or two.
pytestmark = pytest.mark.slow


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for i in range(3):
        cv2.imwrite(str(folder / f"{i}.png"), np.random.default_rng(i).integers(0, 255, (100, 140, 3), np.uint8))
    return folder


def predict(run: Path, source: Path | str, output: Path | str, *more: str) -> int:
    return cli.main(["predict", f"run={run}", f"source={source}", f"output={output}", "device=cpu", *more])


def test_a_folder(make_run: MakeRun, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert predict(make_run(), photos, tmp_path / "out", "min_score=0", "max_people=2", "formats=[coco,yolo]") == 0
    results = json.loads((tmp_path / "out" / "predictions.json").read_text())
    assert len(results) == 6 and {row["image_id"] for row in results} == {1, 2, 3}
    assert len(list((tmp_path / "out").glob("*.jpg"))) == 3
    said = capsys.readouterr()
    assert "6 people on 3 pictures" in said.out and "images/s" in said.out and "time: " in said.out


def test_a_broken_picture_is_named_and_the_exit_code_says_so(
    make_run: MakeRun, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (photos / "1.png").write_bytes((photos / "1.png").read_bytes()[:-500])
    assert predict(make_run(), photos, tmp_path / "out", "min_score=0.99") == 1
    said = capsys.readouterr()
    assert "left out: 1.png: " in said.err and "0 people on 2 pictures" in said.out
    assert "nobody reaches min_score=0.99; the best score was 0." in said.out


def test_lines_on_standard_output_and_nothing_else(
    make_run: MakeRun, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert predict(make_run(), photos, "-", "min_score=0") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["file_name"] for line in lines] == ["0.png", "1.png", "2.png"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["photos"]


def test_image_ids_are_those_of_the_annotations(make_run: MakeRun, photos: Path, tmp_path: Path) -> None:
    images = [{"file_name": f"{i}.png", "id": 100 + i} for i in range(3)]
    (tmp_path / "gt.json").write_text(json.dumps({"images": images}))
    given = ["min_score=0", f"annotations={tmp_path / 'gt.json'}", "category=4", "draw=false"]
    assert predict(make_run(), photos, tmp_path / "out", *given) == 0
    results = json.loads((tmp_path / "out" / "predictions.json").read_text())
    assert {(row["image_id"], row["category_id"]) for row in results} == {(100, 4), (101, 4), (102, 4)}
    (tmp_path / "gt.json").write_text(json.dumps({"images": images[:2]}))
    assert predict(make_run(), photos, tmp_path / "out", *given) == 2


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["formats=[coco,xml]"], "no format 'xml'"),
        (["batch_size=0"], "batch_size=0"),
        (["device=gpu9"], "device=gpu9"),
        (["tracker=kalman"], "tracker"),
    ],
)
def test_mistakes_are_told(
    make_run: MakeRun, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], message: str
) -> None:
    assert predict(make_run(), photos, tmp_path / "out", *more) == 2
    assert message in capsys.readouterr().err


def test_tiles_flips_and_sizes_by_config(make_run: MakeRun, photos: Path, tmp_path: Path) -> None:
    for more in (["tiles=grid", "tiles.scale=2"], ["flip_test=true"], ["multi_scale=five"]):
        assert predict(make_run(), photos, tmp_path / "out", "min_score=0.01", "limit=1", *more) == 0


def test_answers_within_the_source_are_not_read_again(make_run: MakeRun, photos: Path) -> None:
    for _ in range(2):
        assert predict(make_run(), photos, photos / "answers", "formats=[jsonl]") == 0
        assert len((photos / "answers" / "predictions.jsonl").read_text().splitlines()) == 3


def test_files_of_an_earlier_prediction_are_told_from_its_own(make_run: MakeRun, photos: Path, tmp_path: Path) -> None:
    run = make_run()
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # neither the missing sigmas nor one's own files are worth a warning
        for _ in range(2):
            assert predict(run, photos, tmp_path / "out", "formats=yolo") == 0
    with pytest.warns(UserWarning, match=r"holds 4 files .*: 1\.jpg, 2\.jpg, labels/1\.txt and 1 more;"):
        assert predict(run, photos / "0.png", tmp_path / "out", "formats=yolo") == 0


def test_a_film_with_tracks(make_run: MakeRun, tmp_path: Path) -> None:
    pytest.importorskip("av")
    film = lamps.film(tmp_path / "walk.mp4", 12)
    more = ["tracker=oks_smooth", "min_score=0", "max_people=1", "formats=[deeplabcut,yolo,coco]"]
    assert predict(make_run(), film, tmp_path / "out", *more) == 0
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        "walk.mp4", "deeplabcut.csv", "labels", "predictions.json", "images.json",
    }  # fmt: skip
    assert len(list((tmp_path / "out" / "labels").iterdir())) == 12
    assert all("track_id" in row for row in json.loads((tmp_path / "out" / "predictions.json").read_text()))


def test_importing_the_package_loads_nothing_heavy() -> None:
    heavy = "('torch', 'numpy', 'cv2', 'hydra')"
    code = f"import armature, sys; armature.load; print([m for m in {heavy} if m in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
