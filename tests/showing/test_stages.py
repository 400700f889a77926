"""Every stage shows the labels where the picture has what is labelled."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parent))

from dots import SKELETON, Dots, near

from armature.augmentation import Photometric
from armature.data.augment.compression import Jpeg
from armature.data.augment.half_body import HalfBody
from armature.data.augment.mixup import MixUp
from armature.data.dataset import KeypointDataset
from armature.data.geometry import RandomAffine
from armature.data.mosaic import Mosaic
from armature.showing import panels, stages

CANVAS = (96, 128)
AFFINE = RandomAffine(scale=(0.8, 1.2), rotation=30, shift=0.05, flip=0.5)


def check(stage: stages.Stage) -> int:
    """How many labelled points there are; each lies on a white dot, and its colour on the point as drawn."""
    drawn = panels.labelled(stage.image, stage.people, SKELETON, 400)
    scale = 400 / max(stage.image.shape[:2])
    count = 0
    for points, flags in zip(stage.people.keypoints, stage.people.visibility, strict=True):
        for k in np.flatnonzero(flags):
            x, y = points[k].astype(int)
            assert stage.image[y, x].min() > 150, (stage.name, k)
            # A hidden point is a ring with nothing in its middle.
            assert near(drawn, points[k] * scale, SKELETON.colours[k], 1.5 if flags[k] > 1 else 9) < 60
            count += 1
    return count


@pytest.mark.parametrize("index", range(4))
def test_labels_lie_on_what_is_labelled_in_every_stage(index: int) -> None:
    dataset = KeypointDataset(Dots(), CANVAS, AFFINE, 5, mosaic=Mosaic())
    found, sample = stages.of_loader(dataset, (2, index))
    assert [stage.name for stage in found] == ["as read", "on the canvas", "+ RandomAffine", "+ Mosaic"]
    counts = [check(stage) for stage in found]
    assert counts[:2] == [4, 4] and all(counts)
    assert np.array_equal(found[-1].image, sample.image)
    assert np.array_equal(sample.image, dataset[(2, index)].image)


def test_what_is_not_there_is_no_stage() -> None:
    found, _ = stages.of_loader(KeypointDataset(Dots(), CANVAS), (0, 0))
    assert [stage.name for stage in found] == ["as read", "on the canvas"]


def test_a_part_that_is_not_drawn_says_so() -> None:
    found, _ = stages.of_loader(KeypointDataset(Dots(), CANVAS, mosaic=Mosaic(probability=0.0)), (0, 0))
    assert found[-1].name == "+ Mosaic" and found[-1].same


def test_the_parts_of_a_part_come_one_by_one_after_what_places_the_picture() -> None:
    parts = {"jpeg": Jpeg(1.0), "half_body": HalfBody(1.0, labelled=1, least=1), "mixup": MixUp(1.0)}
    source = Dots(skeleton=replace(SKELETON, groups=(("upper_body", (0, 1)), ("lower_body", (2, 3)))))
    dataset = KeypointDataset(source, CANVAS, AFFINE, 5, augment=parts)
    found, sample = stages.of_loader(dataset, (0, 1))
    names = [stage.name for stage in found]
    assert names[:4] == ["as read", "on the canvas", "+ RandomAffine", "+ HalfBody"]
    assert sorted(names[4:]) == ["+ Jpeg", "+ MixUp"]
    assert np.array_equal(found[-1].image, sample.image) and not any(stage.same for stage in found)
    assert len(found[-1].people.keypoints) == len(sample.people.keypoints)


def test_the_steps_of_the_augmentation_end_with_what_the_network_gets() -> None:
    sample = KeypointDataset(Dots(), CANVAS)[0]
    augmentation = Photometric(0.3, 0.3, 0.3, 0.03, jitter=1.0, blur=1.0, noise=1.0, grey=1.0)
    found, batch = stages.of_batch(augmentation, sample, 4)
    assert len(found) == 4 and not any(stage.same for stage in found)
    torch.manual_seed(4)
    expected = augmentation(torch.from_numpy(sample.image).permute(2, 0, 1)[None].float() / 255)
    assert torch.equal(batch.images, expected)
    assert np.abs(found[-1].image / 255.0 - expected[0].permute(1, 2, 0).numpy()).max() <= 0.5 / 255 + 1e-6
    assert sum(check(stage) for stage in found[:1]) == 4


def test_an_augmentation_that_is_more_than_its_steps_is_one_stage() -> None:
    class Inverting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.steps = nn.Sequential(nn.Identity())

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return 1 - self.steps(images)

    found, batch = stages.of_batch(Inverting(), KeypointDataset(Dots(), CANVAS)[0], 0)
    assert [stage.name for stage in found] == ["+ Inverting"] and not found[0].same
    assert float(batch.images.max()) == 1.0 and found[0].image.max() == 255


def test_no_augmentation_is_no_stage() -> None:
    found, batch = stages.of_batch(None, KeypointDataset(Dots(), CANVAS)[0], 0)
    assert found == [] and batch.images.dtype == torch.float32 and float(batch.images.max()) == 1.0
