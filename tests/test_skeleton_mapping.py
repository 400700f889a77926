"""One skeleton's points in another's order: by name, by spelling, by synonym, and as a middle where asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from armature.skeleton_mapping import ALIASES, between, canonical, intersection, union
from armature.skeletons import SkeletonError, load, make
from armature.structures import Skeleton

FOLDER = Path(__file__).parents[1] / "conf" / "skeleton"


def named(name: str) -> Skeleton:
    return load(FOLDER / f"{name}.yaml")


def told(source: str, target: str, **options: object) -> dict[str, tuple[str, ...]]:
    """The target's points by name -> the source's."""
    found = between(named(source), named(target), **options)  # type: ignore[arg-type]
    return {
        name: tuple(found.source.keypoints[i] for i in origin)
        for name, origin in zip(found.target.keypoints, found.origins, strict=True)
    }


@pytest.mark.parametrize(
    ("ours", "spellings"),
    [
        ("left_wrist", ["left_wrist", "l_wrist", "LWrist", "wrist_left", "L-Wrist", "Left Wrist", "lwrist", "wrist.L"]),
        ("right_ear", ["right_ear", "REar", "rightear", "earright", "R_EarBase", "right_ear_base"]),
        ("left_frontelbow", ["L_F_Elbow", "left_front_elbow"]),
        ("head_top", ["head_top", "top_head", "Top of head", "head"]),
        ("neck", ["neck", "upper_neck", "head_bottom"]),
        ("pelvis", ["pelvis", "MidHip", "mid_hip", "hip_center"]),
        ("left_big_toe", ["LBigToe", "left_big_toe"]),
        ("left_forefinger4", ["left_index_tip", "left_forefinger4", "left_index_finger_tip"]),
        ("tail_base", ["tailbase", "root_of_tail", "TailBase"]),
        ("nose", ["nose", "snout"]),
    ],
)
def test_spellings(ours: str, spellings: list[str]) -> None:
    assert {canonical(name) for name in spellings} == {ours}


@pytest.mark.parametrize("name", ["rear", "lip_top", "kpt-3", "rim", "l", "left"])
def test_what_is_no_side_stays(name: str) -> None:
    assert canonical(name) == name.replace("_", "").replace("-", "")


def test_no_synonym_means_two_things() -> None:
    words = [canonical(word) for part, synonyms in ALIASES.items() for word in (part, *synonyms)]
    owners = [canonical(part) for part, synonyms in ALIASES.items() for _ in (part, *synonyms)]
    assert words == owners


def test_every_skeleton_has_names_that_stay_apart() -> None:
    for file in FOLDER.glob("*.yaml"):
        points = load(file).keypoints
        assert len({canonical(name) for name in points}) == len(points), file.stem


def test_a_skeleton_is_itself() -> None:
    for file in FOLDER.glob("*.yaml"):
        skeleton = load(file)
        found = between(skeleton, skeleton, derive=True)
        assert found.identical and all(found.known)


def test_known_pairs() -> None:
    mpii = told("coco_person", "mpii")
    assert mpii["left_wrist"] == ("left_wrist",)
    assert [n for n, origin in mpii.items() if not origin] == ["pelvis", "thorax", "upper_neck", "head_top"]
    assert told("lsp", "mpii")["upper_neck"] == ("neck",) and told("lsp", "crowdpose")["head"] == ("head_top",)
    assert told("openfield_mouse", "animalpose")["left_ear_base"] == ("leftear",)
    assert told("mpii", "body_25")["mid_hip"] == ("pelvis",)
    assert sum(map(bool, told("coco_wholebody", "face_300w").values())) == 68
    assert sum(map(bool, told("coco_wholebody", "body_25").values())) == 23
    # A wrist of the body is not the root of the hand, which COCO-WholeBody labels besides.
    assert told("coco_wholebody", "coco_person")["left_wrist"] == ("left_wrist",)
    # What 300-W and WFLW call alike is at the same place; jaw and brows are not.
    faces = told("wflw", "face_300w")
    assert faces["nose_base"] == ("nose_base",) and faces["right_jaw_3"] == () and faces["right_brow_2"] == ()


def test_middles_are_made_only_when_asked_for() -> None:
    assert told("coco_person", "body_25")["neck"] == ()
    derived = told("coco_person", "body_25", derive=True)
    assert derived["neck"] == ("left_shoulder", "right_shoulder") and derived["mid_hip"] == ("left_hip", "right_hip")
    # A neck labelled where the head begins is not between the shoulders.
    mpii = told("coco_person", "mpii", derive=True)
    assert mpii["thorax"] == ("left_shoulder", "right_shoulder") and mpii["upper_neck"] == ()
    # What there is goes before what could be made.
    assert told("body_25", "openpose_18", derive=True)["neck"] == ("neck",)


def test_points_and_flags_follow() -> None:
    found = between(named("coco_person"), named("openpose_18"), derive=True)
    rng = np.random.default_rng(0)
    points, flags = rng.uniform(0, 100, (3, 17, 2)), rng.integers(0, 3, (3, 17))
    moved, seen = found.points(points, flags)
    index = named("coco_person").keypoints.index
    for i, name in enumerate(named("openpose_18").keypoints):
        for person in range(3):
            if name == "neck":
                least = min(flags[person, 5], flags[person, 6])
                expected = (points[person, 5] + points[person, 6]) / 2
            else:
                least, expected = flags[person, index(name)], points[person, index(name)]
            assert seen[person, i] == least
            np.testing.assert_allclose(moved[person, i], expected if least else [0, 0])


def test_names_given_win() -> None:
    hand = told("coco_wholebody", "hand_21", names={"thumb4": "left_thumb4", "wrist": "left_hand_root"})
    assert hand["thumb4"] == ("left_thumb4",) and hand["wrist"] == ("left_hand_root",) and hand["thumb3"] == ()
    neck = told("mpii", "openpose_18", names={"neck": "thorax", "nose": ["upper_neck", "head_top"], "left_hip": None})
    assert neck["neck"] == ("thorax",) and neck["nose"] == ("upper_neck", "head_top") and neck["left_hip"] == ()


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"left_wirst": "left_wrist"}, "skeleton 'lsp' has no keypoint 'left_wirst', did you mean 'left_wrist'"),
        ({"neck": "xyz"}, r"skeleton 'coco_person' has no keypoint 'xyz'; it has \[nose"),
    ],
)
def test_names_that_do_not_exist(names: dict[str, str], message: str) -> None:
    with pytest.raises(SkeletonError, match=message):
        between(named("coco_person"), named("lsp"), names=names)


def test_nothing_in_common_is_an_error() -> None:
    with pytest.raises(SkeletonError, match="'hand_21' and 'lsp' have no keypoint in common"):
        between(named("hand_21"), named("lsp"))


def test_names_that_two_points_share_are_nobodys() -> None:
    source = make("s", ["left_ear", "left_ear_base", "nose"], flip_pairs=[])
    target = make("t", ["LEar", "nose"], flip_pairs=[])
    assert between(source, target).origins == ((), (2,))


def test_the_union_has_all_points_once() -> None:
    both = union([named("coco_person"), named("lsp")], "both")
    assert both.name == "both" and both.keypoints == (*named("coco_person").keypoints, "neck", "head_top")
    assert both.sigmas is None
    limbs = {frozenset(both.keypoints[i] for i in edge) for edge in both.edges}
    for name in ("coco_person", "lsp"):
        skeleton = named(name)
        assert limbs >= {frozenset(skeleton.keypoints[i] for i in edge) for edge in skeleton.edges}
    assert [both.keypoints[f] for f in both.flip[-3:]] == ["left_ankle", "neck", "head_top"]


def test_a_union_of_measured_points_is_measured() -> None:
    both = union([named("coco_person"), named("crowdpose")])
    person, crowd = named("coco_person"), named("crowdpose")
    assert both.sigmas == (*(person.sigmas or ()), *(crowd.sigmas or ())[-2:])
    assert union([person]).keypoints == person.keypoints


def test_a_union_of_strangers_is_their_sum() -> None:
    both = union([named("lsp"), named("hand_21")])
    assert both.keypoints == named("lsp").keypoints + named("hand_21").keypoints


def test_a_mouse_and_a_dog_share_spellings() -> None:
    both = union([named("openfield_mouse"), named("animalpose")])
    assert both.count == 20 and both.keypoints[:4] == ("snout", "leftear", "rightear", "tailbase")
    assert all(both.flip[both.flip[i]] == i for i in range(20))


def test_the_intersection_is_what_all_have() -> None:
    common = intersection([named("mpii"), named("coco_person"), named("crowdpose")])
    assert set(common.keypoints) == {f"{s}_{p}" for s in ("left", "right") for p in
                                     ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")}  # fmt: skip
    place = {name: i for i, name in enumerate(named("mpii").keypoints)}
    assert common.sigmas == tuple((named("mpii").sigmas or ())[place[name]] for name in common.keypoints)
    lonely = make("lonely", ["left_wrist", "right_wrist", "left_knee"], flip_pairs=[["left_wrist", "right_wrist"]])
    assert intersection([named("lsp"), lonely]).keypoints == ("right_wrist", "left_wrist")
    with pytest.raises(SkeletonError, match="no keypoint in common"):
        intersection([named("lsp"), named("hand_21")])
    with pytest.raises(SkeletonError, match="at least one"):
        union([])
