"""The metric over batches, repeated images, images never seen, and processes."""

from __future__ import annotations

import copy
import math
import os
import pickle
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.multiprocessing

from armature.errors import UserError
from armature.evaluation.judge import Judge
from armature.evaluation.metric import KeypointMetric
from armature.evaluation.results import Predictions, Truth
from armature.skeletons import make
from armature.structures import Poses, Record

SKELETON = make("four", ["nose", "left_ear", "right_ear", "tail"], sigmas=[0.05] * 4)


def make_records(count: int) -> list[Record]:
    rng = np.random.default_rng(0)
    found = []
    for i in range(count):
        people = i % 3
        corners = rng.uniform(0, 100, (people, 2))
        found.append(
            Record(
                image_id=100 + i,
                file=f"{i}.png",
                size=(240, 320),
                keypoints=corners[:, None] + rng.uniform(0, 60, (people, 4, 2)),
                visibility=rng.integers(0, 3, (people, 4)),
                boxes=np.concatenate([corners, corners + 60], 1),
                areas=np.full(people, 1800.0),
                crowd=np.zeros(people, bool),
                annotation_ids=np.arange(people) + 10 * i + 1,
            )
        )
    return found


def guess(record: Record, extra: int = 1) -> Poses:
    """The record's people a few pixels off, and some that are not there."""
    rng = np.random.default_rng(record.image_id)
    near = record.keypoints + rng.normal(0, 2, record.keypoints.shape)
    points = np.concatenate([near, rng.uniform(0, 200, (extra, 4, 2))])
    boxes = np.concatenate([points.min(1), points.max(1)], 1)
    arrays = (points, rng.random(points.shape[:2]), boxes, rng.random(len(points)))
    return Poses(*(torch.tensor(array, dtype=torch.float32) for array in arrays))


def feed(metric: KeypointMetric, records: list[Record], batch: int = 3) -> None:
    for start in range(0, len(records), batch):
        part = records[start : start + batch]
        metric.update([guess(r) for r in part], torch.tensor([r.image_id for r in part]))


def expected(records: list[Record], predicted: list[Record]) -> dict[str, float]:
    predictions = Predictions.from_poses([guess(r) for r in predicted], [r.image_id for r in predicted])
    return Judge(SKELETON)(Truth.from_records(records, SKELETON), predictions).numbers


def assert_same(found: dict[str, float], wanted: dict[str, float]) -> None:
    assert found == pytest.approx(wanted, abs=1e-12, nan_ok=True)


def bound(records: list[Record], **options: Any) -> KeypointMetric:
    metric = KeypointMetric(SKELETON, **options)
    metric.bind(records)
    return metric


def test_batches_add_up_to_the_whole() -> None:
    records = make_records(10)
    metric = bound(records)
    feed(metric, records)
    numbers = metric.compute()
    assert_same(numbers, expected(records, records))
    assert 0.1 < numbers["AP"] < 1 and numbers["error/mean"] > 0
    assert metric.card()["images_predicted"] == 10
    assert len(metric.predictions()) == sum(len(guess(r)) for r in records)
    assert set(metric.image_oks()) <= {r.image_id for r in records}


def test_repeated_images_count_once() -> None:
    records = make_records(7)
    metric = bound(records)
    feed(metric, records + records[:3])
    assert_same(metric.compute(), expected(records, records))


def test_images_never_seen_have_found_nobody() -> None:
    records = make_records(9)
    metric = bound(records)
    feed(metric, records[:5])
    assert_same(metric.compute(), expected(records, records[:5]))
    assert metric.card()["images"] == 9 and metric.card()["images_predicted"] == 5


def test_images_of_other_data_are_left_out() -> None:
    records = make_records(9)
    metric = bound(records[:5])
    feed(metric, records)
    assert_same(metric.compute(), expected(records[:5], records[:5]))


def test_only_images_of_other_data_is_a_mistake() -> None:
    records = make_records(6)
    metric = bound(records[:2])
    feed(metric, records[3:])
    with pytest.raises(UserError, match=r"none of the 3 predicted images .first id 103. is in the annotations"):
        metric.compute()


def test_no_prediction_at_all() -> None:
    records = make_records(5)
    metric = bound(records)
    metric.update(
        [guess(records[0], 0), Poses(*(t[:0] for t in vars(guess(records[1])).values()))], torch.tensor([100, 101])
    )
    numbers = metric.compute()
    assert numbers["AP"] == 0.0 and numbers["PCK@0.2"] == 0.0 and math.isnan(numbers["error/mean"])


def test_reset_starts_again_and_the_last_verdict_stays_readable() -> None:
    records = make_records(6)
    metric = bound(records)
    feed(metric, records[:2])
    metric.compute()
    metric.reset()
    assert metric.card()["images_predicted"] == 2
    feed(metric, records)
    assert_same(metric.compute(), expected(records, records))


def test_mistakes_are_named() -> None:
    with pytest.raises(UserError, match="call bind"):
        _ = KeypointMetric(SKELETON).truth
    records = make_records(3)
    with pytest.raises(UserError, match="2 poses for 3 image ids"):
        bound(records).update([guess(r) for r in records[:2]], torch.tensor([100, 101, 102]))


def test_the_card_takes_lines_from_outside() -> None:
    records = make_records(3)
    metric = bound(records, protocol={"nms": "peaks 3x3"})
    metric.protocol["flip_test"] = False
    feed(metric, records)
    assert metric.card()["nms"] == "peaks 3x3" and metric.card()["flip_test"] is False


def test_copies_and_pickles_keep_what_was_collected() -> None:
    records = make_records(6)
    metric = bound(records)
    feed(metric, records)
    for again in (copy.deepcopy(metric), pickle.loads(pickle.dumps(metric))):
        assert_same(again.compute(), expected(records, records))


def _process(rank: int, folder: str, shares: list[list[int]]) -> None:
    """One of two processes: its share of images, then the numbers that all must agree on."""
    torch.set_num_threads(1)
    store = torch.distributed.FileStore(os.path.join(folder, "store"), len(shares))
    torch.distributed.init_process_group("gloo", store=store, rank=rank, world_size=len(shares))
    records = make_records(7)
    metric = bound(records)
    for _ in range(2):  # the second epoch starts from nothing
        feed(metric, [records[i] for i in shares[rank]], batch=2)
        numbers, predictions = metric.compute(), metric.predictions()
        metric.reset()
    torch.save((numbers, len(predictions), metric.card()), os.path.join(folder, f"{rank}.pt"))
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize(
    "shares",
    [[[0, 2, 4, 6], [1, 3, 5, 0]], [[0, 1, 2, 3, 4, 5, 6], []], [[], [6, 5, 4, 3, 2, 1, 0, 0]]],
    ids=["padded", "second idle", "first idle"],
)
def test_processes_agree_with_one(shares: list[list[int]], tmp_path: Path) -> None:
    started = torch.multiprocessing.start_processes(
        _process, (str(tmp_path), shares), nprocs=2, start_method="fork", join=False
    )
    deadline = time.monotonic() + 60
    while not started.join(timeout=1):
        assert time.monotonic() < deadline, "the processes wait for each other"
    records = make_records(7)
    for rank in range(2):
        numbers, people, card = torch.load(tmp_path / f"{rank}.pt", weights_only=False)
        assert_same(numbers, expected(records, records))
        assert people == sum(len(guess(r)) for r in records) and card["images_predicted"] == 7
