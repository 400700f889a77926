"""The generated data set: the same everywhere, and its truth is what the label map says."""

from __future__ import annotations

import hashlib
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from armature import skeletons
from armature.data.synthetic import Synthetic
from armature.data.synthetic.figures import rig as rig_of
from armature.errors import DataError
from armature.structures import Record, Skeleton

CONF = Path(__file__).parents[2] / "conf" / "skeleton"
COCO = skeletons.load(CONF / "coco_person.yaml")
FINGERS = ("thumb", "forefinger", "middle_finger", "ring_finger", "pinky_finger")
HAND = skeletons.make(
    "hand",
    ["wrist"] + [f"{f}{i}" for f in FINGERS for i in range(1, 5)],
)  # fmt: skip
AP10K = skeletons.make(
    "ap10k",
    ["left_eye", "right_eye", "nose", "neck", "root_of_tail", "left_shoulder", "left_elbow", "left_front_paw",
     "right_shoulder", "right_elbow", "right_front_paw", "left_hip", "left_knee", "left_back_paw", "right_hip",
     "right_knee", "right_back_paw"],
)  # fmt: skip
UNKNOWN = skeletons.make("bug", ["core", "tip_l", "tip_r", "tail", "lost"], [["core", "tip_l"], ["core", "tip_r"]])
ALL = [*(skeletons.load(p) for p in sorted(CONF.glob("*.yaml"))), HAND, AP10K, UNKNOWN]

#: Which parts show a limb's joint, said a second time and by hand.
SHOWN_BY = {
    "elbow": ("upper_arm", "sleeve"),
    "wrist": ("sleeve", "palm"),
    "knee": ("upper_leg", "lower_leg"),
    "ankle": ("lower_leg", "shoe"),
}


def _digest(data: Synthetic, indices: range, epoch: int = 0) -> str:
    told = hashlib.sha256()
    for i in indices:
        image, record = data.read(i, epoch)
        for part in (image, record.keypoints, record.visibility, record.boxes, record.areas, record.annotation_ids):
            told.update(np.ascontiguousarray(part).tobytes())
    return told.hexdigest()


def _still(yaw: float, skeleton: Skeleton = COCO) -> Record:
    """One figure in the middle, at rest, turned by ``yaw``, with nothing before it."""
    data = Synthetic(skeleton, 1, people=(1, 1), scale=(0.6, 0.6), crowd=0.0, occluders=0.0)
    rest = data._rig
    data._rig = replace(
        rest,
        mean=rest.mean * 0,
        spread=rest.spread * 0,
        swing=rest.swing * 0,
        view=replace(rest.view, yaw=(yaw, 0.0), elevation=(0.0, 0.0), roll=(0.0, 0.0)),
    )
    return data.read(0)[1]


@pytest.mark.slow
def test_the_same_in_every_process() -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import test_synthetic as t;"
        "print(t._digest(t.Synthetic(t.COCO, 9, (96, 128), seed=3), range(8, 3, -1), 2))"
    )
    run = subprocess.run([sys.executable, "-c", code, str(Path(__file__).parent)], capture_output=True, text=True)
    here = Synthetic(COCO, 9, (96, 128), seed=3)
    _digest(here, range(0, 9))  # what has been drawn before must not matter
    assert run.stdout.strip() == _digest(here, range(8, 3, -1), 2), run.stderr


def test_epochs_and_seeds_differ_unless_asked() -> None:
    varied, fixed = Synthetic(COCO, 3, (64, 64)), Synthetic(COCO, 3, (64, 64), vary=False)
    assert len({_digest(varied, range(3), epoch) for epoch in range(4)}) == 4
    assert len({_digest(fixed, range(3), epoch) for epoch in range(4)}) == 1
    assert _digest(varied, range(3)) == _digest(fixed, range(3))
    assert _digest(varied, range(3)) != _digest(Synthetic(COCO, 3, (64, 64), seed=1), range(3))


def test_records_are_those_of_epoch_0() -> None:
    data = Synthetic(COCO, 12, (64, 80))
    for i, record in enumerate(data.records):
        again = data.read(i)[1]
        assert record.image_id == i + 1 and record.size == (64, 80) and record.file == ""
        np.testing.assert_array_equal(record.keypoints, again.keypoints)
    ids = np.concatenate([r.annotation_ids for r in data.records])
    assert len(data) == len(data.records) == 12
    assert ids.min() >= 1 and len(set(ids.tolist())) == len(ids)


