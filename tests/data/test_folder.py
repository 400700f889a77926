"""Training data from a folder: splits, categories, boxes and areas that the data lack."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from armature import skeletons
from armature.data import recognising
from armature.data.folder import LabelledPictures, choose, folder_data, splits
from armature.data.labels.form import Category, LabelledImage, Labels, Person
from armature.data.split import Fraction
from armature.errors import ConfigError, DataError
from armature.structures import Skeleton

SIZE = (40, 60)


def one(category: int = 0, count: int = 3, **changes: object) -> Person:
    points = np.array([[10.0, 5.0], [20.0, 6.0], [12.0, 25.0], [1.0, 1.0]])[:count]
    return Person(**({"category": category, "keypoints": points, "visibility": np.full(count, 2)} | changes))  # type: ignore[arg-type]


def labels(root: Path, *people: tuple[Person, ...], given: tuple[str, ...] = ()) -> Labels:
    names = ("nose", "left_eye", "right_eye")
    kinds = (Category("cat", names), Category("fly", ("a", "b", "c", "d")), Category("dog", names))
    images = []
    for n, own in enumerate(people):
        (root / f"{n}.png").write_bytes(cv2.imencode(".png", np.zeros((*SIZE, 3), np.uint8))[1].tobytes())
        images.append(LabelledImage(f"{n}.png", SIZE, own, given[n] if given else ""))
    return Labels(root, kinds, tuple(images))


def test_what_the_data_lack_follows_from_the_points(tmp_path: Path, trio: Skeleton) -> None:
    square = np.array([[0.0, 0.0], [4.0, 0.0], [4.0, 3.0]])
    unseen = {"keypoints": np.zeros((3, 2)), "visibility": np.zeros(3, np.int64)}
    people = (one(), one(polygons=(square,)), one(**unseen), one(box=np.array([0.0, 0.0, 9.0, 9.0]), **unseen))
    source = LabelledPictures(labels(tmp_path, people), [0], trio, [0])
    (record,) = source.records
    # 20 px high: 2 px wider on every side, 0.53 of that box; the triangle's own area; nothing known: not in the record.
    assert record.boxes[0].tolist() == [8, 3, 22, 27]
    assert record.areas.tolist() == pytest.approx([0.53 * 14 * 24, 6, 0.53 * 81])
    assert record.annotation_ids.tolist() == [1, 2, 3]
    assert source.check() == []
    assert source.read(0)[0].shape == (*SIZE, 3)


def test_crowds_have_their_regions(tmp_path: Path, trio: Skeleton) -> None:
    square = np.array([[0.0, 0.0], [4.0, 0.0], [4.0, 3.0]])
    box = np.array([0.0, 0.0, 4.0, 3.0])
    source = LabelledPictures(labels(tmp_path, (one(), one(crowd=True, box=box, polygons=(square,)))), [0], trio, [0])
    record = source.read(0)[1]
    assert record.crowd.tolist() == [False, True]
    assert record.regions[0] == ()
    assert record.regions[1][0].tolist() == square.tolist()
    alone = labels(tmp_path, (one(), one(polygons=(square,))))
    assert LabelledPictures(alone, [0], trio, [0]).read(0)[1].regions == ()
    everybody = LabelledPictures(alone, [0], trio, [0], segments=True).read(0)[1].regions
    assert [[p.tolist() for p in person] for person in everybody] == [[], [square.tolist()]]


def test_points_are_matched_by_name(tmp_path: Path) -> None:
    other = skeletons.make("other", ["right_eye", "nose"], flip_pairs=[])
    record = LabelledPictures(labels(tmp_path, (one(),)), [0], other, [0]).records[0]
    assert record.keypoints[0].tolist() == [[12, 25], [10, 5]]
    with pytest.raises(DataError, match="lacks"):
        LabelledPictures(labels(tmp_path, (one(),)), [0], skeletons.make("x", ["nose", "a", "b"]), [0])


def test_the_kind_with_most_people_is_taken_with_those_of_the_same_points(tmp_path: Path) -> None:
    found = labels(tmp_path, (one(0), one(2), one(1, 4)), (one(1, 4),))
    assert choose(found) == ([0, 2], [1])
    assert choose(found, "fly") == ([1], [0, 2])
    with pytest.raises(
        DataError, match=r"no category 'cow' with keypoints; it has 'cat' \(3\), 'fly' \(4\), 'dog' \(3\)"
    ):
        choose(found, "cow")
    with pytest.raises(DataError, match="nobody in it has labelled keypoints"):
        choose(labels(tmp_path, ()))


def test_splits_of_the_data(tmp_path: Path) -> None:
    people = ((one(),), (one(),), (one(),))
    assert splits(labels(tmp_path, *people, given=("train", "val", "test"))) == ([0], [1])
    assert splits(labels(tmp_path, *people, given=("train", "train", "test"))) == ([0, 1], [2])
    assert splits(labels(tmp_path, *people, given=("train", "train", "train"))) is None
    assert splits(labels(tmp_path, *people)) is None


def test_the_data_of_a_run(tmp_path: Path, trio: Skeleton) -> None:
    found = labels(tmp_path, (one(),), (one(),), (one(),), (one(),), given=("train", "train", "val", ""))
    recognising.write(found, "coco", tmp_path / "it")
    data = folder_data(str(tmp_path / "it"), trio, category="cat", split=Fraction(0.25), canvas=(32, 32))
    assert (len(data.train), len(data.val)) == (2, 1)
    data.prepare()
    whole = folder_data(str(tmp_path / "it"), trio, category="cat", own_splits=False, split=Fraction(0.25))
    assert (len(whole.train), len(whole.val)) == (3, 1)
    with pytest.raises(ConfigError, match=r"give split@data\.split"):
        folder_data(str(tmp_path / "it"), trio, category="cat", own_splits=False)


def test_the_fingerprint_is_that_of_the_labels(tmp_path: Path, trio: Skeleton) -> None:
    def print_of(person: Person) -> str:
        return LabelledPictures(labels(tmp_path, (person,)), [0], trio, [0]).fingerprint()

    moved = one().keypoints + np.array([0.0, 1e-3])
    assert print_of(one()) == print_of(one())
    assert print_of(one()) != print_of(one(keypoints=moved))


def test_frames_of_a_video_must_be_written_first(tmp_path: Path, trio: Skeleton) -> None:
    found = labels(tmp_path, (one(),))
    frame = replace(found.images[0], load=lambda: np.zeros((*SIZE, 3), np.uint8))
    with pytest.raises(DataError, match="frames of a video; write them as files first: armature data convert"):
        LabelledPictures(replace(found, images=(frame,)), [0], trio, [0])


@pytest.mark.data
@pytest.mark.parametrize(("name", "train", "val"), [("coco_mini", 188, 106), ("lspe", 2500, 500), ("helen", 870, 330)])
def test_real_folders_agree_with_their_own_reader(
    name: str, train: int, val: int, real_data: Path, skeleton_file
) -> None:  # type: ignore[no-untyped-def]
    from armature.data.coco import CocoKeypoints

    skeleton = skeleton_file({"coco_mini": "coco_person", "lspe": "lsp", "helen": "face_300w"}[name])
    data = folder_data(str(real_data / name), skeleton)
    assert (len(data.train), len(data.val)) == (train, val)
    file = next(f for f in sorted((real_data / name).rglob("*train*.json")))
    images = next(f for f in (real_data / name).rglob("train") if f.is_dir())
    other = CocoKeypoints(file, images, skeleton)
    for a, b in zip(data.train.records, other.records, strict=True):
        assert (a.image_id, a.size) == (b.image_id, b.size)
        assert a.file.endswith(b.file)
        for field in ("keypoints", "visibility", "boxes", "areas", "crowd", "annotation_ids"):
            assert np.array_equal(getattr(a, field), getattr(b, field)), field
