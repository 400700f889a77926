"""A newcomer before a person: where it stands, whom it hides, and what the record then says."""

from __future__ import annotations

import numpy as np
import pytest

from armature.data.synthetic import Synthetic
from armature.errors import ConfigError
from armature.skeletons import make
from armature.suites.crowding import Crowding, figures, pasted
from armature.suites.scenes import Scene, View, identity, scenes, show

SKELETON = make("five", ["head", "left_hand", "right_hand", "left_foot", "right_foot"], [("head", "left_foot")])
CANVAS = (128, 160)


@pytest.fixture(scope="module")
def drawn() -> list[Scene]:
    source = Synthetic(SKELETON, 6, CANVAS, seed=3, vary=False, people=(1, 1), scale=(0.4, 0.5), crowd=0, occluders=0)
    return scenes(source, CANVAS)


@pytest.fixture(scope="module")
def donors() -> list:
    return figures(SKELETON, CANVAS, 6, 0)


def test_newcomers_are_whole_and_labelled(donors: list) -> None:
    for picture, mask, record in donors:
        assert picture.shape == (*CANVAS, 3) and len(record.areas) == 1
        assert not (mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any())
        y, x = np.nonzero(mask)
        np.testing.assert_allclose(record.boxes[0], [x.min(), y.min(), x.max() + 1, y.max() + 1])


@pytest.mark.parametrize("overlap", [0.0, 0.5])
def test_the_newcomer_covers_the_stated_share_of_the_box(drawn: list[Scene], donors: list, overlap: float) -> None:
    for scene, donor in zip(drawn, donors, strict=True):
        together = pasted(scene, donor, overlap).record
        if len(together.boxes) == 1:  # there was no room for it beside the person
            continue
        target, newcomer = scene.record.boxes[0], together.boxes[-1]
        inner = min(target[2], newcomer[2]) - max(target[0], newcomer[0])
        wide = newcomer[2] - newcomer[0]
        if wide < overlap * (target[2] - target[0]) + 1:  # a slim newcomer cannot cover as much
            continue
        assert inner / (target[2] - target[0]) == pytest.approx(overlap, abs=0.03)


def test_who_is_covered_is_hidden_and_the_rest_is_as_it_was(drawn: list[Scene], donors: list) -> None:
    hidden = 0
    for scene, donor in zip(drawn, donors, strict=True):
        together = pasted(scene, donor, 0.75)
        before, after = scene.record, together.record
        plain = show(scene, View("unchanged", 0.0, identity()), 0)
        changed = (together.picture != plain).any(-1)
        np.testing.assert_array_equal(after.keypoints[:1], before.keypoints)
        for k, (x, y) in enumerate(before.keypoints[0]):
            if before.visibility[0, k] == 2 and not changed[int(y), int(x)]:
                assert after.visibility[0, k] == 2
            hidden += int(before.visibility[0, k] == 2 and after.visibility[0, k] == 1)
        assert ((after.visibility[0] > 0) == (before.visibility[0] > 0)).all()
    assert hidden > 0


def test_the_newcomers_points_lie_on_it(drawn: list[Scene], donors: list) -> None:
    scene, donor = drawn[0], donors[0]
    together = pasted(scene, donor, 0.5)
    record = together.record
    assert len(record.boxes) == 2 and len(set(record.annotation_ids.tolist())) == 2
    plain = show(scene, View("unchanged", 0.0, identity()), 0)
    changed = (together.picture.astype(int) - plain).any(-1)
    seen = record.visibility[1] == 2
    x, y = record.keypoints[1, seen].T.astype(int)
    assert changed[y, x].mean() > 0.9
    assert record.areas[1] == pytest.approx(changed.sum(), rel=0.35)


def test_a_picture_without_people_stays_as_it_is(drawn: list[Scene], donors: list) -> None:
    from dataclasses import replace

    scene = replace(drawn[0], record=replace(drawn[0].record, visibility=drawn[0].record.visibility * 0))
    alone = pasted(scene, donors[0], 0.5)
    assert len(alone.record.boxes) == 1
    np.testing.assert_array_equal(alone.picture, show(scene, View("unchanged", 0.0, identity()), 0))


def test_an_overlap_is_a_share() -> None:
    with pytest.raises(ConfigError, match="between 0 and 1"):
        Crowding([1.5])
