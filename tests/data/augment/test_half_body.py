"""Which half of whom is shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from armature import skeletons
from armature.data.augment.half_body import HalfBody
from armature.data.dataset import KeypointDataset
from armature.data.geometry import RandomAffine
from armature.errors import ConfigError
from armature.structures import Record, Skeleton

CANVAS = (100, 100)


def regions(half: HalfBody, record: Record, body: Skeleton, count: int = 400) -> list[tuple[int, int, int, int] | None]:
    rng = np.random.default_rng(0)
    return [half.region(record, CANVAS, body, rng) for _ in range(count)]


def test_the_upper_half_is_taken_as_often_as_published(lit: Callable, body: Skeleton) -> None:
    record = lit(people=1, all_visible=True).records[0]
    upper = record.keypoints[0, :4].mean(0)
    centres = [np.array([(r[0] + r[2]) / 2, (r[1] + r[3]) / 2]) for r in regions(HalfBody(labelled=8), record, body)]
    share = np.mean([np.abs(c - upper).max() <= 1 for c in centres])
    assert share == pytest.approx(0.7, abs=0.06)


def test_a_half_with_too_few_points_gives_way_to_the_other(lit: Callable, body: Skeleton) -> None:
    record = lit(people=1, all_visible=True).records[0]
    record.visibility[0, :2] = 0
    half = HalfBody(labelled=6, least=3, upper=1.0)
    lower = record.keypoints[0, 4:].mean(0)
    (x1, y1, x2, y2) = half.region(record, CANVAS, body, np.random.default_rng(0))
    assert [(x1 + x2) / 2, (y1 + y2) / 2] == pytest.approx(lower, abs=1)
    record.visibility[0, 4:6] = 0
    assert HalfBody(labelled=4, least=3).region(record, CANVAS, body, np.random.default_rng(0)) is None


def test_only_people_with_enough_labels_are_looked_at(lit: Callable, body: Skeleton) -> None:
    record = lit(people=3, all_visible=True).records[0]
    record.visibility[0, 0] = 0
    record = replace(record, crowd=np.array([False, False, True]))
    third = record.size[1] / 3
    found = regions(HalfBody(labelled=8), record, body, 50)
    assert all(third <= (r[0] + r[2]) / 2 <= 2 * third for r in found if r is not None)
    assert None not in found
    assert set(regions(HalfBody(labelled=9), record, body, 20)) == {None}


def test_everybody_else_is_still_labelled_where_they_are_seen(lit: Callable) -> None:
    source = lit(people=2, all_visible=True)
    both = 0
    for index in range(6):
        half = {"half": HalfBody(1.0, labelled=8)}
        sample = KeypointDataset(source, (200, 200), None, 0, augment=half)[index]
        record, matrix, rows = sample.parts[0]
        points = record.keypoints[rows] * matrix[0, 0] + matrix[:2, 2]
        inside = ((points >= 0) & (points < 200)).all(-1)
        assert np.array_equal(sample.people.visibility > 0, inside)
        both += bool(len(rows) == 2 and inside.any(1).all())
    assert both >= 1


def test_the_geometry_is_drawn_as_without_it(lit: Callable) -> None:
    """Turn and mirror are the same; only what they are applied to differs."""
    source, turn = lit(people=1, all_visible=True), RandomAffine((1.0, 1.0), 30, 0.0, 0.5)
    plain = KeypointDataset(source, (96, 96), turn, 3)
    halved = KeypointDataset(source, (96, 96), turn, 3, augment={"half": HalfBody(1.0, labelled=8)})
    for index in range(6):
        one, two = (np.linalg.inv(d[(2, index)].to_source)[:2, :2] for d in (plain, halved))
        assert one / np.sqrt(abs(np.linalg.det(one))) == pytest.approx(two / np.sqrt(abs(np.linalg.det(two))))


def test_probability_is_kept(lit: Callable) -> None:
    source = lit(count=300, people=1, all_visible=True)
    plain = KeypointDataset(source, (32, 48), None, 0)
    halved = KeypointDataset(source, (32, 48), None, 0, augment={"half": HalfBody(0.3, labelled=8)})
    zoomed = [not np.array_equal(plain[i].to_source, halved[i].to_source) for i in range(300)]
    assert np.mean(zoomed) == pytest.approx(0.3, abs=0.08)


def test_what_is_no_body_or_too_small_is_refused(lit: Callable, body: Skeleton) -> None:
    hand = skeletons.make("hand", ["thumb", "index"], flip_pairs=[])
    with pytest.raises(ConfigError, match="'hand' has no upper and lower body"):
        KeypointDataset(lit(skeleton=hand), (32, 32), augment={"half": HalfBody()})
    with pytest.raises(ConfigError, match="'body' have 8 keypoints, never 9"):
        KeypointDataset(lit(), (32, 32), augment={"half": HalfBody()})
    with pytest.raises(ConfigError, match=r"HalfBody: padding must lie in \[1, 100\]"):
        HalfBody(padding=0.5)
