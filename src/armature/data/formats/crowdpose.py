"""CrowdPose: COCO's format with 14 points and ``crowdIndex``; its official files have width and height swapped.

Points are pixel indices as COCO's (0.5 is added on reading). Whether the sizes are swapped is found by the pictures,
and where there are none by the points: a file is taken as it is if all lie inside, and turned if only that puts them
inside.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

from armature.data.coco_file import Entry
from armature.data.formats import coco
from armature.data.labels import files
from armature.data.labels.form import Labels
from armature.errors import DataError

TITLE = "CrowdPose"
LOOKS_FOR = "a COCO json whose images have crowdIndex"
HOLDS = coco.HOLDS
REFINES = ("coco",)

POINTS = 14
#: How many pictures are opened to see whether sizes are swapped.
_OPENED = 20


def detect(path: Path) -> str | None:
    """The first such json."""
    found = coco.candidates(path, "crowdIndex")
    return f"{found[0].name} with crowdIndex: {TITLE}" if found else None


def read(path: Path, offset: float = 0.5, pictures: str | None = None) -> Labels:
    """The labels of one json, or of all below a folder, with sizes the right way round.

    Args:
        offset: see ``coco.read``. pictures: folder of the pictures that tell which way is right; None looks for it.
    """
    root = Path(pictures) if pictures else path if path.is_dir() else path.parent
    start = root if pictures else None
    found = coco.candidates(path, "crowdIndex")
    return coco.read_files(path, found, offset, lambda file, c: _mended(root, start or file.parent, file, c))


def _mended(root: Path, start: Path, file: Path, content: Entry) -> Entry:
    images = content.get("images")
    if not isinstance(images, list) or not _swapped(root, start, file, content):
        return content  # unsound files are refused by the checks that follow
    warnings.warn(f"{file}: width and height are swapped, as in CrowdPose's own files; turned round", stacklevel=5)
    return content | {"images": [i | {"width": i["height"], "height": i["width"]} for i in images]}


def _swapped(root: Path, start: Path, file: Path, content: Entry) -> bool:
    images = [i for i in content["images"] if isinstance(i, dict) and {"file_name", "width", "height"} <= set(i)]
    if len(images) < len(content["images"]):
        return False
    names = [str(i["file_name"]) for i in images]
    folder = files.folder_of_pictures(root, start, names, files.split_of(file.stem))
    known = [(i, files.size_of(folder / str(i["file_name"]))) for i in images[:_OPENED]]
    known = [(i, shape) for i, shape in known if max(shape) and shape[0] != shape[1]]
    if known:
        return all((i["width"], i["height"]) == shape for i, shape in known)
    sizes = {i["id"]: (i["width"], i["height"]) for i in images if isinstance(i.get("id"), int)}
    return _outside(content, sizes, False) and not _outside(content, sizes, True)


def _outside(content: Entry, sizes: dict[int, tuple[int, int]], turned: bool) -> bool:
    """Whether a labelled point lies outside its picture."""
    for a in content.get("annotations") or ():
        try:
            points = np.array(a["keypoints"], float).reshape(-1, 3)
            limit = sizes[a["image_id"]][:: -1 if turned else 1]
            if (points[points[:, 2] > 0, :2] > np.array(limit, float)).any():
                return True
        except (KeyError, TypeError, ValueError):
            continue  # what is unsound is refused by the checks that follow
    return False


def write(labels: Labels, folder: Path, pictures: str) -> list[str]:
    """As COCO, sizes the right way round; people of 14 points in pictures with ``crowdIndex`` only."""
    wrong = [f"'{c.name}' {len(c.keypoints)}" for c in labels.categories if len(c.keypoints) != POINTS]
    lacking = sum("crowdIndex" not in image.extra for image in labels.images)
    if wrong or lacking:
        found = f"categories with others: {', '.join(wrong)}" if wrong else f"{lacking} pictures have none"
        raise DataError(f"{labels.root}: {TITLE} has {POINTS} points a person and a crowdIndex a picture; {found}")
    return coco.write_files(labels, folder, pictures)
