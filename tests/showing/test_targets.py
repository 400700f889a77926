"""What is drawn of an architecture's targets lies at the keypoints, for every config in conf/architecture."""

from __future__ import annotations

import colorsys
import sys
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))

from dots import near

from armature import config_folders
from armature.building import build
from armature.configuration import compose
from armature.data.dataset import KeypointDataset, Sample, collate
from armature.data.synthetic import Synthetic
from armature.module import PoseModule
from armature.ops.drawable import Boxes, Fields, Maps, Places, by_shape
from armature.ops.grids import stride_of
from armature.showing import targets
from armature.structures import Batch, Skeleton, Target

ALL = config_folders.groups()["architecture"]
CASES = [pytest.param(n, marks=() if n.endswith("_tiny") else pytest.mark.long) for n in ALL]
SIZE = (160, 160)


@lru_cache(maxsize=8)
def made(name: str) -> tuple[PoseModule, Skeleton, Batch, Sample]:
    """The module of a config with fresh weights, and a picture of one large person."""
    torch.manual_seed(0)
    config = compose("train", [f"architecture={name}"])
    skeleton = build(config.skeleton)
    person = skeleton if skeleton.count > 1 else build(compose("train").skeleton)
    source = Synthetic(person, length=3, size=SIZE, seed=5, vary=False, people=(1, 1), scale=(0.7, 0.9), crowd=0)
    sample = KeypointDataset(source, SIZE)[1]
    batch = collate([sample])
    batch.images = batch.images.float() / 255
    model, codec, loss = build(config.model), build(config.codec), build(config.loss)
    return PoseModule(model, codec, loss, build(config.metrics)), skeleton, batch, sample


def places(told: targets.Told, keypoint: int) -> list[tuple[np.ndarray, float]]:
    """Where on the canvas the targets say that a keypoint is, and how exactly they can say it, px."""
    found = []
    for what in told.drawable.values():
        if isinstance(what, Maps):
            for channel in (c for c, k in enumerate(what.keypoints) if k == keypoint):
                values = what.values[0, channel].numpy()
                stride = stride_of(SIZE[1], values.shape[-1])
                y, x = np.unravel_index(values.argmax(), values.shape)
                if values.max() > 0:
                    found.append((np.array([x + 0.5, y + 0.5]) * stride, 0.75 * stride))
        if isinstance(what, Places):
            found += [(point, 0.1) for point in what.points[what.keypoints == keypoint].numpy()]
    return found


@pytest.mark.parametrize("name", CASES)
def test_targets_are_drawn_at_the_keypoints(name: str) -> None:
    module, skeleton, batch, sample = made(name)
    told = targets.tell(module, batch, skeleton, 1)
    assert told.learns or not told.drawable
    if not told.drawable:
        outputs = module.model(batch.images, batch.instances)
        learned = [n for n, t in module.encode(outputs, batch).items() if t.weight.any()]
        assert not learned and not told.learns, f"{learned} are learned, and not shown"
        return
    flags, points = sample.people.visibility[0], sample.people.keypoints[0]
    missed = []
    for k in np.flatnonzero(flags):
        found = places(told, int(k))
        assert all(np.linalg.norm(at - points[k]) <= exactly for at, exactly in found), (k, found, points[k])
        missed += [] if found else [k]
    assert len(missed) <= 1, f"no target says where {missed} are"  # one may be out of a window that is looked into


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in ALL if n.endswith("_tiny")])
def test_the_panels_have_each_keypoints_colour_where_it_is(name: str) -> None:
    module, skeleton, batch, sample = made(name)
    hues = [colorsys.hsv_to_rgb(k / skeleton.count, 1, 1) for k in range(skeleton.count)]
    coloured = replace(skeleton, colours=tuple((round(r * 255), round(g * 255), round(b * 255)) for r, g, b in hues))
    told = targets.tell(module, batch, skeleton, 1)
    drawn = targets.draw(told, sample.image, coloured, 0, 640)[:-1]  # the last has people, not targets
    flags, points = sample.people.visibility[0], sample.people.keypoints[0]
    found = 0
    for k in np.flatnonzero(flags):
        found += any(near(panel.image, points[k] * 4, coloured.colours[k], 9) < 75 for panel in drawn)
    assert found >= 0.9 * (flags > 0).sum()
    empty = targets.draw(told._replace(drawable={}), sample.image, coloured, 0, 640)
    assert len(empty) == 1 and "read back: 1 of 1" in empty[0].heading


@pytest.mark.parametrize("name", [n for n in ALL if n.endswith("_tiny")])
def test_what_is_read_back_is_measured(name: str) -> None:
    module, skeleton, batch, _ = made(name)
    back = targets.tell(module, batch, skeleton, 1).back[0]
    assert back.sought == 1 and len(back.people.keypoints) == 1
    assert np.quantile(back.away, 0.9) <= module.codec.tolerance
    on = (batch.instances.visibility[0, 0] > 0).numpy()
    away = np.linalg.norm(back.people.keypoints[0] - batch.instances.keypoints[0, 0].numpy(), axis=-1)[on]
    np.testing.assert_allclose(away, back.away)


def test_targets_of_which_only_the_shape_is_known() -> None:
    def target(*shape: int, value: float = 0.5) -> Target:
        return Target(torch.full(shape, value), torch.ones(1))

    given: dict[str, Any] = {
        "heat": target(2, 4, 8, 8),
        "with_background": target(2, 5, 8, 8),
        "one": target(2, 1, 8, 8),
        "field": target(2, 3, 2, 8, 8),
        "far": target(2, 4, 2, 8, 8, value=7.0),
        "numbers": target(2, 4, 8, 8, value=3.0),
        "rows": target(2, 50, 4),
    }
    found = by_shape(given, 4)
    assert set(found) == {"heat", "with_background", "one", "field"}
    assert found["heat"].keypoints == (0, 1, 2, 3) and found["with_background"].keypoints == (0, 1, 2, 3, -1)  # type: ignore[union-attr]
    assert found["one"].keypoints == (-1,) and isinstance(found["field"], Fields)  # type: ignore[union-attr]


def test_boxes_and_places_of_other_images_are_not_drawn() -> None:
    skeleton = build(compose("train").skeleton)
    image = np.zeros((64, 64, 3), np.uint8)
    box = Boxes(torch.tensor([[8.0, 8, 24, 24], [32.0, 32, 56, 56]]), torch.tensor([0, 1]))
    dots = Places(torch.tensor([[16.0, 16], [44.0, 44]]), torch.tensor([0, 1]), torch.tensor([0, 0]))
    back = targets.ReadBack(targets.People(np.zeros((0, 17, 2)), np.zeros((0, 17), int)), 0, np.zeros(0))
    told = targets.Told({"box": box, "dots": dots}, [back, back])
    first = targets.draw(told, image, skeleton, 0, 256)
    assert [p.heading for p in first] == ["box: 1 box", "dots: 1 point", "read back: nobody is labelled"]
    assert first[0].image[32].any() and not first[0].image[112:].any()
    assert near(first[1].image, np.array([64.0, 64]), skeleton.colours[0]) < 20 and not first[1].image[112:].any()
