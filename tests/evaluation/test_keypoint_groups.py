"""Which keypoints are reported together."""

from __future__ import annotations

import pytest

from armature import config_folders
from armature.evaluation.keypoint_groups import keypoint_groups
from armature.skeletons import SkeletonError, load, make


def groups_of(name: str) -> dict[str, tuple[str, ...]]:
    skeleton = load(config_folders.project() / "skeleton" / f"{name}.yaml")
    return {group: tuple(skeleton.keypoints[i] for i in found) for group, found in keypoint_groups(skeleton).items()}


def test_sides_are_merged_and_middle_points_stand_alone() -> None:
    found = groups_of("coco_person")
    assert list(found) == ["eyes", "ears", "shoulders", "elbows", "wrists", "hips", "knees", "ankles"]
    assert found["wrists"] == ("left_wrist", "right_wrist")
    assert groups_of("openfield_mouse") == {"ears": ("leftear", "rightear")}


def test_numbers_at_the_end_are_merged_and_other_mirrors_joined() -> None:
    face = groups_of("face_300w")
    assert len(face["jaws"]) == 16 and len(face["brows"]) == 10 and face["eye_outers"][0] == "right_eye_outer"
    assert groups_of("mirror_mouse")["paw1LH_top+paw4RH_top"] == ("paw1LH_top", "paw4RH_top")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["l_foot", "r_foot"], {"feet": (0, 1)}),
        (["hand-L", "hand-R", "tip"], {"hands": (0, 1)}),
        (["finger1", "finger2", "finger10", "palm"], {"fingers": (0, 1, 2)}),
        (["left", "right"], {"left+right": (0, 1)}),
        (["1", "2"], {}),
    ],
)
def test_names_of_other_kinds(names: list[str], expected: dict[str, tuple[int, ...]]) -> None:
    assert keypoint_groups(make("other", names)) == expected


def test_a_skeleton_file_may_name_its_own() -> None:
    skeleton = make("arms", ["a", "b", "c"], groups={"first": ["a", "b"], "last": ["c"]})
    assert keypoint_groups(skeleton) == {"first": (0, 1), "last": (2,)}
    with pytest.raises(SkeletonError, match=r"groups.first names 'z', which is no keypoint"):
        make("arms", ["a", "b"], groups={"first": ["z"]})
