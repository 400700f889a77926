"""What can be mended without losing anything, as new files beside the old ones.

Only what the labels say themselves is put right: boxes are clipped to their picture, ``num_keypoints`` is counted
again, absent areas are computed, and of annotations that are the same to the last number one is kept. Pictures are
never touched: turning a JPEG upright would compress it anew.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from armature.checking.kinds.annotations import pairs
from armature.checking.subject import Group, Subject
from armature.data.coco import AREA_OF_BOX
from armature.data.labels.writing import plain, whole_folder, write_json
from armature.data.segments import area_of

Entry = dict[str, Any]


@dataclass(frozen=True)
class Change:
    """One thing that was put right: in which of ``Subject.files``, at which annotation, what."""

    file: int
    place: int
    kind: str
    what: str
    dropped: bool = False


def mend(subject: Subject) -> tuple[list[Entry], list[Change]]:
    """The contents of all COCO files with everything put right, and what was changed; nothing is written."""
    contents = [copy.deepcopy(file.content) for file in subject.files]
    changes: list[Change] = []
    sizes = subject.sizes()
    for group in subject.groups:
        known = group.origin[:, 0] >= 0
        drop = {second for _, second, exact in pairs(group) if exact and known[second]}
        for row in np.flatnonzero(known):
            file, place = (int(v) for v in group.origin[row])
            entry = contents[file]["annotations"][place]
            if row in drop:
                what = "one of two that are the same was left out"
                changes.append(Change(file, place, "duplicate_annotation", what, dropped=True))
                continue
            size = sizes[group.picture[row]]
            for kind, what in _put_right(entry, group, int(row), size):
                changes.append(Change(file, place, kind, what))
    for number, content in enumerate(contents):
        gone = {change.place for change in changes if change.file == number and change.dropped}
        listed = content["annotations"] if gone else []
        if gone:
            content["annotations"] = [a for place, a in enumerate(listed) if place not in gone]
    return contents, changes


def write(subject: Subject, folder: Path) -> list[Change]:
    """Writes the mended files into a new folder, each under the name that it has in its own; none if nothing changed.

    Raises:
        UserError: there is something in the folder already.
    """
    contents, changes = mend(subject)
    if not changes:
        return []
    with whole_folder(folder) as scratch:
        for name, content in zip(names(subject), contents, strict=True):
            write_json(scratch / name, content)
        for picture in subject.pictures if subject.tree is not None else ():
            if picture.path.is_file():
                link = scratch / picture.file
                link.parent.mkdir(parents=True, exist_ok=True)
                if not link.is_symlink():  # a picture that is listed twice
                    os.symlink(picture.path.resolve(), link)
    return changes


def names(subject: Subject) -> list[str]:
    """Where each file goes: as it lies in a folder of data, or its own name, with a number where several have one."""
    if subject.tree is not None:
        return [file.path.relative_to(subject.tree).as_posix() for file in subject.files]
    taken: list[str] = []
    for file in subject.files:
        number = sum(name.endswith(file.path.name) for name in taken)
        taken.append(file.path.name if not number else f"{number + 1}_{file.path.name}")
    return taken


def _put_right(entry: Entry, group: Group, row: int, size: np.ndarray) -> Iterator[tuple[str, str]]:
    box = group.boxes[row]
    if np.isfinite(box).all() and np.isfinite(size).all():
        clipped = np.clip(box, 0, [size[1], size[0]] * 2)
        if not np.array_equal(clipped, box) and (clipped[2:] > clipped[:2]).all() and (box[2:] > box[:2]).all():
            old, box = entry["bbox"], clipped
            entry["bbox"] = [plain(v) for v in (*clipped[:2], *(clipped[2:] - clipped[:2]))]
            yield "box_outside", f"bbox {old} clipped to the picture: {entry['bbox']}"
    labelled = int(group.on[row].sum())
    if group.counted[row] >= 0 and group.counted[row] != labelled:
        entry["num_keypoints"] = labelled
        yield "wrong_count", f"num_keypoints {group.counted[row]} counted again: {labelled}"
    if entry.get("area") is None and np.isfinite(box).all() and (box[2:] > box[:2]).all():
        area, how = _area(entry, box, size)
        entry["area"] = plain(area)
        yield "area_absent", f"area computed from {how}: {entry['area']}"


def _area(entry: Entry, box: np.ndarray, size: np.ndarray) -> tuple[float, str]:
    segment = entry.get("segmentation")
    polygons = segment if isinstance(segment, list) else []
    if polygons and all(isinstance(p, list) and len(p) >= 6 and len(p) % 2 == 0 for p in polygons):
        found = area_of(tuple(np.array(p, float).reshape(-1, 2) for p in polygons), None, (0, 0))
        if found:
            return found, "its segment"
    return float(AREA_OF_BOX * (box[2:] - box[:2]).prod()), f"its box ({AREA_OF_BOX} x box)"
