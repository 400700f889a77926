"""MPII Human Pose: the official ``.mat``, or json lists (``image, joints, joints_vis, scale, center``) made from it.

Both come from Matlab, which counts pixels from 1: the middle of the first pixel is (1, 1), so 0.5 is taken off on
reading and added on writing, from points, centres and head boxes alike. There are no boxes of people.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from armature.data.labels import files, writing
from armature.data.labels.checking import inside, listed, mapped, number, numbers, point, record, whole
from armature.data.labels.form import Category, LabelledImage, Labels, Person, nobody
from armature.errors import DataError

TITLE = "MPII Human Pose"
LOOKS_FOR = "a .mat with RELEASE, or a json list with joints, joints_vis and image"
HOLDS = {"unlabelled", "several", "splits", "scale", "center"}

KEYPOINTS: tuple[str, ...] = (
    "right_ankle",
    "right_knee",
    "right_hip",
    "left_hip",
    "left_knee",
    "left_ankle",
    "pelvis",
    "thorax",
)
KEYPOINTS += ("upper_neck", "head_top", "right_wrist", "right_elbow", "right_shoulder", "left_shoulder", "left_elbow")
KEYPOINTS += ("left_wrist",)
FLIP = (5, 4, 3, 2, 1, 0, 6, 7, 8, 9, 15, 14, 13, 12, 11, 10)
EDGES: tuple[tuple[int, int], ...] = (
    (0, 1),
    (1, 2),
    (2, 6),
    (3, 6),
    (3, 4),
    (4, 5),
    (6, 7),
    (7, 8),
    (8, 9),
    (10, 11),
    (11, 12),
    (12, 7),
)
EDGES += ((13, 7), (13, 14), (14, 15))
#: From Matlab's places of pixels to continuous ones.
_OFFSET = 0.5


def detect(path: Path) -> str | None:
    """The first such file."""
    found = _lists(path) or _mats(path)
    return f"{found[0].name}: {TITLE}" if found else None


def _lists(path: Path) -> list[Path]:
    return [f for f in files.find(path, ".json", most=50) if files.has_fields(f, "joints", "joints_vis")]


def _mats(path: Path) -> list[Path]:
    found = files.find(path, ".mat", depth=1, most=20)
    return [f for f in found if "MATLAB 5.0 MAT-file" in files.glance(f)[:128] and _names(f) & {"RELEASE"}]


def _names(file: Path) -> set[str]:
    import scipy.io

    try:
        return {name for name, *_ in scipy.io.whosmat(file)}
    except Exception:  # a torn file: whatever scipy raises
        return {"RELEASE"} if "mpii" in file.name.lower() else set()


def read(path: Path) -> Labels:
    """The labels of one file, or of all json lists below a folder (of the .mat where there is none)."""
    root = path if path.is_dir() else path.parent
    found = _lists(path) or _mats(path)
    if not found:
        raise DataError(f"{path}: expected {LOOKS_FOR}; there is none")
    images: list[LabelledImage] = []
    for file in found:
        people = _of_mat(file) if file.suffix.lower() == ".mat" else _of_list(file)
        split = files.split_of(file.stem)
        folder = files.folder_of_pictures(root, file.parent, list(people), "")
        lead = "" if folder == root else files.below(folder, root) + "/"
        for picture, (given, own) in people.items():
            images.append(LabelledImage(lead + picture, files.size_of(folder / picture), tuple(own), given or split))
    return Labels(root, (Category("person", KEYPOINTS, EDGES, FLIP),), tuple(images))


_People = dict[str, tuple[str, list[Person]]]


def _of_list(file: Path) -> _People:
    people: _People = {}
    for n, entry in enumerate(listed(files.read_json(file), "people")):
        with record(file, f"entry {n}"):
            picture = inside(mapped(entry, "entry")["image"], "image")
            joints = [point(p, "joints") for p in listed(entry["joints"], "joints")]
            seen = numbers(entry["joints_vis"], "joints_vis", len(joints))
            if len(joints) != len(KEYPOINTS):
                raise DataError(f"field 'joints' must have {len(KEYPOINTS)} points; found {len(joints)}")
            labelled = np.array(seen) > 0
            points = np.where(labelled[:, None], np.array(joints) - _OFFSET, 0.0)
            extra: dict[str, Any] = {"scale": number(entry["scale"], "scale")} if "scale" in entry else {}
            extra |= (
                {"center": [c - _OFFSET for c in numbers(entry["center"], "center", 2)]} if "center" in entry else {}
            )
            people.setdefault(picture, ("", []))[1].append(Person(0, points, labelled * 2, extra=extra))
    return people


def _of_mat(file: Path) -> _People:
    import scipy.io

    try:
        content = scipy.io.loadmat(file, struct_as_record=False, squeeze_me=True)["RELEASE"]
    except Exception as error:  # whatever scipy raises for a file that is none of Matlab's
        raise DataError(f"{file}: cannot be read as a .mat with RELEASE: {error}") from error
    people: _People = {}
    with record(file, "RELEASE"):
        frames = np.atleast_1d(content.annolist)
        training = np.broadcast_to(np.atleast_1d(getattr(content, "img_train", 1)), len(frames))
    for n, frame in enumerate(frames, 1):
        with record(file, f"annolist({n})"):
            picture = inside(str(frame.image.name), "image.name")
            own = [_of_struct(r) for r in np.atleast_1d(getattr(frame, "annorect", []))]
            split = "train" if whole(training[n - 1], "img_train") else "test"
            people[picture] = (split, [one for one in own if one is not None])
    return people


def _of_struct(rectangle: Any) -> Person | None:
    """The person of an ``annorect``; None without points (the test set, people in the distance)."""
    points = getattr(getattr(rectangle, "annopoints", None), "point", None)
    if points is None:
        return None
    keypoints, visibility = nobody(len(KEYPOINTS))
    for p in np.atleast_1d(points):
        place = whole(p.id, "id")
        if place >= len(KEYPOINTS):
            raise DataError(f"a point has the id {place}; there are {len(KEYPOINTS)}")
        keypoints[place] = number(p.x, "x") - _OFFSET, number(p.y, "y") - _OFFSET
        seen = getattr(p, "is_visible", 1)
        # "hidden" is 0, or empty for points of the head, which nobody was asked about.
        visibility[place] = 1 if str(seen) == "0" else 2
    extra: dict[str, Any] = {}
    if np.size(getattr(rectangle, "scale", ())) == 1:
        extra["scale"] = number(rectangle.scale, "scale")
    if hasattr(getattr(rectangle, "objpos", None), "x"):
        extra["center"] = [number(rectangle.objpos.x, "x") - _OFFSET, number(rectangle.objpos.y, "y") - _OFFSET]
    if np.size(getattr(rectangle, "x1", ())) == 1:
        extra["head_box"] = [number(getattr(rectangle, c), c) - _OFFSET for c in ("x1", "y1", "x2", "y2")]
    return Person(0, keypoints, visibility, extra=extra)


def write(labels: Labels, folder: Path, pictures: str) -> list[str]:
    """``SPLIT.json`` (``train.json`` for pictures without a split) and ``images/``; people of 16 points only."""
    wrong = [c.name for c in labels.categories if len(c.keypoints) not in (0, len(KEYPOINTS))]
    if wrong or not labels.categories:
        raise DataError(f"{labels.root}: people of {TITLE} have {len(KEYPOINTS)} points; not so {wrong}")
    where = writing.places(labels, lambda image: "images/" + image.file.removeprefix("images/"))
    kept = [(image, place) for image, place in zip(labels.images, where) if any(p.labelled for p in image.people)]
    entries: dict[str, list[dict[str, Any]]] = {}
    for image, place in kept:
        own = [_entry(p, place.removeprefix("images/")) for p in image.people if p.labelled]
        entries.setdefault(image.split or "train", []).extend(own)
    for split, group in entries.items():
        writing.write_json(folder / f"{split}.json", group)
    chosen = Labels(labels.root, labels.categories, tuple(image for image, _ in kept))
    gone = writing.bring_pictures(chosen, folder, [place for _, place in kept], pictures)
    names = labels.categories[0].keypoints != KEYPOINTS
    return gone + (["keypoint names: the points are taken as MPII's by their place"] if names else [])


def _entry(one: Person, picture: str) -> dict[str, Any]:
    seen = one.visibility > 0
    joints = np.where(seen[:, None], one.keypoints + _OFFSET, -1.0)
    entry: dict[str, Any] = {"image": picture, "joints": [[writing.plain(v) for v in p] for p in joints]}
    entry["joints_vis"] = [int(v) for v in seen]
    if "scale" in one.extra:
        entry["scale"] = one.extra["scale"]
    if "center" in one.extra:
        entry["center"] = [c + _OFFSET for c in _pair(one.extra["center"])]
    return entry


def _pair(values: Sequence[float]) -> list[float]:
    return numbers(list(values), "center", 2)
