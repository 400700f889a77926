"""FreiHAND: a hand of 21 points in every picture, given in metres before a camera; read only.

``training_xyz.json`` has (N, 21, 3) places and ``training_K.json`` (N, 3, 3) cameras; a point of a picture is K xyz,
divided by its third number. The pictures ``training/rgb/%08d.jpg`` are the N frames as they were taken, followed by the
same N frames with three other backgrounds: what belongs to one frame has the same ``sample``, by which splits can keep
it together. Files ``evaluation_*`` are the test set, whose places the second version of the data set has.

The authors draw these points over pictures with Matplotlib, whose first pixel has its middle at 0: pixel indices as
COCO's, so that 0.5 is added on reading. No statement of theirs says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from armature.data.labels import files
from armature.data.labels.checking import listed, record
from armature.data.labels.form import Category, LabelledImage, Labels, Person
from armature.errors import DataError

TITLE = "FreiHAND"
LOOKS_FOR = "training_xyz.json beside training_K.json"
HOLDS: set[str] = set()

FINGERS = ("thumb", "forefinger", "middle_finger", "ring_finger", "pinky_finger")
KEYPOINTS = ("wrist", *(f"{finger}{n}" for finger in FINGERS for n in (1, 2, 3, 4)))
EDGES = tuple((0 if n % 4 == 1 else n - 1, n) for n in range(1, len(KEYPOINTS)))
#: A left hand in a mirror is a right hand with the same points.
FLIP = tuple(range(len(KEYPOINTS)))
_SPLITS = {"training": "train", "evaluation": "test"}


def detect(path: Path) -> str | None:
    """The first set that is whole."""
    found = [name for name in _SPLITS if all((path / f"{name}_{what}.json").is_file() for what in ("xyz", "K"))]
    return f"{found[0]}_xyz.json and {found[0]}_K.json: {TITLE}" if found else None


def read(path: Path, backgrounds: bool = True) -> Labels:
    """The hands of a folder.

    Args:
        backgrounds: take the pictures with other backgrounds as well as those that were taken.
    """
    if not path.is_dir():
        raise DataError(f"{path}: {TITLE} is read from its folder, the one with training_xyz.json")
    images = [image for name in _SPLITS for image in _set(path, name, backgrounds)]
    if not images:
        raise DataError(f"{path}: expected {LOOKS_FOR}; there is none")
    return Labels(path, (Category("hand", KEYPOINTS, EDGES, FLIP),), tuple(images))


def _set(root: Path, name: str, backgrounds: bool) -> list[LabelledImage]:
    xyz, cameras = root / f"{name}_xyz.json", root / f"{name}_K.json"
    if not (xyz.is_file() and cameras.is_file()):
        return []
    places, matrices = _listed(xyz, "hands"), _listed(cameras, "cameras")
    if len(places) != len(matrices):
        raise DataError(f"{xyz}: has {len(places)} hands, {cameras.name} has {len(matrices)} cameras")
    people = [_person(xyz, n, *pair) for n, pair in enumerate(zip(places, matrices))]
    times = range(len(_pictures(root, name, len(people))) if backgrounds else 1)
    # All pictures have one size, and there are more than 100,000 of them.
    size = files.size_of(root / _file(name, 0))
    return [
        LabelledImage(_file(name, n + k * len(people)), size, (one,), _SPLITS[name], extra={"sample": f"{name} {n}"})
        for k in times
        for n, one in enumerate(people)
    ]


def _listed(file: Path, what: str) -> Sequence[Any]:
    with record(file, "file"):
        return listed(files.read_json(file), what)


def _file(name: str, number: int) -> str:
    return f"{name}/rgb/{number:08d}.jpg"


def _pictures(root: Path, name: str, count: int) -> list[int]:
    """Which of the four backgrounds there are pictures of: always the first, so that what is missing is noticed."""
    return [k for k in range(4) if k == 0 or (root / _file(name, k * count)).is_file()]


def _person(file: Path, number: int, xyz: Any, camera: Any) -> Person:
    with record(file, f"hand {number}"):
        place, matrix = _array(xyz, (len(KEYPOINTS), 3), "xyz"), _array(camera, (3, 3), "K")
        projected = place @ matrix.T
        if not (projected[:, 2] > 0).all():
            raise DataError("a point lies behind the camera")
        return Person(0, projected[:, :2] / projected[:, 2:] + 0.5, np.full(len(KEYPOINTS), 2))


def _array(values: Any, shape: tuple[int, int], field: str) -> NDArray[np.float64]:
    found = np.array(values, float)
    if found.shape != shape or not np.isfinite(found).all():
        raise DataError(f"field '{field}' must be {shape[0]} x {shape[1]} finite numbers; found shape {found.shape}")
    return found


def write(labels: Labels, folder: Path, pictures: str) -> list[str]:
    """Refuses: the files hold places in space and cameras, which points of pictures are not."""
    raise DataError(
        f"{labels.root}: {TITLE} holds places in space and cameras, and is only read; choose another format"
    )
