"""Small data sets to read, and the way to the real ones."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from armature import skeletons
from armature.structures import Record, Skeleton

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def trio() -> Skeleton:
    """Three points, two of which are mirror images."""
    return skeletons.make("trio", ["nose", "left_eye", "right_eye"], [["left_eye", "right_eye"]])


@pytest.fixture
def skeleton_file() -> Callable[[str], Skeleton]:
    """The skeletons that come with the package, by name."""
    return lambda name: skeletons.load(REPOSITORY / "conf" / "skeleton" / f"{name}.yaml")


@pytest.fixture
def real_data() -> Path:
    """The folder of real data sets; the test is skipped where there is none."""
    folder = Path(os.environ.get("ARMATURE_DATA") or REPOSITORY.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set ARMATURE_DATA")
    return folder


class Dots:
    """A source of noise with two people and a crowd in every picture."""

    def __init__(self, skeleton: Skeleton, count: int, size: tuple[int, int] = (48, 64)) -> None:
        self.skeleton, self.size = skeleton, size
        self.records = [self._record(i) for i in range(count)]

    def _record(self, index: int) -> Record:
        rng = np.random.default_rng(index)
        low = rng.random((3, 2)) * np.array(self.size[::-1]) / 2
        points = low[:, None] + rng.random((3, self.skeleton.count, 2)) * np.array(self.size[::-1]) / 2
        return Record(
            image_id=100 + index,
            file="",
            size=self.size,
            keypoints=points,
            visibility=rng.integers(0, 3, points.shape[:2]),
            boxes=np.concatenate([points.min(1), points.max(1)], 1),
            areas=rng.random(3) * 100,
            crowd=np.array([False, True, False]),
            annotation_ids=np.arange(3) + 3 * index + 1,
        )

    def __len__(self) -> int:
        return len(self.records)

    def read(self, index: int, epoch: int = 0) -> tuple[np.ndarray, Record]:
        rng = np.random.default_rng(index)
        return rng.integers(0, 255, (*self.size, 3), dtype=np.uint8), self.records[index]

    def fingerprint(self) -> str:
        return f"dots{len(self)}"


@pytest.fixture
def dots(trio: Skeleton) -> Callable[[int], Dots]:
    """Sources of any length."""
    return lambda count: Dots(trio, count)


def person(identifier: int, image: int, **changes: Any) -> dict[str, Any]:
    """A sound annotation of the trio."""
    fields = {
        "id": identifier,
        "image_id": image,
        "category_id": 1,
        "bbox": [4.0, 5.0, 10.0, 12.0],
        "area": 60.0,
        "iscrowd": 0,
        "num_keypoints": 2,
        "keypoints": [5, 6, 2, 8.5, 9, 1, 0, 0, 0],
    }
    return {k: v for k, v in (fields | changes).items() if v is not None}


def coco(images: int = 3) -> dict[str, Any]:
    """A sound file of the trio: one person an image, ids from 11."""
    return {
        "images": [{"id": i, "file_name": f"{i}.jpg", "width": 32, "height": 24} for i in range(11, 11 + images)],
        "annotations": [person(i - 10, i) for i in range(11, 11 + images)],
        "categories": [{"id": 1, "name": "head", "keypoints": ["nose", "left_eye", "right_eye"]}],
    }


@pytest.fixture
def write_coco(tmp_path: Path) -> Callable[..., tuple[Path, Path]]:
    """Writes a COCO file and its pictures; answers where."""

    def write(content: Any, pictures: bool = True) -> tuple[Path, Path]:
        folder = tmp_path / "images"
        folder.mkdir(exist_ok=True)
        for image in content["images"] if pictures else ():
            pixels = np.random.default_rng(0).integers(0, 255, (24, 32, 3), dtype=np.uint8)
            cv2.imwrite(str(folder / image["file_name"]), pixels)
        (tmp_path / "annotations.json").write_text(json.dumps(content))
        return tmp_path / "annotations.json", folder

    return write


@pytest.fixture
def make_coco() -> Callable[..., dict[str, Any]]:
    """``coco``: a sound file to break."""
    return coco


@pytest.fixture
def make_person() -> Callable[..., dict[str, Any]]:
    """``person``: a sound annotation to break."""
    return person