def test_areas_and_boxes_are_those_of_the_label_map() -> None:
    data = Synthetic(COCO, 40, (120, 160), crowd=0.3, seed=5)
    for i in range(len(data)):
        image, labels, record = data.render(i)
        assert image.shape == (120, 160, 3) and image.dtype == np.uint8
        for n, (annotation, box) in enumerate(zip(record.annotation_ids, record.boxes)):
            number = annotation % 64 if annotation % 64 < 63 else 255
            rows, columns = np.nonzero(labels // 256 == number)
            assert record.areas[n] == len(rows) >= 20
            assert box.tolist() == [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


def test_visibility_is_what_lies_on_top() -> None:
    data = Synthetic(COCO, 60, (160, 160), seed=2)
    parts = data._rig.part_names
    seen = {0: 0, 1: 0, 2: 0}
    for i in range(len(data)):
        _, labels, record = data.render(i)
        for n in np.flatnonzero(~record.crowd):
            for k, name in enumerate(COCO.keypoints):
                (x, y), flag = record.keypoints[n, k], int(record.visibility[n, k])
                seen[flag] += 1
                if flag == 0:
                    continue
                assert 0 <= x < 160 and 0 <= y < 160
                top = int(labels[int(y), int(x)])
                mine = top // 256 == record.annotation_ids[n] % 64
                if flag == 2:
                    assert mine
                side, _, joint = name.partition("_")
                if joint in SHOWN_BY:
                    assert (flag == 2) == (mine and parts[top % 256] in [f"{side}_{p}" for p in SHOWN_BY[joint]])
    assert min(seen.values()) > 0.02 * sum(seen.values())


@pytest.mark.parametrize(
    ("yaw", "hidden", "unlabelled"),
    [
        (0, "", ""),
        (180, "", "nose left_eye right_eye left_ear right_ear"),
        # Turned to the viewer's right, the left side is far, and the near arm hangs before the hip.
        (90, "left_shoulder left_elbow left_wrist left_hip left_knee left_ankle right_hip", "left_eye left_ear"),
        (
            -90,
            "right_shoulder right_elbow right_wrist right_hip right_knee right_ankle left_hip",
            "right_eye right_ear",
        ),
    ],
)
def test_what_a_figure_at_rest_shows_from_each_side(yaw: float, hidden: str, unlabelled: str) -> None:
    record = _still(yaw)
    flags = dict(zip(COCO.keypoints, record.visibility[0].tolist()))
    assert {name for name, flag in flags.items() if flag == 1} == set(hidden.split())
    assert {name for name, flag in flags.items() if flag == 0} == set(unlabelled.split())


def test_left_is_on_the_right_of_the_picture_when_facing_the_viewer() -> None:
    facing = []
    for record in Synthetic(COCO, 120, (128, 128), crowd=0).records:
        for points, flags in zip(record.keypoints, record.visibility):
            if (flags[[0, 1, 2, 5, 6]] == 2).all():  # nose, eyes and shoulders
                facing.append(points[5, 0] > points[6, 0])
    assert len(facing) > 30 and np.mean(facing) > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("skeleton", ALL, ids=lambda s: s.name)
def test_every_skeleton_can_be_drawn(skeleton: Skeleton) -> None:
    data = Synthetic(skeleton, 40, (128, 160), people=(1, 2), scale=(0.4, 0.8), seed=1)
    flags = np.concatenate([r.visibility for r in data.records])
    assert flags.shape[1] == skeleton.count
    assert ((flags == 2).mean(0) > 0.08).all() and (flags == 2).mean() > 0.3


def test_skeletons_are_known_by_the_names_of_their_points() -> None:
    kinds = {s.name: rig_of(s).name for s in ALL}
    expected = {"coco_person": "person", "lsp": "person", "openfield_mouse": "mouse", "hand": "hand", "bug": "bug"}
    assert expected.items() <= kinds.items() and kinds["ap10k"] == "quadruped"
    spelt = skeletons.make("spelt", ["LShoulder", "RShoulder"], flip_pairs=[["LShoulder", "RShoulder"]])
    assert rig_of(skeletons.make("dashes", ["left-shoulder", "right-shoulder"])).name == "person"
    assert rig_of(spelt).name == "spelt"


def test_a_crowd_is_one_annotation_to_be_ignored() -> None:
    data = Synthetic(COCO, 15, (128, 128), crowd=1.0, people=(0, 3))
    for i in range(len(data)):
        _, labels, record = data.render(i)
        assert record.crowd.sum() == 1 and not record.visibility[record.crowd].any()
        region = record.regions[int(np.flatnonzero(record.crowd)[0])]
        mask = np.zeros((128, 128), np.uint8)
        for polygon in region:
            cv2.fillPoly(mask, [np.rint(polygon - 0.5).astype(np.int32)], 1)
        crowd = labels >> 8 == 255
        assert mask[crowd].mean() > 0.95
        assert mask[(labels > 0) & ~crowd].sum() <= 0.1 * (labels > 0).sum()


def test_pictures_without_anybody() -> None:
    record = Synthetic(COCO, 2, (64, 64), people=(0, 0), crowd=0.0).read(1)[1]
    assert record.keypoints.shape == (0, 17, 2) and record.boxes.shape == (0, 4) and len(record.areas) == 0


def test_workers_receive_it_by_pickling() -> None:
    data = Synthetic(COCO, 2, (64, 64))
    assert _digest(pickle.loads(pickle.dumps(data)), range(2)) == _digest(data, range(2))


def test_fingerprint_follows_the_parameters() -> None:
    sources = [Synthetic(COCO, 2), Synthetic(COCO, 3), Synthetic(COCO, 2, seed=1), Synthetic(COCO, 2, people=(1, 2)),
               Synthetic(HAND, 2), Synthetic(COCO, 2, vary=False)]  # fmt: skip
    assert len({s.fingerprint() for s in sources}) == len(sources)
    assert Synthetic(COCO, 2).fingerprint() == sources[0].fingerprint()


@pytest.mark.parametrize(
    "wrong",
    [{"length": 0}, {"size": (8, 64)}, {"people": (3, 1)}, {"people": (1, 63)}, {"scale": (0, 1)}, {"crowd": 1.5},
     {"occluders": -0.1}, {"seed": -1}],
    ids=str,
)  # fmt: skip
def test_impossible_parameters_are_named(wrong: dict) -> None:
    with pytest.raises(DataError, match=next(iter(wrong))):
        Synthetic(COCO, **({"length": 4} | wrong))


def test_too_many_points() -> None:
    with pytest.raises(DataError, match="300 keypoints"):
        Synthetic(skeletons.make("dots", [f"p{i}" for i in range(300)]), 1)


def test_index_beyond_the_end() -> None:
    with pytest.raises(IndexError, match="picture 5"):
        Synthetic(COCO, 5).read(5)
