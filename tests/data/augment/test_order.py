"""Several augmentations: their order, their random numbers, and what is none."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from armature.data.augment.compression import Jpeg
from armature.data.augment.copy_paste import CopyPaste
from armature.data.augment.half_body import HalfBody
from armature.data.augment.mixup import MixUp
from armature.data.augment.occlusion import CutOut, KeypointOcclusion
from armature.data.augment.order import in_order
from armature.data.datamodule import KeypointData
from armature.data.dataset import KeypointDataset
from armature.data.geometry import RandomAffine
from armature.errors import ConfigError
from armature.structures import Skeleton


def test_they_happen_by_stage_however_they_are_named(body: Skeleton) -> None:
    chosen = {"z": CopyPaste(), "a": Jpeg(), "c": KeypointOcclusion(), "b": CutOut(), "m": MixUp(), "h": HalfBody()}
    chosen["h"].labelled = 8
    ordered, half = in_order(chosen, body)
    assert list(ordered) == ["z", "m", "b", "c", "a"]
    assert half is chosen["h"]
    assert in_order({}, body) == ({}, None)


def test_one_more_changes_nothing_of_what_the_others_draw(lit: Callable) -> None:
    def sample(**chosen: object) -> object:
        return KeypointDataset(lit(), (96, 96), RandomAffine(), 3, augment=chosen)[(1, 2)]

    mixed, both = sample(m=MixUp(1.0)), sample(m=MixUp(1.0), o=CutOut(1.0), j=Jpeg(1.0))
    assert np.array_equal(mixed.people.keypoints, both.people.keypoints)
    cut, compressed = sample(o=CutOut(1.0)), sample(o=CutOut(1.0), j=Jpeg(1.0, (100, 100)))
    # JPEG at its best changes a pixel by a few grey levels only: the rectangle is the same.
    assert np.abs(cut.image.astype(int) - compressed.image).mean() < 3
    assert np.array_equal(sample().to_source, both.to_source)


def test_the_same_twice_under_two_names_draws_differently(lit: Callable) -> None:
    one, two = (KeypointDataset(lit(), (96, 96), augment={n: CutOut(1.0)})[0].image for n in ("first", "second"))
    assert not np.array_equal(one, two)


def test_later_passes_are_without(lit: Callable) -> None:
    plain = KeypointDataset(lit(), (96, 96))
    early = KeypointDataset(lit(), (96, 96), augment={"o": CutOut(1.0, passes=2)})
    changed = [not np.array_equal(plain[(e, 0)].image, early[(e, 0)].image) for e in range(4)]
    assert changed == [True, True, False, False]


@pytest.mark.parametrize("probability", [0.2, 0.7])
def test_probabilities_are_kept(lit: Callable, probability: float) -> None:
    source = lit(count=1)
    plain = KeypointDataset(source, (64, 96))[0].image
    data = KeypointDataset(source, (64, 96), augment={"o": CutOut(probability, fill=(1, 2, 3))})
    changed = np.mean([not np.array_equal(plain, data[(e, 0)].image) for e in range(400)])
    assert changed == pytest.approx(probability, abs=0.08)


def test_what_is_no_augmentation_is_refused(body: Skeleton) -> None:
    with pytest.raises(ConfigError, match=r"data\.augment\.affine: RandomAffine is no augmentation"):
        in_order({"affine": RandomAffine()}, body)
    two = {"upper": HalfBody(labelled=8), "lower": HalfBody(labelled=8)}
    with pytest.raises(ConfigError, match="only one may choose what is shown; found upper, lower"):
        in_order(two, body)


def test_it_is_refused_before_anything_is_read(lit: Callable) -> None:
    with pytest.raises(ConfigError, match="'body' have 8 keypoints, never 9"):
        KeypointData(train=lit(), val=lit(), augment={"half": HalfBody()})


def test_training_has_them_and_validation_does_not(lit: Callable) -> None:
    source = lit(count=4)
    data = KeypointData(source, source, canvas=(64, 96), batch_size=4, workers=0, augment={"o": CutOut(1.0)})
    plain = KeypointData(source, source, canvas=(64, 96), batch_size=4, workers=0)
    images = [next(iter(d.train_dataloader())).images for d in (data, plain)]
    assert not np.array_equal(*images)
    assert np.array_equal(*(next(iter(d.val_dataloader())).images for d in (data, plain)))
