"""Damaged files of every format: a clear error that names the file, or sound labels; never a traceback."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from armature.data import recognising
from armature.data.labels.form import Labels
from armature.errors import DataError, UserError

from .conftest import READ_ONLY

COUNTS = {"coco_wholebody": 133, "crowdpose": 14, "mpii": 16, "wflw": 98}
BINARY = {".png", ".h5", ".slp"}
#: What stands for a number, for text or for a whole value in a damaged file.
NUMBERS = ("null", '"x"', "1e999", "-1e30", "99999999999999999999999", "NaN", "[]", "true", "")
TEXTS = ("../../../etc/passwd", "/etc/passwd", "", "ü\u0000", "C:\\x", "a" * 5000)


@pytest.fixture(scope="module")
def written(plain: Callable, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, Labels]]:
    """A sound sample of a format, and what is in it."""
    made: dict[str, tuple[Path, Labels]] = {}

    def make(name: str) -> tuple[Path, Labels]:
        if name in READ_ONLY and name not in made:
            folder = tmp_path_factory.mktemp(name)
            made[name] = READ_ONLY[name](folder), recognising.read(folder, name)
        if name not in made:
            count = COUNTS.get(name, 4)
            labels = plain(count, getattr(recognising.get(name), "KEYPOINTS", tuple(f"left {i}" for i in range(count))))
            folder = tmp_path_factory.mktemp(name) / "it"
            recognising.write(labels, name, folder)
            made[name] = folder, labels
        return made[name]

    return make


def files_of(folder: Path) -> list[Path]:
    """The files with labels: not pictures, and of DeepLabCut's two the one that is read."""
    others = (".png", ".jpg", ".h5", ".tar", ".index")
    return [f for f in sorted(folder.rglob("*")) if f.is_file() and f.suffix not in others]


