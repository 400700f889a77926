"""What ``armature predict`` says before and after a network was loaded, without loading one."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from armature import cli
from armature.configuration import compose
from armature.errors import ConfigError
from armature.predicting import leftovers
from armature.verbs import predict


def test_a_source_that_is_not_there_is_told_before_anything_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "photos").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "armature.restoring", None)  # importing it fails
    assert cli.main(["predict", "run=R", "source=photo"]) == 2
    assert "source=photo: no such file or folder, did you mean 'photos'?" in capsys.readouterr().err


@pytest.mark.parametrize("source", ["-", "0", "rtsp://camera/1", "photos/*.jpg", 0, ["a.jpg", "b.jpg"]])
def test_what_is_no_path_is_not_sought(source: object) -> None:
    predict._check_source(OmegaConf.create({"source": source}).source)


def test_one_format_may_stand_alone() -> None:
    given = ["run=R", "source=S"]
    assert predict._formats(compose("predict", [*given, "formats=deeplabcut"])) == ["deeplabcut"]
    assert predict._formats(compose("predict", [*given, "formats=[yolo,coco]"])) == ["yolo", "coco"]
    predict._check(compose("predict", [*given, "formats=deeplabcut"]))
    with pytest.raises(ConfigError, match=r"no format 'deeplab'; known: .*deeplabcut"):
        predict._check(compose("predict", [*given, "formats=deeplab"]))


@pytest.mark.parametrize(("best", "lower"), [(0.29, 0.05), (0.05, 0.05), (0.03, 0.01), (0.0011, 0.0006)])
def test_the_score_to_try_is_one_that_somebody_reaches(best: float, lower: float) -> None:
    assert predict._lower(best) == pytest.approx(lower, rel=0.5)
    assert predict._lower(best) <= best


def test_files_that_are_not_written_anew_are_named(tmp_path: Path) -> None:
    assert leftovers.stamps(tmp_path / "none") == {} and leftovers.told(tmp_path, {}) == ""
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        (tmp_path / name).write_bytes(b"old")
        os.utime(tmp_path / name, (1, 1))
    before = leftovers.stamps(tmp_path)
    for name in ("a.jpg", "new.jpg"):
        (tmp_path / name).write_bytes(b"new")
    (tmp_path / "b.jpg").unlink()
    told = leftovers.told(tmp_path, before)
    assert "holds 1 file that was there before and is not of this prediction: c.jpg;" in told
    (tmp_path / "c.jpg").write_bytes(b"new")
    assert leftovers.told(tmp_path, before) == ""


def test_many_files_are_counted(tmp_path: Path) -> None:
    for i in range(5):
        (tmp_path / f"{i}.jpg").write_bytes(b"old")
    assert "holds 5 files that were there before" in (told := leftovers.told(tmp_path, leftovers.stamps(tmp_path)))
    assert "0.jpg, 1.jpg, 2.jpg and 2 more" in told
