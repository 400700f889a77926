"""People on pictures: where they are, in their colours, and as faint as they are unsure."""

from __future__ import annotations

import itertools
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import lamps
import numpy as np
import pytest
import torch

from armature.errors import UserError
from armature.predicting.drawing import Style
from armature.predicting.prediction import Prediction

GREY = np.full((120, 160, 3), 128, np.uint8)


def prediction(points: Any, scores: Any = (1.0, 1.0), ids: Any = None) -> Prediction:
    keypoints = torch.tensor(points, dtype=torch.float32).reshape(-1, 2, 2)
    count = len(keypoints)
    boxes = torch.cat([keypoints.amin(1) - 8, keypoints.amax(1) + 8], 1)
    point_scores = torch.tensor(scores).expand(count, 2).clone()
    tensor = None if ids is None else torch.tensor(ids)
    return Prediction(keypoints, point_scores, boxes, torch.full((count,), 0.9), lamps.SKELETON, (120, 160), "", tensor)


def changed(drawn: np.ndarray) -> np.ndarray:
    return np.abs(drawn.astype(int) - GREY).max(-1)


def test_the_ink_lies_around_the_points_and_the_picture_is_left_alone() -> None:
    before = GREY.copy()
    drawn = prediction([[[40.0, 30.0], [40.0, 90.0]]]).draw(GREY, boxes=False, labels=False)
    np.testing.assert_array_equal(GREY, before)
    rows, columns = np.nonzero(changed(drawn) > 10)
    # The middle of what is drawn is the middle of the limb, in continuous coordinates.
    assert (columns.min() + columns.max() + 1) / 2 == pytest.approx(40, abs=0.5)
    assert (rows.min() + rows.max() + 1) / 2 == pytest.approx(60, abs=0.5)
    red, green = lamps.SKELETON.colours
    np.testing.assert_allclose(drawn[30, 40], red, atol=12)
    np.testing.assert_allclose(drawn[90, 40], green, atol=12)
    for row, colour in ((45, red), (75, green)):
        assert drawn[row, 40].argmax() == np.argmax(colour) and changed(drawn)[row, 40] > 50


def test_the_less_sure_the_fainter() -> None:
    strength = [
        int(changed(prediction([[[40.0, 30.0], [40.0, 90.0]]], (s, s)).draw(GREY, False, False)).sum())
        for s in (1.0, 0.5, 0.3, 0.15, 0.06, 0.01)
    ]
    assert strength[0] == strength[1] and strength[5] == 0
    assert all(a > 1.2 * b for a, b in itertools.pairwise(strength[1:5]))
    half = prediction([[[40.0, 30.0], [40.0, 90.0]]], (1.0, 0.02)).draw(GREY, False, False)
    assert changed(half)[20:40].any() and not changed(half)[50:].any()


NOWHERE = ([[[float("nan"), 3.0], [5.0, 5.0]]], [[[-1e9, 5.0], [1e9, 1e9]]], [[[-50.0, -50.0], [-9.0, -90.0]]])


@pytest.mark.parametrize("points", NOWHERE)
def test_points_that_are_nowhere_draw_nothing_wild(points: Any) -> None:
    assert prediction(points).draw(GREY).shape == GREY.shape


def test_boxes_and_labels_by_option() -> None:
    person = prediction([[[60.0, 40.0], [60.0, 90.0]]], ids=[7])
    plain, boxed = person.draw(GREY, False, False), person.draw(GREY, True, False)
    assert not changed(plain)[:, 52].any() and changed(boxed)[60, 52] > 30
    labelled = person.draw(GREY, False, True)
    assert changed(labelled)[33:45, 53:80].max() > 100
    assert not np.array_equal(labelled, person.among([0]).draw(GREY, False, False))
    assert Style().boxes and Style().labels


def test_nobody_is_nothing() -> None:
    np.testing.assert_array_equal(prediction([]).draw(GREY), GREY)


def test_people_for_supervision(monkeypatch: pytest.MonkeyPatch) -> None:
    made: dict[str, Any] = {}
    stand_in = ModuleType("supervision")
    stand_in.KeyPoints = lambda **fields: made.update(fields) or SimpleNamespace(**fields)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "supervision", stand_in)
    prediction([[[60.0, 40.0], [60.0, 90.0]]]).to_supervision()
    assert made["xy"].tolist() == [[[59.5, 39.5], [59.5, 89.5]]] and made["confidence"].tolist() == [[1.0, 1.0]]
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(UserError, match="pip install supervision"):
        prediction([]).to_supervision()


def test_the_real_supervision_draws_them() -> None:
    supervision = pytest.importorskip("supervision")
    people = prediction([[[60.0, 40.0], [60.0, 90.0]]]).to_supervision()
    assert isinstance(people, supervision.KeyPoints)
    drawn = supervision.VertexAnnotator(radius=4).annotate(GREY.copy(), people)
    assert changed(drawn)[40, 60] > 50


def test_a_keypoint_by_name() -> None:
    assert prediction([[[60.0, 40.0], [60.0, 90.0]]], (0.5, 0.25)).point("green").tolist() == [[60, 90, 0.25]]
    with pytest.raises(UserError, match="no keypoint 'blue' in lamp: red, green"):
        prediction([]).point("blue")