def damaged(content: bytes, suffix: str) -> Iterator[bytes]:
    """The file cut off, emptied, filled with noise, and with single values replaced."""
    size = len(content)
    yield from (content[: int(size * share)] for share in (0, 0.3, 0.6, 0.95))
    yield b"\x00\xff\xfe" * 40
    yield content[: size // 2] + b"\xff\xfe" + content[size // 2 :]
    if suffix in BINARY:
        return
    text = content.decode()
    yield from (
        value.encode()
        for value in ("[]", "{}", "null", "[1, 2]", "[" * (600 if suffix == ".yaml" else 2000), '{"a": 1}', "\n\n")
    )
    rng = np.random.default_rng(0)
    for pattern, values in ((r"(?<![\w.#])-?\d+(\.\d+)?(?![\w.])", NUMBERS), (r"(?<=\")[^\"\n]{2,60}(?=\")", TEXTS)):
        places = [m.span() for m in re.finditer(pattern, text)]
        for value in values if places else ():
            start, end = places[int(rng.integers(len(places)))]
            yield (text[:start] + value + text[end:]).encode("utf-8", "surrogateescape")
    lines = text.splitlines(keepends=True)
    if len(lines) > 2:
        gone = int(rng.integers(len(lines)))
        yield "".join(lines[:gone] + lines[gone + 1 :]).encode()
        yield "".join([*lines, *lines[-2:]]).encode()


def checked(labels: Labels) -> None:
    """What was read is sound: everything fits together, is finite, and lies inside the folder."""
    for image in labels.images:
        assert not image.file.startswith("/")
        assert ".." not in image.file.split("/")
        for one in image.people:
            count = len(labels.categories[one.category].keypoints)
            assert one.keypoints.shape == (count, 2)
            assert np.isfinite(one.keypoints).all()
            assert set(one.visibility.tolist()) <= {0, 1, 2}
            assert one.box is None or np.isfinite(one.box).all()


@pytest.mark.parametrize("name", recognising.names())
def test_damage_is_an_error_that_names_the_file(name: str, written: Callable) -> None:
    folder, _ = written(name)
    for file in files_of(folder):
        whole = file.read_bytes()
        try:
            for content in damaged(whole, file.suffix):
                file.write_bytes(content)
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    try:
                        checked(recognising.read(folder, name))
                    except UserError as error:
                        assert str(folder) in str(error), str(error)
        finally:
            file.write_bytes(whole)
    checked(recognising.read(folder, name))  # everything was put back


#: A sound text of each format, what replaces it, and how the error goes on after the file.
BROKEN = [
    ("coco", "train.json", '"bbox": [', '"bbox": ["x", ', r"annotation 1: field 'bbox' must be x, y, width, height"),
    ("coco", "train.json", '"file_name": "', '"file_name": "../', r"images\[0\].*leaves the folder of pictures"),
    ("crowdpose", "train.json", '"keypoints": [', '"keypoints": [7, ', "annotation 1: field 'keypoints' must have 3"),
    ("coco_wholebody", "train.json", '"foot_kpts": [', '"foot_kpts": [7, ', "field 'foot_kpts' must have 18"),
    ("yolo", "a.txt", " ", " x ", "line 1: expected class, box and 4 points of 3 numbers, 17; found"),
    ("yolo", "a.txt", "0 ", "8 ", "line 1: class 8, but data.yaml has 1 names"),
    ("yolo", "data.yaml", "images/train", "../../x", r"train: '../../x' is no folder or list of pictures below"),
    ("label_studio", "tasks.json", '"x": ', '"x": "y", "w": ', "task 1: field 'x' must be a finite number"),
    ("label_studio", "tasks.json", '"original_width": 32', '"original_width": -3', "task 1: field 'width' must be a w"),
    ("cvat", "annotations.xml", 'points="', 'points="x,', r"image 1 \(train/a\.png\): .*'points' must be x,y"),
    ("cvat", "annotations.xml", 'xtl="', 'xtl="1e99', r"image 1 \(train/a\.png\): field 'xtl' must be a finite number"),
    (
        "labelme",
        "a.json",
        '"points": [[',
        '"points": [["x", ',
        r"shape 0 \('object'\): field 'points' must be a finite",
    ),
    ("labelme", "a.json", '"label": "left 0"', '"label": "left 1"', "shapes: point 'left 1' is labelled twice"),
    ("deeplabcut", "CollectedData_labels.csv", ",a.png,", ",a.png,x", "row 4 .*is no number"),
    ("csv", "labels.csv", "left 0_x", "left 1_x", "a column comes twice: 'left 1_x'"),
    ("csv", "labels.csv", "images/train/a.png", "../a.png", "row 2: field 'file' leaves the folder of pictures"),
    ("json_folder", "a.png.json", '"left 0": [', '"left 0": [9, 9, ', r"person 0: a point must be x, y\(, v\)"),
    (
        "json_folder",
        "a.png.json",
        '"image": "',
        '"image": "../../',
        "file: field 'image' leaves the folder of pictures",
    ),
    ("supervisely", "a.png.json", '"loc": [', '"loc": [null, ', "file: object 0: field 'loc' must be a finite number"),
    ("supervisely", "meta.json", '"loc": ', '"loc": 1}, "x": {"label": "left 0", "loc": ', "class .object.: two nodes"),
    ("pts", "a.pts", "n_points: 4", "n_points: 5", "points: n_points says  5, and there are 4"),
    ("wflw", "list_98pt_rect_attr_train.txt", "a.png", "../../a.png", "line 1: field 'picture' leaves the folder"),
    ("wflw", "list_98pt_rect_attr_train.txt", " ", " 1 ", "line 1: expected 207 columns; found 208"),
    ("mpii", "train.json", '"joints_vis": [', '"joints_vis": [1, ', "entry 0: field 'joints_vis' must have 16 numbers"),
    ("mpii", "train.json", '"image": "', '"image": "../', "entry 0: field 'image' leaves the folder of pictures"),
]


@pytest.mark.parametrize(("name", "file", "old", "new", "message"), BROKEN)
def test_the_message_names_file_and_record(
    name: str, file: str, old: str, new: str, message: str, written: Callable
) -> None:
    folder, _ = written(name)
    path = next(iter(sorted(folder.rglob(file))))
    whole = path.read_text()
    assert old in whole
    path.write_text(whole.replace(old, new, 1))
    try:
        with pytest.raises(DataError, match=rf"(?s){message}") as caught:
            recognising.read(folder, name)
        assert str(folder) in str(caught.value)
    finally:
        path.write_text(whole)


@pytest.mark.slow
def test_torn_binary_files(tmp_path: Path) -> None:
    for name in ("a.slp", "CollectedData_x.h5"):
        file = tmp_path / name
        for content in (b"", b"\x89HDF\r\n\x1a\n" + b"\x00" * 200, b"junk" * 100):
            file.write_bytes(content)
            with pytest.raises(DataError, match=rf"{name}: cannot be read as"):
                recognising.read(file)
        file.unlink()
    mat = tmp_path / "mpii_human_pose.mat"
    mat.write_bytes(b"MATLAB 5.0 MAT-file, Platform: x" + b"\x00" * 300)
    with pytest.raises(DataError, match=r"mpii_human_pose\.mat: cannot be read as a \.mat"):
        recognising.read(mat)


def test_nothing_is_written_half(plain: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = plain(4)
    broken = recognising.get("yolo")
    monkeypatch.setattr(broken, "_settings", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(UserError, match="No space left on device; nothing is there"):
        recognising.write(labels, "yolo", tmp_path / "it")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "it").mkdir()
    (tmp_path / "it" / "mine").write_text("x")
    with pytest.raises(UserError, match="is there already"):
        recognising.write(labels, "coco", tmp_path / "it")
    assert [f.name for f in (tmp_path / "it").iterdir()] == ["mine"]
