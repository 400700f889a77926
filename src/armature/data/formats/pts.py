"""300-W's ``.pts``: one text file beside each picture, one face in it.

300-W's points were exported by Matlab, which counts pixels from 1: the middle of the first pixel is (1, 1), so 0.5 is
taken off on reading and added on writing. The points have numbers, not names, and all of them are there.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from armature.data.labels import files, writing
from armature.data.labels.checking import number, record
from armature.data.labels.form import Category, LabelledImage, Labels, Person, placeholders
from armature.errors import DataError

TITLE = "300-W's .pts"
LOOKS_FOR = ".pts files with n_points"
HOLDS = {"splits"}

_FACE = "face"


def detect(path: Path) -> str | None:
    """The first such file."""
    found = next((f for f in files.find(path, ".pts", most=5) if "n_points" in files.glance(f)), None)
    return f"{found.name} with n_points: {TITLE}" if found else None


def read(path: Path) -> Labels:
    """The labels of one file, or of all below a folder; all must have as many points."""
    root = path if path.is_dir() else path.parent
    found = files.find_all(path, ".pts")
    if not found:
        raise DataError(f"{path}: expected {LOOKS_FOR}; there are none")
    images, count = [], 0
    for file in found:
        points = _points(file)
        if count and len(points) != count:
            raise DataError(f"{file}: has {len(points)} points, {found[0].name} has {count}")
        count = len(points)
        place = files.below(_picture(file), root)
        one = Person(0, points - 0.5, np.full(count, 2))
        split = files.split_of(*reversed(place.split("/")[:-1]))
        images.append(LabelledImage(place, files.size_of(root / place), (one,), split))
    return Labels(root, (Category(_FACE, placeholders(count)),), tuple(images))


def _picture(file: Path) -> Path:
    pictures = [file.with_suffix(e) for ending in files.PICTURES for e in (ending, ending.upper())]
    return next((p for p in pictures if p.is_file()), file.with_suffix(".jpg"))


def _points(file: Path) -> np.ndarray:
    head, brace, rest = files.read_text(file).partition("{")
    with record(file, "points"):
        if not brace or "}" not in rest:
            raise DataError("expected 'n_points: N { x y ... }'")
        stated = next(
            (line.partition(":")[2] for line in head.splitlines() if line.strip().startswith("n_points")), None
        )
        lines = [line.split() for line in rest.partition("}")[0].splitlines() if line.strip()]
        points = [[number(c, f"point {n}") for c in line] for n, line in enumerate(lines, 1)]
        if stated is None or number(stated, "n_points") != len(points) or not points:
            raise DataError(f"n_points says {stated}, and there are {len(points)}")
        if wrong := [n for n, p in enumerate(points, 1) if len(p) != 2]:
            raise DataError(f"point {wrong[0]} must have x and y")
    return np.array(points)


def write(labels: Labels, folder: Path, pictures: str) -> list[str]:
    """A picture and its file beside each other, below ``SPLIT/`` where there are splits; one whole face a picture."""
    where = writing.places(labels, lambda i: f"{i.split}/{i.file.rpartition('/')[2]}".removeprefix("/"))
    counts = {len(p.visibility) for i in labels.images for p in i.people if p.labelled}
    if len(counts) != 1:
        raise DataError(f"{labels.root}: all faces of {TITLE} have as many points; found {sorted(counts) or 'none'}")
    kept = []
    for image, place in zip(labels.images, where):
        whole = [p for p in image.people if (p.visibility > 0).all() and len(p.visibility)]
        if whole:
            kept.append((image, place))
            target = (folder / place).with_suffix(".pts")
            target.parent.mkdir(parents=True, exist_ok=True)
            rows = "".join(f"{writing.plain(x)} {writing.plain(y)}\n" for x, y in whole[0].keypoints + 0.5)
            target.write_text(f"version: 1\nn_points: {len(whole[0].keypoints)}\n{{\n{rows}}}\n")
    chosen = Labels(labels.root, labels.categories, tuple(image for image, _ in kept))
    gone = writing.bring_pictures(chosen, folder, [place for _, place in kept], pictures)
    others = sum(len(i.people) for i in labels.images) - len(kept)
    return gone + ([f"{others} further or incomplete people of their pictures"] if others else [])
