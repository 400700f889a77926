"""Labelled data sets of a few pixels, made here; nothing of them comes from anywhere else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from armature.data.labels.form import Category, LabelledImage, Labels, Person, placeholders

SIZE = (24, 32)


def picture(path: Path, size: tuple[int, int] = SIZE) -> Path:
    """A small picture, different for each name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(len(path.name))
    assert cv2.imwrite(str(path), rng.integers(0, 255, (*size, 3), dtype=np.uint8))
    return path


CAMERA = [[100.0, 0.0, 16.0], [0.0, 80.0, 12.0], [0.0, 0.0, 1.0]]


def hands(root: Path, frames: int = 2, name: str = "training", backgrounds: int = 4, **changes: Any) -> Path:
    """A folder of FreiHAND's; point i of frame n is at (0.01 i, 0.02, 1 + n) m."""
    places = [[[0.01 * i, 0.02, 1.0 + n] for i in range(21)] for n in range(frames)]
    for i in range(backgrounds * frames):
        picture(root / name / "rgb" / f"{i:08d}.jpg")
    content: dict[str, Any] = {"xyz": places, "K": [CAMERA] * frames}
    for field, values in (content | changes).items():
        (root / f"{name}_{field}.json").write_text(json.dumps(values))
    return root


#: Formats that are only read, and what makes a folder of theirs.
READ_ONLY = {"freihand": hands}


def person(seed: int, count: int, category: int = 0, **changes: Any) -> Person:
    """Somebody with a box around random places; a quarter of a pixel survives every way of writing numbers."""
    rng = np.random.default_rng(seed)
    points = np.round(rng.uniform(2, 20, (count, 2)) * 4) / 4
    box = np.concatenate([points.min(0) - 1, points.max(0) + 1])
    return Person(
        **({"category": category, "keypoints": points, "visibility": np.full(count, 2), "box": box} | changes)
    )


def unlabelled(one: Person, *which: int, hidden: tuple[int, ...] = ()) -> Person:
    """The same person without these points, and with hidden ones."""
    visibility = one.visibility.copy()
    visibility[list(which)], visibility[list(hidden)] = 0, 1
    points = np.where(visibility[:, None] > 0, one.keypoints, 0.0)
    return Person(one.category, points, visibility, one.box)


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """``plain(K)``: two pictures with one whole person each, which every format can hold that has K points."""

    def make(count: int, names: tuple[str, ...] | None = None) -> Labels:
        root = tmp_path_factory.mktemp("plain")
        images = []
        for n, (name, split) in enumerate((("images/train/a.png", "train"), ("images/val/b.png", "val"))):
            picture(root / name)
            extra = {"crowdIndex": 0.5} if count == 14 else {}
            images.append(LabelledImage(name, SIZE, (person(n, count),), split, n + 1, extra=extra))
        return Labels(root, (Category("object", names or placeholders(count)),), tuple(images))

    return make


@pytest.fixture(scope="session")
def rich(tmp_path_factory: pytest.TempPathFactory) -> Labels:
    """Everything that labels can say, somewhere."""
    root = tmp_path_factory.mktemp("rich")
    mouse = Category(
        "mouse", ("nose", "left ear", "right ear", "tail"), ((0, 1), (0, 2), (0, 3)), (0, 2, 1, 3), 3, "animal"
    )
    fly = Category("fly", ("head", "wing"), ((0, 1),), None, 7, "insect")
    square = np.array([[2.0, 2.0], [9.0, 2.0], [9.0, 9.5]])
    ears = np.array([[3.25, 4.0], [5.5, 6.0], [7.0, 8.75], [0, 0]])
    more = {"scores": np.array([0.5, 0.25, 1.0, 0.0]), "track": "ann", "ident": 11, "extra": {"note": "x"}}
    box = np.array([2.0, 2.0, 9.0, 9.5])
    full = Person(0, ears, np.array([2, 1, 2, 0]), box, 30.5, polygons=(square,), **more)
    mask = {"size": list(SIZE), "counts": [100, 20, SIZE[0] * SIZE[1] - 120]}
    nowhere = (np.zeros((4, 2)), np.zeros(4, np.int64))
    crowd = Person(0, *nowhere, np.array([0.0, 0.0, 12.0, 12.0]), 20.0, True, mask=mask, ident=12)
    wings = np.array([[20.5, 10.5], [22.0, 12.25]])
    second = Person(1, wings, np.array([2, 2]), np.array([19.0, 9.0, 24.0, 14.0]), 9.0, ident=13)
    bare = Person(1, np.zeros((2, 2)), np.zeros(2, np.int64), np.array([1.0, 12.0, 4.0, 15.0]), 5.0, ident=14)
    images = (
        LabelledImage("images/train/süß und naß.png", SIZE, (full, second), "train", 5, "film.avi", 3),
        LabelledImage("images/train/b.png", SIZE, (crowd, bare), "train", 6, extra={"license": 2}),
        LabelledImage("images/val/c.png", SIZE, (), "val", 9),
    )
    for image in images:
        picture(root / image.file)
    return Labels(root, (mouse, fly), images, {"info": {"year": 2025}})
