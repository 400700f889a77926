"""A data set in another skeleton's keypoints, and several data sets with different keypoints as one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from armature.data.dataset import KeypointDataset, collate
from armature.data.geometry import Matrix
from armature.data.joined import Joined
from armature.data.mapped import Mapped, mapped
from armature.data.mosaic import Mosaic
from armature.data.source import Checkable, Picture, Problem
from armature.data.split import Subset
from armature.data.synthetic import Synthetic
from armature.errors import ConfigError
from armature.skeletons import SkeletonError, make
from armature.structures import Record, Skeleton

A = make("a", ["nose", "left_eye", "right_eye"])
B = make("b", ["REye", "LEye", "tail"], flip_pairs=[["LEye", "REye"]])
BOTH = make("both", ["nose", "left_eye", "right_eye", "tail"])


class Made:
    """Pictures of one colour with one person each, at known places; the second one is broken."""

    def __init__(self, skeleton: Skeleton, count: int, first: int = 1) -> None:
        self.skeleton, self.first = skeleton, first
        self.records = [self._record(i) for i in range(count)]

    def _record(self, index: int) -> Record:
        points = np.array([[[10.0 * k + 5, 20.0 + index] for k in range(self.skeleton.count)]])
        flags, box = np.full((1, self.skeleton.count), 2), np.array([[0.0, 0.0, 40.0, 60.0]])
        ids = np.array([self.first + index])
        return Record(self.first + index, f"{index}.png", (64, 48), points, flags, box, np.ones(1), ids < 0, ids)

    def __len__(self) -> int:
        return len(self.records)

    def read(self, index: int, epoch: int = 0) -> tuple[Picture, Record]:
        return np.full((64, 48, 3), 10 * index, np.uint8), self.records[index]

    def fingerprint(self) -> str:
        return f"{self.skeleton.name}{len(self)}"

    def check(self) -> list[Problem]:
        return [Problem(1, "1.png", "torn")] if len(self) > 1 else []


def test_a_mapped_record_has_the_points_at_their_places() -> None:
    source = Mapped(Made(B, 3), BOTH)
    assert isinstance(source, Checkable) and source.check() == [Problem(1, "1.png", "torn")]
    picture, record = source.read(2)
    assert picture[0, 0, 0] == 20 and record.known == (False, True, True, True)
    assert record.visibility.tolist() == [[0, 2, 2, 2]]
    assert record.keypoints.tolist() == [[[0, 0], [15, 22], [5, 22], [25, 22]]]
    assert source.records[2].keypoints.tolist() == record.keypoints.tolist() and len(source) == 3
    kept = source.source.records[2]
    assert (record.boxes is kept.boxes) and (record.annotation_ids is kept.annotation_ids)


def test_all_points_known_is_said_by_nothing() -> None:
    assert Mapped(Made(B, 1), make("eyes", ["left_eye", "right_eye"])).records[0].known is None


def test_a_middle_needs_both_ends_known() -> None:
    chest = make("c", ["thorax", "left_shoulder"], flip_pairs=[])
    source = Mapped(Made(make("s", ["left_shoulder", "right_shoulder"]), 1), chest, derive=True)
    record = source.records[0]
    assert record.keypoints.tolist() == [[[10, 20], [5, 20]]] and record.known is None
    half = mapped(replace(source.source.records[0], known=(True, False)), source.correspondence)
    assert half.known == (False, True)


def test_a_mapping_changes_the_fingerprint() -> None:
    prints = {Mapped(Made(B, 2), BOTH).fingerprint(), Mapped(Made(B, 2), A).fingerprint()}
    prints |= {Mapped(Made(B, 2), A, names={"nose": "tail"}).fingerprint(), Made(B, 2).fingerprint()}
    assert len(prints) == 4


def test_joined_sources_follow_one_another_with_ids_of_their_own() -> None:
    source = Joined({"a": Made(A, 2), "b": Made(B, 3)}, BOTH)
    assert len(source) == 5 and [source.number(i) for i in range(5)] == [0, 0, 1, 1, 1]
    assert [r.image_id for r in source.records] == [2, 4, 3, 5, 7]
    assert [source.read(i)[1].image_id for i in range(5)] == [2, 4, 3, 5, 7]
    assert [int(r.annotation_ids[0]) for r in source.records] == [2, 4, 3, 5, 7]
    assert [source.read(i)[0][0, 0, 0] for i in range(5)] == [0, 10, 0, 10, 20]
    assert [p.index for p in source.check()] == [1, 3]
    assert source.records[0].known == (True, True, True, False) and source.records[4].known == (False, True, True, True)
    with pytest.raises(IndexError):
        source.read(5)
    assert [r.image_id for r in Subset(source, [4, 0]).records] == [7, 2]
    prints = {Joined([Made(A, n), Made(B, 3)], BOTH).fingerprint() for n in (1, 2)}
    assert len(prints) == 2


def test_joined_makes_its_own_skeleton() -> None:
    sources = [Made(A, 1), Made(B, 1)]
    assert Joined(sources).skeleton.keypoints == ("nose", "left_eye", "right_eye", "tail")
    assert Joined(sources).skeleton.name == "a+b"
    common = Joined(sources, "intersection")
    assert common.skeleton.keypoints == ("left_eye", "right_eye")
    assert all(r.known is None for r in common.records)
    named = Joined({"a": Made(A, 1), "b": Made(B, 1)}, A, names={"b": {"nose": "tail"}})
    assert named.records[1].keypoints[0, 0].tolist() == [25, 20]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"sources": []}, ConfigError, "at least one data set"),
        ({"sources": [Made(A, 1)], "skeleton": "all"}, ConfigError, "skeleton=all: give a skeleton, or one of union"),
        ({"sources": {"x": Made(A, 1)}, "names": {"y": {}}}, ConfigError, r"\['y'\], which are no sources; .*\['x'\]"),
        ({"sources": [Made(A, 1)], "skeleton": make("c", ["knob"])}, SkeletonError, "no keypoint in common"),
    ],
)
def test_what_cannot_be_joined(arguments: dict, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Joined(**arguments)


class Mirror:
    """Every picture mirrored."""

    def __call__(self, size: tuple[int, int], canvas: tuple[int, int], rng: object, record: Record) -> Matrix:
        return np.array([[-1.0, 0, canvas[1]], [0, 1, 0], [0, 0, 1]])


def test_a_batch_knows_what_each_picture_s_data_set_labels() -> None:
    # Only one side is labelled here, so that a mirror moves what is known.
    one = make("one", ["left_eye", "nose"], flip_pairs=[])
    source = Joined([Made(one, 1), Made(BOTH, 1)], BOTH)
    upright = KeypointDataset(source, (64, 48))
    batch = collate([upright[0], upright[1]])
    assert batch.known is not None and batch.knows() is batch.known
    assert batch.known.tolist() == [[True, True, False, False], [True] * 4]
    mirrored = collate([KeypointDataset(source, (64, 48), Mirror())[0]])
    assert mirrored.known is not None and mirrored.known.tolist() == [[True, False, True, False]]
    assert (mirrored.instances.visibility[0, 0] > 0).tolist() == [True, False, True, False]
    plain = collate([KeypointDataset(Made(BOTH, 1), (64, 48))[0]])
    assert plain.known is None and plain.knows().tolist() == [[True] * 4]


def test_a_mosaic_knows_what_all_of_its_pictures_know() -> None:
    source = Joined([Made(A, 2), Made(B, 2)], BOTH)
    dataset = KeypointDataset(source, (64, 64), None, 0, mosaic=Mosaic(probability=1.0))
    known = [dataset[(0, i)].known for i in range(4)]
    expected = {(True, True, True, False), (False, True, True, True), (False, True, True, False)}
    assert {tuple(k.tolist()) for k in known if k is not None} <= expected and all(k is not None for k in known)


def test_people_of_coco_and_lsp_together(real_data: Path, skeleton_file: Callable[[str], Skeleton]) -> None:
    from armature.data.coco import CocoKeypoints

    coco, lsp = skeleton_file("coco_person"), skeleton_file("lsp")
    people = CocoKeypoints(
        real_data / "coco_mini" / "annotations" / "person_keypoints_val.json",
        real_data / "coco_mini" / "images" / "val",
        coco,
    )
    athletes = CocoKeypoints(real_data / "lspe" / "val.json", real_data / "lspe" / "images" / "val", lsp)
    source = Joined({"coco": people, "lsp": athletes})
    assert source.skeleton.count == 19 and len(source) == len(people) + len(athletes)
    record, original = source.records[len(people)], athletes.records[0]
    place = {name: i for i, name in enumerate(lsp.keypoints)}
    for i, name in enumerate(source.skeleton.keypoints):
        if name in place:
            np.testing.assert_array_equal(record.keypoints[:, i], original.keypoints[:, place[name]])
        else:
            assert not record.visibility[:, i].any() and record.known is not None and not record.known[i]


def test_generated_pictures_are_read_anew_each_epoch() -> None:
    source = Joined([Synthetic(A, 2, (64, 64)), Synthetic(B, 2, (64, 64))])
    first, later = source.read(3, 0)[0], source.read(3, 1)[0]
    assert not np.array_equal(first, later)
    assert np.array_equal(first, Synthetic(B, 2, (64, 64)).read(1, 0)[0])
