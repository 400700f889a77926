"""Picture files: read as stored, and never in silence when something is wrong."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from armature.data.coco import CocoKeypoints
from armature.data.pictures import climbs_out, fault, picture_size, read_picture
from armature.errors import DataError
from armature.structures import Skeleton


def pixels(height: int = 20, width: int = 30) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("kind", ["png", "bmp", "webp", "tiff"])
def test_pictures_are_rgb(kind: str, tmp_path: Path) -> None:
    file = tmp_path / f"a.{kind}"
    Image.fromarray(pixels()).save(file, lossless=True)
    assert np.array_equal(read_picture(file), pixels())
    assert picture_size(file) == (20, 30)
    assert fault(file, (20, 30)) is None


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "I;16"])
def test_every_kind_of_pixel_becomes_rgb(mode: str, tmp_path: Path) -> None:
    image = Image.fromarray(pixels()).convert("L" if mode == "I;16" else mode)
    (image if mode != "I;16" else Image.fromarray(np.full((20, 30), 1000, np.uint16))).save(tmp_path / "a.png")
    assert read_picture(tmp_path / "a.png").shape == (20, 30, 3)
    assert read_picture(tmp_path / "a.png").dtype == np.uint8


def test_jpeg_agrees_with_pillow(tmp_path: Path) -> None:
    Image.fromarray(pixels().repeat(8, 0).repeat(8, 1)).save(tmp_path / "a.jpg", quality=95)
    expected = np.array(Image.open(tmp_path / "a.jpg")).astype(int)
    assert np.abs(read_picture(tmp_path / "a.jpg") - expected).mean() < 1


def test_an_orientation_is_not_applied_but_told(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels()).save(tmp_path / "a.jpg", exif=exif)
    assert read_picture(tmp_path / "a.jpg").shape == (20, 30, 3)
    assert fault(tmp_path / "a.jpg", (20, 30)) is None
    assert "EXIF says it is turned" in (fault(tmp_path / "a.jpg", (30, 20)) or "")


@pytest.mark.parametrize("kind", ["jpg", "png", "bmp"])
@pytest.mark.parametrize("kept", [0.3, 0.9, 0.99])
def test_truncated_pictures_are_found(kind: str, kept: float, tmp_path: Path) -> None:
    file = tmp_path / f"a.{kind}"
    Image.fromarray(pixels(64, 64)).save(file)
    data = file.read_bytes()
    file.write_bytes(data[: int(len(data) * kept)])
    assert fault(file, (64, 64)) is not None
    with pytest.raises(DataError, match="truncated"):
        read_picture(file)


def test_rubbish_after_a_jpeg_does_no_harm(tmp_path: Path) -> None:
    file = tmp_path / "a.jpg"
    Image.fromarray(pixels()).save(file)
    file.write_bytes(file.read_bytes() + b"\0" * 50)
    assert fault(file, (20, 30)) is None
    assert read_picture(file).shape == (20, 30, 3)


@pytest.mark.parametrize(
    ("content", "reason"), [(None, "no such file"), (b"", "no picture"), (b"hello", "no picture"), ("folder", "folder")]
)
def test_what_is_no_picture_is_named(content: bytes | str | None, reason: str, tmp_path: Path) -> None:
    file = tmp_path / "a.jpg"
    if content == "folder":
        file.mkdir()
    elif isinstance(content, bytes):
        file.write_bytes(content)
    assert reason in (fault(file, (20, 30)) or "")
    for read in (read_picture, picture_size):
        with pytest.raises(DataError, match=rf"a\.jpg: .*{reason}"):
            read(file)


@pytest.mark.parametrize("name", ["../a.jpg", "a/../../b.jpg", "/etc/passwd", "..\\a.jpg", "C:\\a.jpg", "C:/a.jpg"])
def test_names_that_climb_out_are_known(name: str) -> None:
    assert climbs_out(name)
    assert not climbs_out("train/a..b.jpg")


def test_check_finds_every_fault(write_coco: Callable, make_coco: Callable, trio: Skeleton, tmp_path: Path) -> None:
    annotations, images = write_coco(make_coco(5))
    cv2.imwrite(str(images / "11.jpg"), pixels(30, 32))
    (images / "12.jpg").write_bytes((images / "12.jpg").read_bytes()[:-9])
    (images / "13.jpg").unlink()
    Image.fromarray(pixels(24, 32)).save(tmp_path / "outside.jpg")
    (images / "14.jpg").unlink()
    (images / "14.jpg").symlink_to(tmp_path / "outside.jpg")
    source = CocoKeypoints(annotations, images, trio)
    found = {p.index: p.reason for p in source.check()}
    assert found[0] == "the picture is 32 x 30, the annotations say 32 x 24 (width x height)"
    assert "truncated" in found[1]
    assert found[2] == "no such file"
    assert "links to a place outside" in found[3]
    assert sorted(found) == [0, 1, 2, 3]
    for index in range(4):
        with pytest.raises(DataError, match=f"{11 + index}.jpg"):
            source.read(index)
    assert source.read(4)[1].image_id == 15
    assert [p.index for p in CocoKeypoints(annotations, images, trio, links=True).check()] == [0, 1, 2]


def test_a_sound_file_is_looked_at_once(
    write_coco: Callable, make_coco: Callable, trio: Skeleton, monkeypatch: pytest.MonkeyPatch
) -> None:
    annotations, images = write_coco(make_coco(3))
    (images / "13.jpg").write_bytes(b"")
    looked: list[str] = []

    def counted(path: Path, size: tuple[int, int]) -> str | None:
        looked.append(Path(path).name)
        return fault(path, size)

    monkeypatch.setattr("armature.data.pictures.fault", counted)
    source = CocoKeypoints(annotations, images, trio)
    assert len(source.check()) == 1
    assert sorted(looked) == ["11.jpg", "12.jpg", "13.jpg"]
    looked.clear()
    (images / "12.jpg").write_bytes(b"changed")
    assert len(source.check()) == 2
    assert sorted(looked) == ["12.jpg", "13.jpg"]


def test_a_check_needs_no_cache_folder(
    write_coco: Callable, make_coco: Callable, trio: Skeleton, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", os.devnull)
    assert CocoKeypoints(*write_coco(make_coco(2)), trio).check() == []
