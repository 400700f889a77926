"""Samples and batches: random by (seed, epoch, index) alone, and every point where its picture is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils.data import DistributedSampler

from armature.data.dataset import KeypointDataset, Order, Sample, collate
from armature.data.geometry import RandomAffine
from armature.structures import Batch


def same(a: Batch, b: Batch) -> bool:
    pairs = [(a.images, b.images), (a.ignore, b.ignore), (a.to_source, b.to_source), (a.image_ids, b.image_ids)]
    pairs += [(getattr(a.instances, f), getattr(b.instances, f)) for f in ("boxes", "keypoints", "visibility", "areas")]
    return all(torch.equal(x, y) for x, y in pairs)


def test_a_sample_depends_on_seed_epoch_and_index_alone(dots: Callable) -> None:
    def sample(seed: int, draw: tuple[int, int]) -> Sample:
        return KeypointDataset(dots(5), (64, 64), RandomAffine(), seed)[draw]

    data = KeypointDataset(dots(5), (64, 64), RandomAffine(), 3)
    [data[(0, i)] for i in range(5)]
    assert np.array_equal(data[(1, 2)].image, sample(3, (1, 2)).image)
    assert data[(0, 2)].to_source.tolist() == data[2].to_source.tolist()
    others = [sample(4, (1, 2)), sample(3, (2, 2)), sample(3, (1, 3))]
    assert all(not np.array_equal(data[(1, 2)].to_source, o.to_source) for o in others)


def test_to_source_brings_the_points_home(dots: Callable) -> None:
    source = dots(8)
    # No mirror and nothing off the canvas, so that points compare one to one.
    data = KeypointDataset(source, (96, 80), RandomAffine((0.5, 0.5), 20, 0, 0))
    batch = collate([data[(1, i)] for i in range(8)])
    for i, record in enumerate(source.records):
        kept = ~record.crowd
        m = batch.to_source[i].double().numpy()
        found = batch.instances.keypoints[i, : kept.sum()].double().numpy() @ m[:2, :2].T + m[:2, 2]
        assert found == pytest.approx(record.keypoints[kept], abs=1e-3)
        assert (batch.instances.visibility[i, : kept.sum()].numpy() == record.visibility[kept]).all()


def test_collate_pads_people_and_keeps_the_memory_format(dots: Callable) -> None:
    source = dots(3)
    source.records[1] = replace(source.records[1], crowd=np.ones(3, bool))
    source.records[2] = replace(source.records[2], crowd=np.array([True, True, False]))
    data = KeypointDataset(source, (48, 64))
    batch = collate([data[i] for i in range(3)])
    assert batch.images.dtype == torch.uint8
    assert batch.images.shape == (3, 3, 48, 64)
    assert batch.images.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(batch.images[0].permute(1, 2, 0), torch.from_numpy(source.read(0)[0]))
    assert batch.instances.valid.tolist() == [[True, True], [False, False], [True, False]]
    assert batch.instances.keypoints.shape == (3, 2, 3, 2)
    assert batch.image_ids.tolist() == [100, 101, 102]
    assert batch.ignore.flatten(1).any(1).all()
    assert batch.ignore.dtype == torch.bool
    assert collate([data[1]]).instances.boxes.shape == (1, 1, 4)


def test_to_source_in_single_precision_is_exact_enough(dots: Callable) -> None:
    source = dots(1)
    source.records[0] = replace(source.records[0], size=(7000, 10000))
    source.read = lambda index, epoch=0: (np.zeros((7000, 10000, 3), np.uint8), source.records[0])
    sample = KeypointDataset(source, (512, 512), RandomAffine())[0]
    corner = np.array([511.5, 511.5, 1])
    found = collate([sample]).to_source[0].numpy() @ corner.astype(np.float32)
    assert np.abs(found - sample.to_source @ corner).max() < 2e-3


def test_an_epoch_is_a_permutation_and_the_next_is_another() -> None:
    order = Order(10, shuffle=True, seed=1)
    first = list(order)
    order.set_epoch(1)
    second = list(order)
    assert [p for p, _ in first + second] == [0] * 10 + [1] * 10
    assert sorted(i for _, i in first) == sorted(i for _, i in second) == list(range(10))
    assert [i for _, i in first] != [i for _, i in second]
    again = Order(10, shuffle=True, seed=1)
    again.set_epoch(1)
    assert list(again) == second
    assert list(Order(10, shuffle=True, seed=2)) != first


def test_long_epochs_are_whole_passes_in_a_row() -> None:
    order = Order(4, shuffle=True, length=10)
    draws = []
    for epoch in range(2):
        order.set_epoch(epoch)
        draws += list(order)
    assert [p for p, _ in draws] == [0] * 4 + [1] * 4 + [2] * 4 + [3] * 4 + [4] * 4
    assert all(sorted(i for _, i in draws[k : k + 4]) == [0, 1, 2, 3] for k in range(0, 20, 4))


@pytest.mark.parametrize("world", [1, 2, 3])
def test_ranks_share_the_data(world: int) -> None:
    training = [list(Order(11, shuffle=True, seed=5, rank=r, world=world)) for r in range(world)]
    assert {len(t) for t in training} == {11 // world} == {len(Order(11, True, rank=0, world=world))}
    assert max(Counter(d for t in training for d in t).values()) == 1
    orders = [Order(11, shuffle=False, rank=r, world=world) for r in range(world)]
    assert sorted(d for o in orders for d in o) == [(0, i) for i in range(11)]
    assert [len(o) for o in orders] == [len(list(o)) for o in orders]


def test_lightning_leaves_the_order_alone() -> None:
    assert isinstance(Order(1, True), DistributedSampler)
