"""WFLW's lists: a line a face with 98 points, a box, six attributes and the picture.

The numbers are pixel indices as those of COCO (nothing in the lists or their authors' code adds or takes off anything,
and all loaders draw them as indices): 0.5 is added to points on reading. Boxes are continuous.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from armature.data.labels import files, writing
from armature.data.labels.checking import inside, number, record
from armature.data.labels.form import Category, LabelledImage, Labels, Person, placeholders
from armature.data.labels.records import box_around
from armature.errors import DataError

TITLE = "WFLW"
LOOKS_FOR = "a txt whose lines have 207 columns: 98 points, a box, six attributes and a picture"
HOLDS = {"boxes", "splits", "several", "attributes"}

POINTS = 98
_CELLS = 2 * POINTS + 4 + 6 + 1
_FACE = "face"


def detect(path: Path) -> str | None:
    """The first such list."""
    found = _lists(path)
    return f"{found[0].name} with {_CELLS} columns: {TITLE}" if found else None


def _lists(path: Path) -> list[Path]:
    def fits(file: Path) -> bool:
        first = files.glance(file).partition("\n")[0].split()
        # The lists of subsets of the test set (list_98pt_test) have points and a picture only, and nothing new.
        subset = len(first) == 2 * POINTS + 1 and not file.name.startswith("list_98pt_rect_attr")
        named = file.name.startswith("list_98pt") and not subset
        return named or (len(first) == _CELLS and first[0].replace(".", "").isdigit())

    return [f for f in files.find(path, ".txt", most=200) if fits(f)]


def read(path: Path) -> Labels:
    """The labels of one list, or of all below a folder."""
    root = path if path.is_dir() else path.parent
    found = _lists(path)
    if not found:
        raise DataError(f"{path}: expected {LOOKS_FOR}; there is none")
    images: list[LabelledImage] = []
    for file in found:
        faces: dict[str, list[Person]] = {}
        for n, line in enumerate(files.read_text(file).splitlines(), 1):
            if line.strip():
                with record(file, f"line {n}"):
                    picture, face = _face(line.split())
                    faces.setdefault(picture, []).append(face)
        split = files.split_of(file.stem)
        folder = files.folder_of_pictures(root, file.parent, list(faces), "")
        lead = "" if folder == root else files.below(folder, root) + "/"
        for picture, people in faces.items():
            images.append(LabelledImage(lead + picture, files.size_of(folder / picture), tuple(people), split))
    return Labels(root, (Category(_FACE, placeholders(POINTS)),), tuple(images))


def _face(cells: list[str]) -> tuple[str, Person]:
    if len(cells) != _CELLS:
        raise DataError(f"expected {_CELLS} columns; found {len(cells)}")
    values = np.array([number(c, f"column {i}") for i, c in enumerate(cells[:-1], 1)])
    points = values[: 2 * POINTS].reshape(-1, 2) + 0.5
    attributes = {"attributes": [int(v) for v in values[-6:]]}
    return inside(cells[-1], "picture"), Person(0, points, np.full(POINTS, 2), values[-10:-6], extra=attributes)


def write(labels: Labels, folder: Path, pictures: str) -> list[str]:
    """``list_98pt_SPLIT.txt`` and ``WFLW_images/``."""
    if any(len(c.keypoints) not in (0, POINTS) for c in labels.categories):
        found = ", ".join(f"'{c.name}' {len(c.keypoints)}" for c in labels.categories)
        raise DataError(f"{labels.root}: faces of {TITLE} have {POINTS} points; found {found}")
    where = writing.places(labels, lambda i: "WFLW_images/" + i.file.replace(" ", "_").removeprefix("WFLW_images/"))
    left, kept = 0, []
    lines: dict[str, list[str]] = {}
    for image, place in zip(labels.images, where):
        rows = [_line(p, image, place) for p in image.people if p.labelled and (p.visibility > 0).all()]
        left += len(image.people) - len(rows)
        lines.setdefault(image.split, []).extend(rows)
        kept += [(image, place)] if rows else []
    for split, rows in lines.items():
        (folder / f"list_98pt_rect_attr_{split or 'all'}.txt").write_text("".join(rows), encoding="utf-8")
    chosen = Labels(labels.root, labels.categories, tuple(image for image, _ in kept))
    gone = writing.bring_pictures(chosen, folder, [place for _, place in kept], pictures)
    return gone + ([f"{left} people with unlabelled points (left out)"] if left else [])


def _line(face: Person, image: LabelledImage, place: str) -> str:
    box = face.box if face.box is not None else box_around(face, image.size)
    cells = [*(face.keypoints - 0.5).ravel(), *box]
    attributes = face.extra.get("attributes") or [0] * 6
    name = place.removeprefix("WFLW_images/")
    return " ".join([*(str(writing.plain(c)) for c in cells), *map(str, attributes), name]) + "\n"
