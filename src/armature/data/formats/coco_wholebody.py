"""COCO-WholeBody: COCO's format with 133 points: those of body, feet, face and hands stand in fields of their own.

Points are pixel indices as COCO's (0.5 is added on reading). The points of feet, face and hands have the flag 0 where
they are not labelled; other flags than COCO's are read as visible. Their fields ``face_valid`` and so on are kept.
"""

from __future__ import annotations

from pathlib import Path

from armature.data.coco_file import Entry
from armature.data.formats import coco
from armature.data.labels.checking import numbers, record
from armature.data.labels.form import Labels
from armature.errors import ConfigError, DataError

TITLE = "COCO-WholeBody"
LOOKS_FOR = "a COCO json whose annotations have foot_kpts, face_kpts, lefthand_kpts and righthand_kpts"
HOLDS = coco.HOLDS - {"names", "edges"}
REFINES = ("coco",)

#: Fields and their numbers of points, in the order of the 133.
PARTS = {"keypoints": 17, "foot_kpts": 6, "face_kpts": 68, "lefthand_kpts": 21, "righthand_kpts": 21}
POINTS = sum(PARTS.values())
_VALID = {"foot_kpts": "foot_valid", "face_kpts": "face_valid"}
#: Parts that have boxes, and how their fields begin.
_BOXED = {"hand": ("lefthand", "righthand"), "face": ("face",)}
_VALID |= {"lefthand_kpts": "lefthand_valid", "righthand_kpts": "righthand_valid"}


def detect(path: Path) -> str | None:
    """The first such json."""
    found = coco.candidates(path, "face_kpts", "foot_kpts")
    return f"{found[0].name} with face_kpts and foot_kpts: {TITLE}" if found else None


def read(path: Path, offset: float = 0.5, part: str | None = None) -> Labels:
    """The labels of one json, or of all below a folder; points have numbers instead of names.

    Args:
        offset: see ``coco.read``.
        part: ``hand`` or ``face`` makes people of the labelled hands or faces, each with its own box; hands and faces
            that are not labelled are left out. None takes people with all 133 points.
    """
    found = coco.candidates(path, "face_kpts", "foot_kpts")
    if part is None:
        return coco.read_files(path, found, offset, _joined)
    if part not in _BOXED:
        raise ConfigError(
            f"{TITLE}: part={part!r}; known are {', '.join(_BOXED)}, and null for people of {POINTS} points"
        )
    return coco.read_files(path, found, offset, lambda file, content: _apart(file, content, part))


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
        triples = [value for field in PARTS for value in _triples(a, field)]
    return {k: v for k, v in a.items() if k not in PARTS} | {"keypoints": triples}


def _triples(a: Entry, field: str) -> list[float]:
    values = numbers(a.get(field) or [0] * 3 * PARTS[field], field, 3 * PARTS[field])
    values[2::3] = [v if v in (0, 1, 2) else 2 * (v > 0) for v in values[2::3]]
    return values


def _apart(file: Path, content: Entry, part: str) -> Entry:
    if not isinstance(content.get("annotations"), list) or not isinstance(content.get("categories"), list):
        return content  # refused by the checks that follow
    found = []
    for a in content["annotations"]:
        with record(file, f"annotation {a.get('id') if isinstance(a, dict) else a!r:.60}"):
            found += [_one(a, which) for which in _BOXED[part] if a.get(f"{which}_valid")]
    kinds = [{"id": c["id"], "name": part, "keypoints": []} for c in content["categories"][:1]]
    numbered = [{**a, "id": n, "category_id": kinds[0]["id"]} for n, a in enumerate(found, 1)]
    return content | {"annotations": numbered, "categories": kinds}


def _one(a: Entry, which: str) -> Entry:
    x, y, width, height = numbers(a.get(f"{which}_box"), f"{which}_box", 4)
    # Hands have no segment: their area is that of the box, as in the official evaluation.
    own = {"image_id": a["image_id"], "bbox": [x, y, width, height], "area": width * height, "iscrowd": 0}
    return own | {"keypoints": _triples(a, f"{which}_kpts"), "person": a.get("id"), "which": which}


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
