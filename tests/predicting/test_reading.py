"""Pictures of every kind that lie about in folders."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from armature.data.geometry import FILL
from armature.data.pictures import read_picture
from armature.errors import DataError
from armature.predicting import reading


@pytest.fixture
def smooth() -> np.ndarray:
    """A picture that JPEG keeps well: no two corners alike."""
    y, x = np.mgrid[0:48, 0:64]
    return np.stack([x * 4 % 256, y * 5 % 256, (x + y) * 2], 2).astype(np.uint8)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_as_pillow_turns(tmp_path: Path, smooth: np.ndarray, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    for ending in ("jpg", "png", "webp", "tif"):
        file = tmp_path / f"p.{ending}"
        Image.fromarray(smooth).save(file, exif=exif)
        with Image.open(file) as image:
            want = np.asarray(ImageOps.exif_transpose(image).convert("RGB")).astype(int)
        got = reading.read(file)
        assert got.shape == want.shape and np.abs(got - want).max() <= 3, ending
        assert ending == "tif" or reading.read(file, exif=False).shape == smooth.shape


@pytest.mark.parametrize("ending", ["jpg", "png", "bmp", "webp", "tif"])
def test_ordinary_files_are_what_training_reads(tmp_path: Path, smooth: np.ndarray, ending: str) -> None:
    Image.fromarray(smooth).save(tmp_path / f"p.{ending}")
    np.testing.assert_array_equal(reading.read(tmp_path / f"p.{ending}"), read_picture(tmp_path / f"p.{ending}"))


def test_grey_two_colours_palette_and_cmyk(tmp_path: Path, smooth: np.ndarray) -> None:
    image = Image.fromarray(smooth)
    for mode, ending in (("L", "png"), ("1", "png"), ("P", "png"), ("P", "gif"), ("CMYK", "jpg"), ("CMYK", "tif")):
        changed = image.convert(mode)
        changed.save(tmp_path / f"p.{ending}", quality=98)
        want = np.asarray(changed.convert("RGB")).astype(int)
        got = reading.read(tmp_path / f"p.{ending}")
        assert got.shape == smooth.shape and np.abs(got - want).mean() < 2, (mode, ending)


def test_transparent_pixels_show_what_stands_beside_pictures(tmp_path: Path, smooth: np.ndarray) -> None:
    alpha = np.full((48, 64, 1), 255, np.uint8)
    alpha[:10] = 0
    Image.fromarray(np.concatenate([smooth, alpha], 2)).save(tmp_path / "p.png")
    for got in (reading.read(tmp_path / "p.png"), reading.as_picture(np.concatenate([smooth, alpha], 2))):
        assert (got[:10] == FILL).all()
        np.testing.assert_array_equal(got[10:], smooth[10:])


def test_sixteen_bits_keep_the_upper_eight(tmp_path: Path) -> None:
    deep = (np.arange(48 * 64, dtype=np.uint16).reshape(48, 64) * 21).astype(np.uint16)
    for ending in ("png", "tif"):
        Image.fromarray(deep).save(tmp_path / f"p.{ending}")
        got = reading.read(tmp_path / f"p.{ending}")
        np.testing.assert_array_equal(got, np.repeat((deep >> 8)[..., None], 3, 2))
        np.testing.assert_array_equal(got, read_picture(tmp_path / f"p.{ending}"))


def test_twelve_bits_in_sixteen_are_noticed(tmp_path: Path) -> None:
    Image.fromarray(np.full((8, 8), 4000, np.uint16)).save(tmp_path / "p.png")
    with pytest.warns(UserWarning, match=r"p\.png: nearly black"):
        reading.read(tmp_path / "p.png")


def test_every_frame_of_an_animation(tmp_path: Path) -> None:
    shades = [Image.new("RGB", (20, 10), (v, 0, 0)) for v in (0, 100, 200)]
    for ending in ("gif", "webp", "png"):
        file = tmp_path / f"p.{ending}"
        shades[0].save(file, save_all=True, append_images=shades[1:], duration=40, lossless=True)
        assert reading.is_animated(file)
        found = list(reading.frames(file.read_bytes(), file))
        assert [round(p.mean() * 3) for p, _ in found] == [0, 100, 200], ending
        assert [t for _, t in found] == pytest.approx([0, 0.04, 0.08])
        assert round(reading.read(file).mean()) == 0
    shades[0].save(tmp_path / "still.png")
    assert not reading.is_animated(tmp_path / "still.png")
    assert not reading.is_animated(tmp_path / "absent.png")


@pytest.mark.parametrize("kind", ["empty", "text", "cut", "float", "folder", "absent", "huge"])
def test_what_cannot_be_read_is_named(tmp_path: Path, smooth: np.ndarray, kind: str) -> None:
    file = tmp_path / "bad.png"
    buffer = io.BytesIO()
    Image.fromarray(smooth).save(buffer, "PNG")
    contents = {"empty": b"", "text": b"no picture", "cut": buffer.getvalue()[:-400]}
    if kind in contents:
        file.write_bytes(contents[kind])
    elif kind == "float":
        Image.fromarray(np.zeros((4, 4), np.float32)).save(file := tmp_path / "bad.tif")
    elif kind == "folder":
        file.mkdir()
    elif kind == "huge":  # a header that promises 40,000 x 40,000 pixels
        data = bytearray(buffer.getvalue())
        data[16:24] = (40000).to_bytes(4, "big") * 2
        file.write_bytes(data)
    with pytest.raises(DataError, match=r"bad\.(png|tif): "):
        reading.read(file)
