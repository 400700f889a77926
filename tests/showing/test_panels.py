"""Cells, fields and points are drawn where they are."""

from __future__ import annotations

import numpy as np
import pytest

from armature.showing import panels

RED, GREEN = (255, 0, 0), (0, 255, 0)


@pytest.mark.parametrize(("size", "side"), [((32, 48), 480), ((48, 32), 100), ((300, 200), 150), ((33, 47), 97)])
def test_a_lit_pixel_is_found_where_its_middle_is_shown(size: tuple[int, int], side: int) -> None:
    image = np.zeros((*size, 3), np.uint8)
    y, x = size[0] // 3, size[1] // 2
    image[y : y + 3, x : x + 3] = 255
    view = panels.View(image, side)
    assert max(view.size) == side
    weights = view.image[..., 0].astype(float)
    rows, columns = np.indices(weights.shape) + 0.5
    centre = np.array([(weights * columns).sum(), (weights * rows).sum()]) / weights.sum()
    np.testing.assert_allclose(centre, view.points(np.array([x + 1.5, y + 1.5])), atol=0.35)


def test_each_cell_has_its_strongest_channels_colour_as_far_as_it_is_strong() -> None:
    image = np.full((32, 32, 3), 200, np.uint8)
    values = np.zeros((2, 8, 8))
    values[0, 2, 3], values[1, 2, 3], values[1, 5, 6] = 1.0, 0.4, 0.5
    drawn = panels.maps(image, values, [RED, GREEN], 4, 320)
    grey = drawn[0, 0].astype(int)
    assert len(set(grey)) == 1 and 0 < grey[0] < 200
    assert tuple(drawn[2 * 40 + 1, 3 * 40 + 1]) == RED and tuple(drawn[3 * 40 - 2, 4 * 40 - 2]) == RED
    assert tuple(drawn[2 * 40 - 1, 3 * 40]) == tuple(grey)
    half = (grey + np.array(GREEN)) / 2
    np.testing.assert_allclose(drawn[5 * 40 + 20, 6 * 40 + 20], half, atol=1)


def test_cells_that_nobody_learns_are_striped() -> None:
    image = np.full((32, 32, 3), 100, np.uint8)
    weight = np.ones((1, 8, 8))
    weight[0, :, 4:] = 0
    drawn = panels.maps(image, np.zeros((1, 8, 8)), [RED], 4, 320, weight).astype(int)
    assert np.ptp(drawn[:, :160].reshape(-1, 3), axis=0).max() == 0
    assert 0.2 < np.mean(drawn[:, 160:, 0] > drawn[:, 160:, 1]) < 0.5


def test_a_field_has_the_hue_of_its_direction() -> None:
    image = np.zeros((32, 32, 3), np.uint8)
    vectors = np.zeros((2, 2, 8, 8))
    vectors[0, 0, 1, 1] = 1.0  # to the right: red
    vectors[1, 0, 4, 4] = -1.0  # to the left: cyan
    vectors[1, 1, 6, 1] = 0.5  # down, half as strong
    drawn = panels.fields(image, vectors, 4, 320).astype(int)
    red, cyan, down = drawn[60, 60], drawn[180, 180], drawn[260, 60]
    assert red[0] > 250 and red[1:].max() < 60
    assert cyan[1:].min() > 250 and cyan[0] < 60
    assert 100 < down.max() < 140
    assert not drawn[100, 100].any()


def test_a_line_leads_from_what_learns_to_what_is_learned() -> None:
    image = np.zeros((32, 32, 3), np.uint8)
    drawn = panels.places(image, np.array([[24.0, 8.0]]), [RED], 320, np.array([[8.0, 24.0]]))
    assert tuple(drawn[80, 240]) == RED and drawn[240, 80].min() > 240
    assert drawn[158:163, 158:163, 0].max() > 150 and not drawn[300, 300].any()
