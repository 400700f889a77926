"""Skeleton files: what comes with the package is sound, and what is not is refused by field."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from armature import skeletons
from armature.skeletons import SkeletonError, load, make, mirrored_name

FOLDER = Path(__file__).parents[1] / "conf" / "skeleton"
COUNTS = {"coco_person": 17, "lsp": 14, "face_300w": 68, "openfield_mouse": 4, "mirror_mouse": 17}


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


def test_only_coco_has_sigmas_and_they_are_the_official_ones() -> None:
    from pycocotools.cocoeval import Params

    assert load(FOLDER / "coco_person.yaml").sigmas == pytest.approx(Params("keypoints").kpt_oks_sigmas)
    assert all(load(FOLDER / f"{name}.yaml").sigmas is None for name in COUNTS if name != "coco_person")


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
