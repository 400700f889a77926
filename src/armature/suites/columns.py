"""Which of a suite's numbers stand in a table, and how a column is headed."""

from __future__ import annotations

from collections.abc import Sequence

#: The columns of each suite's table; everything else is in the JSON and in the curves.
COLUMNS: dict[str, tuple[str, ...]] = {
    "repeatability": (
        *("repeatability@3/viewpoint", "repeatability@3/illumination", "localisation/viewpoint"),
        *("matching score/viewpoint", "homography@1/viewpoint", "repeatability@3/gaussian_noise"),
    ),
    "equivariance": (
        *("moved", "jumps", "jumps/rotation", "offset/x", "offset/y", "labels/offset/y"),
        *("AP/unchanged", "AP/difference"),
    ),
    "corruptions": ("clean", "mPC", "rPC", "drop", "drop/occluded_keypoints", "drop/occluded_limbs"),
    "uniqueness": ("second place", "peak-to-sidelobe", "entropy", "rank correlation"),
    "crowding": ("alone", "crowded", "drop", "recall/crowded"),
}
#: Heads of columns where a number's own name is long.
HEADS = {
    "repeatability@3/viewpoint": "repeat@3 viewpoint",
    "repeatability@3/illumination": "repeat@3 light",
    "repeatability@3/gaussian_noise": "repeat@3 noise",
    "localisation/viewpoint": "error viewpoint",
    "matching score/viewpoint": "matching score",
    "homography@1/viewpoint": "homography within 1",
    "labels/offset/y": "offset y by labels",
    "jumps/rotation": "jumps turned",
    "AP/unchanged": "AP before",
    "AP/difference": "AP change",
    "drop/occluded_keypoints": "drop joints covered",
    "drop/occluded_limbs": "drop limbs covered",
    "peak-to-sidelobe": "peak to sidelobe",
    "rank correlation": "rank corr. with error",
    "recall/crowded": "recall crowded",
}
#: How many numbers of a suite that is not listed.
_SOME = 6


def columns(suite: str, names: Sequence[Sequence[str]]) -> list[str]:
    """The suite's columns that anybody has; of a suite that is not listed, the first few numbers.

    Args:
        names: the numbers of each subject.
    """
    there = list(dict.fromkeys(name for own in names for name in own))
    chosen = [name for name in COLUMNS.get(suite, ()) if name in there]
    return chosen or there[:_SOME]
