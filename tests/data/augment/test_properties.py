"""No keypoint is lost and none invented, whatever is drawn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from armature import skeletons
from armature.data.augment.compression import Jpeg
from armature.data.augment.copy_paste import CopyPaste
from armature.data.augment.half_body import HalfBody
from armature.data.augment.mixup import MixUp
from armature.data.augment.occlusion import CutOut, KeypointOcclusion
from armature.data.dataset import KeypointDataset
from armature.data.geometry import RandomAffine, map_points, map_record, warp
from armature.data.mosaic import Mosaic
from armature.data.sample import Sample
from armature.structures import Record, Skeleton

NAMES = ["nose", "neck", "left_shoulder", "right_shoulder", "left_hip", "right_hip", "left_knee", "right_knee"]
BODY = skeletons.make("body", NAMES)
#: The same examples every time: what fails, fails for everybody.
few = settings(max_examples=50, deadline=None, derandomize=True)

numbers = st.floats(-20, 120, allow_nan=False, width=32)
sizes = st.tuples(st.integers(8, 90), st.integers(8, 90))


@st.composite
def records(draw: st.DrawFn, least: int = 0) -> Record:
    """Any people, crowds among them, some points and boxes beyond the picture."""
    height, width = draw(sizes)
    people = draw(st.integers(least, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    reach = draw(st.sampled_from([1.0, 1.3]))
    keypoints = (rng.random((people, len(NAMES), 2)) - (reach - 1) / 2) * (width, height) * reach
    low, high = keypoints.min(1), keypoints.max(1)
    return Record(
        image_id=draw(st.integers(1, 99)),
        file="",
        size=(height, width),
        keypoints=keypoints,
        visibility=rng.integers(0, 3, keypoints.shape[:2]),
        boxes=np.concatenate([low, high], 1),
        areas=rng.random(people) * 500,
        crowd=rng.random(people) < draw(st.sampled_from([0.0, 0.3])),
        annotation_ids=np.arange(people) + 1,
        regions=tuple((corners(b),) if rng.random() < 0.5 else () for b in np.concatenate([low, high], 1)),
        known=draw(st.none() | st.tuples(*[st.booleans()] * len(NAMES))),
    )


def corners(box: np.ndarray) -> np.ndarray:
    return np.array([[box[0], box[1]], [box[2], box[1]], [box[2], box[3]], [box[0], box[3]]])


class Given:
    """A source of these records, with pictures of noise."""

    def __init__(self, found: list[Record]) -> None:
        self.skeleton: Skeleton = BODY
        self.records = found

    def __len__(self) -> int:
        return len(self.records)

    def read(self, index: int, epoch: int = 0) -> tuple[np.ndarray, Record]:
        record = self.records[index]
        return np.random.default_rng(index).integers(0, 255, (*record.size, 3), dtype=np.uint8), record

    def fingerprint(self) -> str:
        return "given"


geometries = st.builds(
    RandomAffine,
    scale=st.tuples(st.floats(0.4, 1.0), st.floats(1.0, 2.5)),
    rotation=st.floats(0, 180),
    shift=st.floats(0, 0.3),
    flip=st.sampled_from([0.0, 0.5, 1.0]),
    focus=st.sampled_from([0.0, 1.0]),
)
sources = st.lists(records(), min_size=2, max_size=5).map(Given)
CANVASES = st.sampled_from([(48, 64), (64, 64), (72, 40)])


def labelled(sample: Sample) -> int:
    return int((sample.people.visibility > 0).sum())


def expected(record: Record, matrix: np.ndarray, canvas: tuple[int, int]) -> tuple[int, int]:
    """Labelled points on the canvas, and beside it, counted one by one; of those of a record who are to be seen."""
    height, width = canvas
    here = gone = 0
    for person in range(len(record.areas)):
        if record.crowd[person] or not seen(record, person, matrix, canvas):
            continue
        for (x, y), flag in zip(record.keypoints[person], record.visibility[person]):
            a, b, _ = matrix @ (x, y, 1)
            on = 0 <= a < width and 0 <= b < height
            here, gone = here + (flag > 0 and on), gone + (flag > 0 and not on)
    return here, gone


def seen(record: Record, person: int, matrix: np.ndarray, canvas: tuple[int, int]) -> bool:
    alone = replace(record, **{f: getattr(record, f)[[person]] for f in ("keypoints", "visibility", "boxes", "areas")})
    alone = replace(alone, crowd=record.crowd[[person]], annotation_ids=record.annotation_ids[[person]], regions=())
    return len(map_record(alone, matrix, canvas, BODY).areas) == 1


@few
@given(sources, geometries, CANVASES, st.booleans(), st.booleans())
def test_what_is_on_the_canvas_and_what_is_beside_it_are_all_there_is(
    source: Given, geometry: RandomAffine, canvas: tuple[int, int], mosaic: bool, half: bool
) -> None:
    halves = {"half": HalfBody(0.7, labelled=3, least=2)} if half else None
    data = KeypointDataset(source, canvas, geometry, 1, mosaic=Mosaic() if mosaic else None, augment=halves)
    sample = data[(1, 0)]
    counts = [expected(part.record, part.matrix, canvas) for part in sample.parts]
    assert labelled(sample) == sum(here for here, _ in counts)
    for part in sample.parts:
        total = (part.record.visibility[part.rows] > 0).sum()
        assert sum(expected(part.record, part.matrix, canvas)) == total


@few
@given(sources, geometries, CANVASES, st.booleans())
def test_covering_and_compressing_keep_every_label(
    source: Given, geometry: RandomAffine, canvas: tuple[int, int], mosaic: bool
) -> None:
    tiles = Mosaic() if mosaic else None
    plain = KeypointDataset(source, canvas, geometry, 1, mosaic=tiles)[(0, 1)]
    for augmentation in (CutOut(1.0, (1, 5)), KeypointOcclusion(1.0, (1, 9)), Jpeg(1.0)):
        after = KeypointDataset(source, canvas, geometry, 1, mosaic=tiles, augment={"a": augmentation})[(0, 1)]
        assert np.array_equal(after.people.keypoints, plain.people.keypoints)
        assert np.array_equal(after.people.boxes, plain.people.boxes)
        assert np.array_equal(after.people.visibility > 0, plain.people.visibility > 0)
        assert (after.people.visibility <= plain.people.visibility).all()


@few
@given(sources, geometries, CANVASES, st.booleans())
def test_blending_and_pasting_keep_everybody_and_add_only_others(
    source: Given, geometry: RandomAffine, canvas: tuple[int, int], mosaic: bool
) -> None:
    tiles = Mosaic() if mosaic else None
    base = KeypointDataset(source, canvas, geometry, 1, mosaic=tiles)
    plain, own = base[(0, 1)], len(base[(0, 1)].people.areas)
    for augmentation in (MixUp(1.0), CopyPaste(1.0, 0.8, 0.6)):
        others: list[Sample] = []

        def another(rng: np.random.Generator, others: list[Sample] = others) -> Sample:
            others.append(base[(7, int(rng.integers(len(source))))])
            return others[-1]

        after = augmentation(plain, np.random.default_rng(3), another)
        assert np.array_equal(after.people.keypoints[:own], plain.people.keypoints)
        assert np.array_equal(after.people.visibility[:own] > 0, plain.people.visibility > 0)
        assert (after.people.visibility[:own] <= plain.people.visibility).all()
        donors = others[0].people
        for person in range(own, len(after.people.areas)):
            same = [
                np.array_equal(after.people.keypoints[person], donors.keypoints[i])
                and np.array_equal(after.people.visibility[person] > 0, donors.visibility[i] > 0)
                and (after.people.visibility[person] <= donors.visibility[i]).all()
                for i in range(len(donors.areas))
            ]
            assert any(same)
        added = len(after.people.areas) - own
        assert added == len(donors.areas) if isinstance(augmentation, MixUp) else added <= len(donors.areas)


@few
@given(sources, geometries, CANVASES, st.integers(0, 5))
def test_with_probability_0_nothing_happens(
    source: Given, geometry: RandomAffine, canvas: tuple[int, int], epoch: int
) -> None:
    nothing = {
        "half": HalfBody(0.0, labelled=3),
        "paste": CopyPaste(0.0),
        "mix": MixUp(0.0),
        "cut": CutOut(0.0),
        "cover": KeypointOcclusion(0.0),
        "late": CutOut(1.0, passes=epoch),
        "jpeg": Jpeg(0.0),
    }
    plain = KeypointDataset(source, canvas, geometry, 5)[(epoch, 0)]
    after = KeypointDataset(source, canvas, geometry, 5, augment=nothing)[(epoch, 0)]
    assert np.array_equal(plain.image, after.image)
    assert np.array_equal(plain.to_source, after.to_source)
    assert all(np.array_equal(a, b) for a, b in zip(plain.people, after.people))


@few
@given(sources, geometries, CANVASES)
def test_boxes_stay_on_the_canvas_and_around_their_keypoints(
    source: Given, geometry: RandomAffine, canvas: tuple[int, int]
) -> None:
    """Source boxes here are the bounds of all points, so those of labelled points must stay within."""
    paste = {"c": CopyPaste(1.0), "m": MixUp(1.0)}
    people = KeypointDataset(source, canvas, geometry, 2, augment=paste)[(0, 0)].people
    assert (people.boxes >= 0).all() and (people.boxes <= np.array(canvas[::-1] * 2)).all()
    for box, points, flags in zip(people.boxes, people.keypoints, people.visibility):
        inside = points[flags > 0]
        assert (inside >= box[:2] - 1e-6).all() and (inside <= box[2:] + 1e-6).all()


@few
@given(records(least=1))
def test_mirrored_twice_is_as_before(record: Record) -> None:
    width = record.size[1]
    mirror = np.array([[-1.0, 0, width], [0, 1, 0], [0, 0, 1]])
    once, twice = (map_record(record, m, record.size, BODY) for m in (mirror, mirror @ mirror))
    again = replace(
        record,
        keypoints=once.keypoints,
        visibility=once.visibility,
        boxes=once.boxes,
        areas=once.areas,
        crowd=np.zeros(len(once.areas), bool),
        annotation_ids=np.arange(len(once.areas)) + 1,
        regions=(),
    )
    back = map_record(again, mirror, record.size, BODY)
    assert np.array_equal(back.visibility, twice.visibility)
    assert np.abs(back.keypoints - twice.keypoints).max(initial=0) < 1e-9
    assert np.abs(back.boxes - twice.boxes).max(initial=0) < 1e-9
    # Left and right change places, and each label goes where its point is shown.
    left, right = NAMES.index("left_hip"), NAMES.index("right_hip")
    rows = np.flatnonzero(~record.crowd)
    if len(once.areas) == len(rows):
        assert np.abs(once.keypoints[:, left] - map_points(record.keypoints[rows, right], mirror)).max(initial=0) < 1e-9


@few
@given(sizes, st.integers(0, 2**32 - 1))
def test_a_picture_mirrored_twice_is_as_before(size: tuple[int, int], seed: int) -> None:
    picture = np.random.default_rng(seed).integers(0, 255, (*size, 3), dtype=np.uint8)
    mirror = np.array([[-1.0, 0, size[1]], [0, 1, 0], [0, 0, 1]])
    once = warp(picture, mirror, size)
    assert np.array_equal(once, picture[:, ::-1])
    assert np.array_equal(warp(once, mirror, size), picture)


@pytest.mark.parametrize("mosaic", [None, Mosaic(0.5)])
def test_all_at_once_follow_from_seed_epoch_and_index_alone(mosaic: Mosaic | None) -> None:
    rng = np.random.default_rng(0)
    keypoints = rng.random((2, len(NAMES), 2)) * 60
    boxes = np.concatenate([keypoints.min(1), keypoints.max(1)], 1)
    flags, ids = np.full(keypoints.shape[:2], 2), np.arange(2) + 1
    found = [Record(i, "", (60, 60), keypoints, flags, boxes, np.ones(2), ids < 0, ids) for i in range(1, 9)]

    def make() -> KeypointDataset:
        several = {
            "half": HalfBody(0.5, labelled=8),
            "c": CopyPaste(0.5),
            "m": MixUp(0.5),
            "o": CutOut(0.5),
            "k": KeypointOcclusion(0.5),
            "j": Jpeg(0.5),
        }
        return KeypointDataset(Given(found), (64, 64), RandomAffine(), 3, mosaic=mosaic, augment=several)

    worn = make()
    [worn[(0, i)] for i in range(8)]
    images = [worn[(1, i)].image for i in range(8)]
    assert all(np.array_equal(images[i], make()[(1, i)].image) for i in reversed(range(8)))
    assert all(not np.array_equal(images[i], worn[(2, i)].image) for i in range(8))
