"""COCO-WholeBody: COCO's format with 133 points: those of body, feet, face and hands stand in fields of their own.

Points are pixel indices as COCO's (0.5 is added on reading). The points of feet, face and hands have the flag 0 where
they are not labelled; other flags than COCO's are read as visible. Their fields ``face_valid`` and so on are kept.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from armature.data.coco_file import Entry
from armature.data.formats import coco
from armature.data.labels.checking import numbers, record
from armature.data.labels.form import Labels
from armature.errors import DataError

TITLE = "COCO-WholeBody"
LOOKS_FOR = "a COCO json whose annotations have foot_kpts, face_kpts, lefthand_kpts and righthand_kpts"
HOLDS = coco.HOLDS - {"names", "edges"}
REFINES = ("coco",)

#: Fields and their numbers of points, in the order of the 133.
PARTS = {"keypoints": 17, "foot_kpts": 6, "face_kpts": 68, "lefthand_kpts": 21, "righthand_kpts": 21}
POINTS = sum(PARTS.values())
_VALID = {"foot_kpts": "foot_valid", "face_kpts": "face_valid"}
_VALID |= {"lefthand_kpts": "lefthand_valid", "righthand_kpts": "righthand_valid"}


def detect(path: Path) -> str | None:
    """The first such json."""
    found = coco.candidates(path, "face_kpts", "foot_kpts")
    return f"{found[0].name} with face_kpts and foot_kpts: {TITLE}" if found else None


def read(path: Path, offset: float = 0.5) -> Labels:
    """The labels of one json, or of all below a folder; the 133 points have numbers instead of names."""
    return coco.read_files(path, coco.candidates(path, "face_kpts", "foot_kpts"), offset, _joined)


def _joined(file: Path, content: Entry) -> Entry:
    if not isinstance(content.get("annotations"), list) or not isinstance(content.get("categories"), list):
        return content  # refused by the checks that follow
    people = [a for a in content["annotations"] if isinstance(a, dict)]
    joined = [_person(file, a) for a in people]
    # The names of the body's 17 points are no names of 133.
    kinds = [{**c, "keypoints": [], "skeleton": []} for c in content["categories"] if isinstance(c, dict)]
    return content | {"annotations": joined, "categories": kinds}


def _person(file: Path, a: Entry) -> Entry:
    with record(file, f"annotation {a.get('id')}"):
        triples: list[Any] = []
        for field, count in PARTS.items():
            values = numbers(a.get(field) or [0] * 3 * count, field, 3 * count)
            values[2::3] = [v if v in (0, 1, 2) else 2 * (v > 0) for v in values[2::3]]
            triples += values
    return {k: v for k, v in a.items() if k not in PARTS} | {"keypoints": triples}


def write(labels: Labels, folder: Path, pictures: str) -> list[str]:
    """As COCO, the 133 points of a person in their five fields."""
    wrong = [f"'{c.name}' {len(c.keypoints)}" for c in labels.categories if len(c.keypoints) != POINTS]
    if wrong:
        raise DataError(f"{labels.root}: {TITLE} has {POINTS} points; found categories with others: {', '.join(wrong)}")
    return coco.write_files(labels, folder, pictures, _parted)


def _parted(a: Entry) -> Entry:
    parted, start = dict(a), 0
    for field, count in PARTS.items():
        parted[field] = a["keypoints"][start : start + 3 * count]
        start += 3 * count
        if field in _VALID:
            parted.setdefault(_VALID[field], any(parted[field][2::3]))
    parted["num_keypoints"] = sum(v > 0 for v in parted["keypoints"][2::3])
    return parted
