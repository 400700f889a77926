"""``data=folder``: what a config takes from the data, and that anything given instead wins."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import DictConfig

from armature import folder_facts
from armature.building import build
from armature.configuration import compose
from armature.errors import ConfigError, DataError


@pytest.fixture(autouse=True)
def _forgetful() -> Iterator[None]:
    folder_facts.forget()
    yield
    folder_facts.forget()


def write(root: Path, names: list[str], size: tuple[int, int] = (480, 640), tall: float = 200, **category: Any) -> Path:
    """Ten people of random places, as COCO; the pictures need not be there."""
    rng = np.random.default_rng(0)
    sides = {"left": -1, "right": 1}
    base = np.array([[20 * sides.get(n.split("_")[0], 0), 15.0 * i] for i, n in enumerate(names)])
    images, people = [], []
    for i in range(10):
        images.append({"id": i + 1, "file_name": f"{i}.jpg", "width": size[1], "height": size[0]})
        places = base + 100 + rng.normal(0, 2, base.shape)
        triples = np.concatenate([places, np.full((len(names), 1), 2)], 1).ravel().tolist()
        people.append(
            {"id": i + 1, "image_id": i + 1, "category_id": 1, "keypoints": triples, "bbox": [9, 9, 50, tall]}
        )
    kind = {"id": 1, "name": "beast", "keypoints": names} | category
    root.mkdir(exist_ok=True)
    content = {"images": images, "annotations": people, "categories": [kind]}
    (root / "labels.json").write_text(json.dumps(content))
    return root


def composed(root: Path, *more: str) -> DictConfig:
    return compose("train", ["data=folder", f"data.path={root}", *more])


def test_a_known_skeleton_is_taken_by_its_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = composed(write(tmp_path / "mice", ["tailbase", "snout", "leftear", "rightear"]))
    assert config.skeleton.name == "openfield_mouse"
    assert list(config.skeleton.keypoints) == ["snout", "leftear", "rightear", "tailbase"]
    said = capsys.readouterr().out
    assert "labels.json with images, annotations, categories and keypoints: COCO keypoints (data.format=coco)" in said
    assert "10 pictures, 10 labelled of 'beast', 4 keypoints" in said
    assert "its names are those of openfield_mouse" in said
    assert (config.monitor, config.flip_test, config.data.geometry.flip) == ("val/error/mean", True, 0.5)
    composed(tmp_path / "mice")
    assert capsys.readouterr().out == ""  # said once


@pytest.mark.slow
def test_points_without_names_are_known_by_number_and_mirror_pairs(tmp_path: Path) -> None:
    assert composed(write(tmp_path / "faces", [f"p{i}" for i in range(68)])).skeleton.name == "face_300w"
    coco = [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15]
    config = composed(write(tmp_path / "people", [f"keypoint_{i}" for i in range(17)], flip_idx=coco))
    assert (config.skeleton.name, config.monitor) == ("coco_person", "val/AP")
    few = composed(write(tmp_path / "few", [f"keypoint_{i}" for i in range(17)]))
    assert few.skeleton.name == "beast"  # seventeen could be anything


def test_limbs_and_pairs_are_guessed_from_what_there_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ["beak", "left_horn", "right_horn", "sting"]
    config = composed(write(tmp_path / "beasts", names))
    skeleton = build(config.skeleton)
    assert (skeleton.name, skeleton.keypoints, skeleton.flip) == ("beast", tuple(names), (0, 2, 1, 3))
    assert len(skeleton.edges) == 3  # a tree
    assert skeleton.sigmas is None
    assert "limbs guessed: the tree of the most rigid distances; 1 mirror pairs by names" in capsys.readouterr().out
    given = composed(write(tmp_path / "given", names, skeleton=[[1, 4]], flip_idx=[0, 1, 2, 3]))
    assert build(given.skeleton).edges == ((0, 3),)
    assert build(given.skeleton).flip == (0, 1, 2, 3)


def test_without_left_and_right_nothing_is_mirrored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write(tmp_path / "beasts", ["beak", "horn_a", "horn_b", "sting"])
    config = composed(root)
    assert (config.flip_test, config.data.geometry.flip) == (False, 0)
    assert "no left and right in the names, so that no picture is mirrored" in capsys.readouterr().out
    assert composed(root, "flip_test=true", "data.geometry.flip=0.5").flip_test is True


def test_what_is_given_wins(tmp_path: Path) -> None:
    root = write(tmp_path / "beasts", ["beak", "horn_a", "horn_b", "sting"])
    config = composed(root, "skeleton=openfield_mouse", "data.canvas=[64,96]", "data.primary=val/AP")
    assert config.skeleton.name == "openfield_mouse"
    assert (list(config.data.canvas), config.monitor, config.flip_test) == ([64, 96], "val/AP", True)


@pytest.mark.parametrize(("more", "said"), [([], "canvas 256x192"), (["data.canvas=[64,96]"], "canvas 96x64")])
def test_the_canvas_that_is_said_is_the_one_that_is_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], said: str
) -> None:
    composed(write(tmp_path / "mice", ["tailbase", "snout", "leftear", "rightear"]), *more)
    out = capsys.readouterr().out
    assert f"; {said}\n" in out and out.count("; canvas") == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "tall", "canvas"),
    [
        ((480, 640), 200, [192, 256]),  # the usual
        ((640, 480), 200, [256, 192]),
        ((100, 100), 50, [128, 128]),  # small pictures
        ((480, 640), 80, [384, 512]),  # 64 px tall on the canvas: 640 x 64 / 80
        ((3000, 4000), 20, [480, 640]),  # no larger than that
        ((200, 1000), 500, [64, 256]),  # sides that 32 divides
    ],
)
def test_the_canvas_fits_pictures_and_people(
    size: tuple[int, int], tall: float, canvas: list[int], tmp_path: Path
) -> None:
    config = composed(write(tmp_path / "beasts", ["a", "b", "c"], size, tall))
    assert list(config.data.canvas) == canvas


def test_what_is_wrong_is_said_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"armature train needs data\.path=VALUE"):
        compose("train", ["data=folder"])
    with pytest.raises(ConfigError, match=r"it needs data=folder data\.path=FOLDER"):
        compose("train", ["skeleton=of/data"])
    with pytest.raises(DataError, match="gone: no such file or folder"):
        composed(tmp_path / "gone")
    root = write(tmp_path / "beasts", ["a", "b"])
    (root / "labels.json").write_text((root / "labels.json").read_text()[:-40])
    with pytest.raises(DataError, match=r"labels\.json: is not JSON"):
        composed(root)
