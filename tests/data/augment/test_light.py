"""Every augmentation that moves or adds points: where one is labelled visible, its light is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from armature.data.augment.compression import Jpeg
from armature.data.augment.copy_paste import CopyPaste
from armature.data.augment.half_body import HalfBody
from armature.data.augment.mixup import MixUp
from armature.data.augment.occlusion import CutOut, KeypointOcclusion
from armature.data.dataset import KeypointDataset
from armature.data.geometry import RandomAffine
from armature.data.mosaic import Mosaic

BLACK = (0, 0, 0)
#: Of 255: bilinear sampling leaves a third of a lit pixel at least, and a blend about half of that; the ground is 8.
KEPT = 30
#: The letterbox doubles, so this never shrinks, which would average a lit pixel with its dark neighbours.
TURNED = RandomAffine((0.6, 1.0), rotation=40, shift=0.1, flip=0.5)

CASES = {
    "affine": {},
    "mosaic": {"mosaic": Mosaic()},
    "half body": {"augment": {"h": HalfBody(1.0, labelled=4, least=2)}},
    "mixup": {"augment": {"m": MixUp(1.0)}},
    "mixup of mosaics": {"mosaic": Mosaic(), "augment": {"m": MixUp(1.0)}},
    "copy-paste": {"augment": {"c": CopyPaste(1.0, 0.7)}},
    "copy-paste of mosaics": {"mosaic": Mosaic(), "augment": {"c": CopyPaste(1.0, 0.7)}},
    "cut-out": {"augment": {"o": CutOut(1.0, (1, 4), (0.1, 0.3), fill=BLACK)}},
    "keypoint occlusion": {"augment": {"k": KeypointOcclusion(1.0, (1, 4))}},
    "everything": {
        "mosaic": Mosaic(0.5),
        "augment": {
            "h": HalfBody(0.5, labelled=4, least=2),
            "c": CopyPaste(0.5),
            "m": MixUp(0.3),
            "o": CutOut(0.5, size=(0.1, 0.2), fill=BLACK),
            "k": KeypointOcclusion(0.5),
        },
    },
}


@pytest.mark.parametrize("name", CASES)
def test_light_lies_where_keypoints_are_visible(name: str, lit: Callable, light_at: Callable) -> None:
    data = KeypointDataset(lit(outlines=True), (192, 192), TURNED, 4, BLACK, **CASES[name])
    seen = 0
    for index in range(6):
        sample = data[(1, index)]
        for point in sample.people.keypoints[sample.people.visibility == 2]:
            assert light_at(sample.image, point) >= KEPT, (index, point)
            seen += 1
    assert seen > 10


def test_what_is_covered_is_dark(lit: Callable, light_at: Callable) -> None:
    """The other way round: a point that was lit and is called hidden has no light on it."""
    source = lit(people=1, all_visible=True)
    covering = {"o": CutOut(1.0, (3, 3), (0.2, 0.3), fill=BLACK)}
    plain = KeypointDataset(source, (192, 192), TURNED, 4, BLACK)
    covered = KeypointDataset(source, (192, 192), TURNED, 4, BLACK, augment=covering)
    hidden = 0
    for index in range(6):
        before, after = plain[(1, index)], covered[(1, index)]
        for person, point in np.argwhere((before.people.visibility == 2) & (after.people.visibility == 1)):
            assert light_at(after.image, after.people.keypoints[person, point], reach=0) == 0
            hidden += 1
    assert hidden > 3


def test_jpeg_leaves_light_where_it_was(lit: Callable, light_at: Callable) -> None:
    data = KeypointDataset(lit(), (192, 192), TURNED, 4, BLACK, augment={"j": Jpeg(1.0, (60, 60))})
    for index in range(6):
        sample = data[(1, index)]
        for point in sample.people.keypoints[sample.people.visibility == 2]:
            assert light_at(sample.image, point) >= KEPT


def test_half_a_body_fills_the_canvas(lit: Callable, body: object) -> None:
    """Letterboxed, the half's points lie within the middle two thirds: their bounds are padded by half."""
    source = lit(people=1, all_visible=True, size=(96, 64))
    for upper, rows in ((1.0, slice(0, 4)), (0.0, slice(4, 8))):
        half = HalfBody(1.0, labelled=8, upper=upper, zoom=50)
        data = KeypointDataset(source, (120, 160), None, 0, BLACK, augment={"half": half})
        for index in range(6):
            people = data[(0, index)].people
            half_points = people.keypoints[0, rows]
            assert (people.visibility[0, rows] == 2).all()
            assert half_points.mean(0) == pytest.approx([80, 60], abs=2.5)
            extent = np.ptp(half_points, axis=0) / (160, 120)
            assert extent.max() == pytest.approx(1 / 1.5, abs=0.06)


def test_half_a_body_is_never_shown_larger_than_the_limit(lit: Callable) -> None:
    source = lit(people=1, all_visible=True, size=(640, 640))
    for record in source.records:
        record.keypoints[:] = 300 + record.keypoints / 100
    half = {"half": HalfBody(1.0, labelled=8, zoom=3.0)}
    sample = KeypointDataset(source, (128, 128), None, 0, augment=half)[0]
    assert 1 / sample.to_source[0, 0] == pytest.approx(3 * 128 / 640, rel=0.01)
