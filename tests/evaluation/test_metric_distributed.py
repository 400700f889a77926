"""One, two and three processes give the same numbers to the last bit, however the images are dealt out."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
import torch
import torch.multiprocessing
from torch.utils.data import DistributedSampler

from armature.data.dataset import Order
from armature.evaluation.metric import KeypointMetric
from armature.skeletons import make
from armature.structures import Poses, Record

#: Odd, and no multiple of three: neither two nor three processes get equally many.
IMAGES = 11
POINTS = 5
SKELETON = make("five", ["nose", "left_ear", "right_ear", "left_hip", "right_hip"], sigmas=[0.03, 0.05, 0.05, 0.1, 0.1])

#: Of each case the images that each process sees, in their order.
Shares = list[list[int]]


def own_sampler(world: int) -> Shares:
    """As the project's loader deals them out in evaluation: each once."""
    return [[index for _, index in Order(IMAGES, shuffle=False, rank=r, world=world)] for r in range(world)]


def padded(world: int) -> Shares:
    """As torch's own sampler does: everybody equally many, the first images again at the end."""
    return [list(DistributedSampler(range(IMAGES), world, r, shuffle=False)) for r in range(world)]  # type: ignore[arg-type]


CASES: dict[str, Shares] = {
    "one": own_sampler(1),
    "two": own_sampler(2),
    "three": own_sampler(3),
    "two, padded": padded(2),
    "three, padded": padded(3),
    "three, in blocks and backwards": [[10, 9, 8], [7, 6, 5, 4, 3], [2, 1, 0]],
    "three, the first idle": [[], [5, 4, 3, 2, 1, 0], [6, 7, 8, 9, 10]],
    "three, only the last busy": [[], [], list(range(IMAGES))],
}


def records() -> list[Record]:
    rng = np.random.default_rng(5)
    found = []
    for i in range(IMAGES):
        people = (3, 0, 1, 4, 2)[i % 5]
        corners = rng.uniform(0, 300, (people, 2))
        size = rng.uniform(30, 200, (people, 1))
        found.append(
            Record(
                image_id=(i * 7) % IMAGES + 1,  # the annotation file's order is not that of the ids
                file=f"{i}.png",
                size=(480, 640),
                keypoints=corners[:, None] + size[:, None] * rng.random((people, POINTS, 2)),
                visibility=rng.integers(0, 3, (people, POINTS)),
                boxes=np.concatenate([corners, corners + size], 1),
                areas=size[:, 0] ** 2 * 0.6,
                crowd=np.arange(people) == 3,
                annotation_ids=np.arange(people) + 10 * i + 1,
            )
        )
    return found


def guess(record: Record, again: bool = False) -> Poses:
    """People with errors of all sizes, some that are not there, and equal scores within an image and between images.

    ``again``: the image comes a second time, and with other neighbours in its batch a network rounds differently.
    """
    rng = np.random.default_rng(record.image_id)
    points = np.concatenate([record.keypoints, record.keypoints + 3, rng.uniform(0, 400, (2, POINTS, 2))])
    points = points + rng.normal(0, 1, points.shape) * rng.choice([1, 4, 15], (len(points), 1, 1)) + again * 1e-3
    boxes = np.concatenate([points.min(1), points.max(1)], 1)
    arrays = (points, rng.random(points.shape[:2]), boxes, rng.integers(1, 4, len(points)) / 3)
    return Poses(*(torch.tensor(array, dtype=torch.float32) for array in arrays))


def seen(shares: Shares, rank: int) -> list[Poses]:
    """What the process ``rank`` predicts, image by image; an image that any process has had before comes again."""
    turns = [(place, process) for process, share in enumerate(shares) for place in range(len(share))]
    before = {turn: [shares[r][p] for p, r in turns if (p, r) < turn] for turn in turns}
    return [guess(records()[i], i in before[place, rank]) for place, i in enumerate(shares[rank])]


def outcome(shares: Shares, rank: int = 0) -> dict[str, Any]:
    """Everything that is said of the data set by the process ``rank``, which gets its images in batches of two."""
    every = records()
    metric = KeypointMetric(SKELETON)
    metric.bind(every)
    poses, ids = seen(shares, rank), torch.tensor([every[i].image_id for i in shares[rank]])
    for start in range(0, len(poses), 2):
        metric.update(poses[start : start + 2], ids[start : start + 2])
    numbers, predictions = metric.compute(), metric.predictions()
    order = np.argsort(predictions.image_ids, kind="stable")
    columns = (predictions.image_ids, predictions.keypoints, predictions.scores, predictions.boxes)
    return {
        "numbers": {name: value.hex() for name, value in numbers.items()},
        "image_oks": {image: value.hex() for image, value in metric.image_oks().items()},
        "card": metric.card(),
        "predictions": [column[order].tobytes() for column in columns],
    }


def _process(rank: int, folder: str) -> None:
    """A process that takes part in every case that has work, or a place, for its rank."""
    torch.set_num_threads(1)
    for number, shares in enumerate(CASES.values()):
        if rank < len(shares):
            store = torch.distributed.FileStore(f"{folder}/store-{number}", len(shares))
            torch.distributed.init_process_group("gloo", store=store, rank=rank, world_size=len(shares))
            torch.save(outcome(shares, rank), f"{folder}/{number}-{rank}.pt")
            torch.distributed.destroy_process_group()


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """What every process of every case found."""
    folder = tmp_path_factory.mktemp("processes")
    started = torch.multiprocessing.start_processes(_process, (str(folder),), nprocs=3, start_method="fork", join=False)
    deadline = time.monotonic() + 120
    while not started.join(timeout=1):
        assert time.monotonic() < deadline, "the processes wait for each other"
    return {
        name: [torch.load(folder / f"{number}-{rank}.pt", weights_only=False) for rank in range(len(shares))]
        for number, (name, shares) in enumerate(CASES.items())
    }


@pytest.mark.parametrize("name", CASES)
def test_every_process_says_what_one_alone_says_to_the_last_bit(
    name: str, outcomes: dict[str, list[dict[str, Any]]]
) -> None:
    alone = outcome(own_sampler(1))  # no process group at all
    assert len(outcomes[name]) == len(CASES[name])
    for found in outcomes[name]:
        assert found == alone


def test_the_data_set_can_tell_a_difference() -> None:
    numbers = {name: float.fromhex(value) for name, value in outcome(own_sampler(1))["numbers"].items()}
    assert 0.05 < numbers["AP"] < 0.95 and 0.05 < numbers["PCK@0.1"] < 0.95 and numbers["error/mean"] > 1
    fewer = outcome([list(range(IMAGES - 1))])["numbers"]
    assert fewer != outcome(own_sampler(1))["numbers"]


def test_a_repeat_is_told_from_its_image() -> None:
    assert not torch.equal(guess(records()[0]).keypoints, guess(records()[0], again=True).keypoints)
    repeated = [i for share in padded(3) for i in share]
    assert len(repeated) == 12 and sorted(set(repeated)) == list(range(IMAGES))
