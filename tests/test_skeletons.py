"""Skeleton files: what comes with the package is sound, and what is not is refused by field."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from armature import skeletons
from armature.skeletons import SkeletonError, load, make, mirrored_name
from armature.structures import Record

FOLDER = Path(__file__).parents[1] / "conf" / "skeleton"
COUNTS = {"coco_person": 17, "lsp": 14, "face_300w": 68, "openfield_mouse": 4, "mirror_mouse": 17, "coco_foot": 23}
COUNTS |= {"coco_wholebody": 133, "coco_wholebody_body": 17, "coco_wholebody_foot": 6, "coco_wholebody_face": 68}
COUNTS |= {"coco_wholebody_hand": 21, "mpii": 16, "crowdpose": 14, "aic": 14, "openpose_18": 18, "body_25": 25}
COUNTS |= {"hand_21": 21, "wflw": 98, "ap10k": 17, "animalpose": 20, "interest_point": 1, "plate": 6}
WITH_SIGMAS = {"coco_person", "coco_foot", "mpii", "crowdpose", "aic", "ap10k", "animalpose"}
WITH_SIGMAS |= {f"coco_wholebody{part}" for part in ("", "_body", "_foot", "_face", "_hand")}
#: Figures of several pieces: the parts of faces, two feet, a mouse seen twice and an obstacle.
PIECES = {"face_300w": 9, "coco_wholebody_face": 9, "wflw": 9, "coco_wholebody": 10, "coco_wholebody_foot": 2}
PIECES |= {"mirror_mouse": 4, "plate": 2}


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.yaml")), ids=lambda f: f.stem)
def test_files_are_sound(file: Path) -> None:
    skeleton = load(file)
    assert skeleton.name == file.stem
    assert all(skeleton.flip[skeleton.flip[i]] == i for i in range(skeleton.count))
    assert all(0 <= i < skeleton.count and i != j for edge in skeleton.edges for i, j in (edge, edge[::-1]))
    assert len(set(map(frozenset, skeleton.edges))) == len(skeleton.edges)
    assert len(skeleton.colours) == skeleton.count
    # A mirror image of a skeleton has the same limbs.
    assert {frozenset(e) for e in skeleton.edges} == {frozenset(skeleton.flip[i] for i in e) for e in skeleton.edges}


@pytest.mark.parametrize(("name", "count"), COUNTS.items())
def test_counts(name: str, count: int) -> None:
    assert load(FOLDER / f"{name}.yaml").count == count


def test_every_file_is_counted_here() -> None:
    assert set(COUNTS) == {file.stem for file in FOLDER.glob("*.yaml")}


@pytest.mark.parametrize("name", COUNTS)
def test_edges_connect_the_points(name: str) -> None:
    from scipy.sparse.csgraph import connected_components

    skeleton = load(FOLDER / f"{name}.yaml")
    graph = np.zeros((skeleton.count, skeleton.count))
    for a, b in skeleton.edges:
        graph[a, b] = 1
    assert connected_components(graph, directed=False)[0] == PIECES.get(name, 1)


@pytest.mark.parametrize("name", COUNTS)
def test_the_mirror_of_a_mirrored_picture_is_the_picture(name: str) -> None:
    from armature.data.geometry import map_record

    skeleton, size = load(FOLDER / f"{name}.yaml"), (90, 120)
    rng = np.random.default_rng(0)
    points = rng.uniform(5, 85, (2, skeleton.count, 2))
    flags = rng.integers(0, 3, (2, skeleton.count))
    boxes = np.array([[0.0, 0.0, 100.0, 90.0]] * 2)
    record = Record(1, "", size, points, flags, boxes, np.full(2, 50.0), np.zeros(2, bool), np.arange(1, 3))
    mirror = np.array([[-1.0, 0.0, size[1]], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    once = map_record(record, mirror, size, skeleton)
    again = replace(record, keypoints=once.keypoints, visibility=once.visibility, boxes=once.boxes)
    twice = map_record(again, mirror, size, skeleton)
    np.testing.assert_allclose(twice.keypoints, points)
    np.testing.assert_array_equal(twice.visibility, flags)
    np.testing.assert_allclose(twice.boxes, boxes)
    for i, point in enumerate(skeleton.keypoints):
        # In the mirror my left wrist is where a right wrist's mirror image is.
        np.testing.assert_allclose(once.keypoints[:, i], [size[1], 0] + points[:, skeleton.flip[i]] * [-1, 1])
        if name != "mirror_mouse":
            assert skeleton.keypoints[skeleton.flip[i]] == mirrored_name(point)


def test_sigmas_are_coco_s_official_ones_and_are_missing_where_nobody_gave_any() -> None:
    from pycocotools.cocoeval import Params

    official = Params("keypoints").kpt_oks_sigmas
    assert load(FOLDER / "coco_person.yaml").sigmas == pytest.approx(official)
    assert {name for name in COUNTS if load(FOLDER / f"{name}.yaml").sigmas is not None} == WITH_SIGMAS
    by_name = dict(zip(load(FOLDER / "coco_person.yaml").keypoints, official, strict=True))
    # CrowdPose took COCO's for what both have, and a shoulder's for head and neck.
    crowd = load(FOLDER / "crowdpose.yaml")
    expected = [by_name.get(name, by_name["left_shoulder"]) for name in crowd.keypoints]
    assert crowd.sigmas == pytest.approx(expected)
    assert set(load(FOLDER / "ap10k.yaml").sigmas or ()) <= {round(float(s), 3) for s in official}


def test_the_whole_body_is_its_parts() -> None:
    whole = load(FOLDER / "coco_wholebody.yaml")
    body, foot, face, hand = (load(FOLDER / f"coco_wholebody_{part}.yaml") for part in ("body", "foot", "face", "hand"))
    person, three = load(FOLDER / "coco_person.yaml"), load(FOLDER / "face_300w.yaml")
    assert (body.keypoints, body.edges, body.sigmas) == (person.keypoints, person.edges, person.sigmas)
    assert (face.keypoints, face.edges, face.flip) == (three.keypoints, three.edges, three.flip)
    hands = [
        f"{side}_{'hand_root' if i == 0 else n}" for side in ("left", "right") for i, n in enumerate(hand.keypoints)
    ]
    assert whole.keypoints == (*body.keypoints, *foot.keypoints, *face.keypoints, *hands)
    assert whole.sigmas == sum((part.sigmas or () for part in (body, foot, face, hand, hand)), ())
    groups = dict(whole.groups)
    assert [len(groups[n]) for n in ("body", "feet", "face", "left_hand", "right_hand")] == [17, 6, 68, 21, 21]
    assert sorted(i for members in groups.values() for i in members) == list(range(133))


def test_wflw_flips_as_the_data_set_does() -> None:
    # Left of the picture to right of the picture, points counted from 0 as in the data set.
    pairs = [(i, 32 - i) for i in range(16)] + [(33, 46), (34, 45), (35, 44), (36, 43), (37, 42)]
    pairs += [(38, 50), (39, 49), (40, 48), (41, 47), (55, 59), (56, 58), (60, 72), (61, 71), (62, 70), (63, 69)]
    pairs += [(64, 68), (65, 75), (66, 74), (67, 73), (76, 82), (77, 81), (78, 80), (83, 87), (84, 86), (88, 92)]
    pairs += [(89, 91), (93, 95), (96, 97)]
    expected = np.arange(98)
    for a, b in pairs:
        expected[a], expected[b] = b, a
    skeleton = load(FOLDER / "wflw.yaml")
    assert list(skeleton.flip) == expected.tolist()
    assert [skeleton.keypoints[i] for i in (60, 72)] == ["right_eye_outer", "left_eye_outer"]  # its normaliser


@pytest.mark.parametrize(
    ("name", "lower"),
    [
        ("coco_person", range(11, 17)),
        ("coco_foot", range(11, 23)),
        ("mpii", range(7)),
        ("body_25", [*range(8, 15), *range(19, 25)]),
        ("ap10k", [4, *range(11, 17)]),
        ("animalpose", [6, 10, 11, 14, 15, 18, 19]),
    ],
)
def test_bodies_have_two_halves(name: str, lower: Any) -> None:
    upper, found = skeletons.halves(load(FOLDER / f"{name}.yaml")) or ((), ())
    assert sorted(found) == sorted(lower)
    assert sorted(upper + found) == list(range(COUNTS[name]))


def test_what_is_no_body_has_no_halves_and_a_file_may_say_its_own() -> None:
    assert all(skeletons.halves(load(FOLDER / f"{n}.yaml")) is None for n in ("hand_21", "wflw", "openfield_mouse"))
    robot = make("robot", ["arm", "wheel"], groups={"upper_body": ["arm"], "lower_body": ["wheel"]})
    assert skeletons.halves(robot) == ((0,), (1,))


def test_left_is_warm_right_is_cold_whichever_comes_first() -> None:
    for name in ("coco_person", "mpii", "face_300w"):
        skeleton = load(FOLDER / f"{name}.yaml")
        for point, (red, _, blue) in zip(skeleton.keypoints, skeleton.colours, strict=True):
            assert not point.startswith("left") or red > blue
            assert not point.startswith("right") or red < blue
    assert len(set(load(FOLDER / "hand_21.yaml").colours)) == 21


def test_some_of_the_points_keep_what_is_among_them() -> None:
    four = make("four", ["left_a", "right_a", "b", "c"], [["left_a", "b"], ["b", "c"]], sigmas=[0.1, 0.2, 0.3, 0.4])
    small = skeletons.restrict(four, [2, 0, 3])
    assert small.keypoints == ("b", "left_a", "c") and small.sigmas == (0.3, 0.1, 0.4)
    assert small.edges == ((1, 0), (0, 2)) and small.flip == (0, 1, 2)
    for kept in ([], [1, 1]):
        with pytest.raises(SkeletonError, match="one or more different points"):
            skeletons.restrict(four, kept)


def test_the_face_flips_as_300w_does() -> None:
    # Left of the picture to right of the picture, points counted from 1 as in the data set.
    pairs = [(i, 18 - i) for i in range(1, 9)] + [(17 + i, 28 - i) for i in range(1, 6)]
    pairs += [(32, 36), (33, 35), (37, 46), (38, 45), (39, 44), (40, 43), (41, 48), (42, 47)]
    pairs += [(49, 55), (50, 54), (51, 53), (60, 56), (59, 57), (61, 65), (62, 64), (68, 66)]
    expected = np.arange(68)
    for a, b in pairs:
        expected[a - 1], expected[b - 1] = b - 1, a - 1
    assert list(load(FOLDER / "face_300w.yaml").flip) == expected.tolist()


def test_paws_change_sides_in_the_mirror() -> None:
    skeleton = load(FOLDER / "mirror_mouse.yaml")
    pairs = {(skeleton.keypoints[i], skeleton.keypoints[f]) for i, f in enumerate(skeleton.flip) if i < f}
    assert pairs == {
        (f"paw{a}_{view}", f"paw{b}_{view}") for a, b in (("1LH", "4RH"), ("2LF", "3RF")) for view in ("top", "bot")
    }


@pytest.mark.data
def test_the_mean_face_is_its_own_mirror_image() -> None:
    from armature.data.coco import CocoKeypoints

    folder = Path(os.environ.get("ARMATURE_DATA") or FOLDER.parents[2] / "shared" / "data") / "helen"
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set ARMATURE_DATA")
    skeleton = load(FOLDER / "face_300w.yaml")
    records = CocoKeypoints(folder / "test.json", folder / "images" / "test", skeleton).records
    faces = np.stack([r.keypoints[0] for r in records])
    faces = faces - faces.mean(1, keepdims=True)
    mean = (faces / np.abs(faces).mean((1, 2), keepdims=True)).mean(0)
    mirrored = (mean * [-1, 1])[list(skeleton.flip)]
    # In units of the mean distance from the middle; people hold their heads a little askew, points are 0.3 apart.
    assert np.abs(mean - mirrored).max() < 0.2
    right = [i for i, n in enumerate(skeleton.keypoints) if n.startswith("right")]
    assert (mean[right, 0] < 0).all()


@pytest.mark.parametrize(
    ("name", "mirrored"),
    [
        ("left_eye", "right_eye"),
        ("rightear", "leftear"),
        ("RightHand", "LeftHand"),
        ("wrist_l", "wrist_r"),
        ("R-ankle", "L-ankle"),
        ("nose", "nose"),
        ("tailbase", "tailbase"),
        ("lower_lip", "lower_lip"),
    ],
)
def test_mirrored_names(name: str, mirrored: str) -> None:
    assert mirrored_name(name) == mirrored
    assert mirrored_name(mirrored) == name


WRONG = [
    ({"keypoints": ["a", "b", "a"]}, r"keypoints repeats \['a'\]"),
    ({"keypoints": ["a", "left_b"]}, "mirror name of 'left_b' names 'right_b', which is no keypoint"),
    ({"edges": [["a", "z"]]}, "edges names 'z', which is no keypoint"),
    ({"edges": [["a"]]}, r"edges must be pairs of names; found \['a'\]"),
    ({"flip_pairs": [["a", "z"]]}, "flip_pairs names 'z'"),
    ({"flip_pairs": [["a", "b"], ["b", "c"]]}, r"no involution at \['a'\]|no involution at .*'b'"),
    ({"sigmas": [0.1]}, "sigmas has 1 entries for 3 keypoints"),
    ({"sigmas": [0.1, -1, 0.1]}, "sigmas must be > 0"),
    ({"sigmas": [0.1, float("nan"), 0.1]}, "sigmas must be > 0"),
    ({"colours": [[1, 2, 3]]}, "colours has 1 entries"),
]


@pytest.mark.parametrize(("fields", "message"), WRONG)
def test_contradictions_are_refused_by_field(fields: dict, message: str) -> None:
    with pytest.raises(SkeletonError, match=message):
        make(**{"name": "odd", "keypoints": ["a", "b", "c"]} | fields)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", r"odd\.yaml: while parsing"),
        ("- a", r"odd\.yaml: expected"),
        ("", r"odd\.yaml: expected"),
        ("name: odd", r"odd\.yaml: .*keypoints"),
        ("name: odd\nkeypoints: [a]\nsigma: [1]", r"odd\.yaml: .*sigma.*known fields"),
    ],
)
def test_bad_files_are_named(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "odd.yaml").write_text(text)
    with pytest.raises(SkeletonError, match=message):
        load(tmp_path / "odd.yaml")
    with pytest.raises(SkeletonError, match=r"gone\.yaml: .*No such file"):
        load(tmp_path / "gone.yaml")


def test_the_default_sigma_is_one_for_all() -> None:
    mouse = load(FOLDER / "openfield_mouse.yaml")
    assert skeletons.sigmas_or_default(mouse) == (skeletons.DEFAULT_SIGMA,) * 4
    person = load(FOLDER / "coco_person.yaml")
    assert skeletons.sigmas_or_default(person) == person.sigmas
    assert person.sigmas is not None
    assert min(person.sigmas) < skeletons.DEFAULT_SIGMA < max(person.sigmas)
