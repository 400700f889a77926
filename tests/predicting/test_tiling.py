"""Large pictures in pieces: everybody once, and where they are."""

from __future__ import annotations

import lamps
import numpy as np
import pytest
import torch

from armature.data.geometry import map_points
from armature.errors import ConfigError
from armature.predicting.tiling import Tiles, merge
from armature.predicting.views import Tight, View, Whole
from armature.structures import Poses

HEIGHT, WIDTH = lamps.CANVAS


@pytest.mark.parametrize("size", [(96, 128), (50, 60), (96, 500), (700, 128), (333, 777)])
@pytest.mark.parametrize("scale", [1.0, 0.5, 2.0])
def test_tiles_cover_the_picture_and_overlap(size: tuple[int, int], scale: float) -> None:
    tiles = Tiles(lamps.CANVAS, scale, overlap=0.25, whole=False)(size)
    covered = np.zeros(size, int)
    starts: dict[int, set[float]] = {0: set(), 1: set()}
    for view in tiles:
        corners = map_points(np.array([[0.0, 0.0], [WIDTH, HEIGHT]]), np.linalg.inv(view.matrix))
        (left, top), (right, bottom) = corners
        covered[max(round(top), 0) : round(bottom), max(round(left), 0) : round(right)] += 1
        starts[0].add(float(top))
        starts[1].add(float(left))
    assert covered.all()
    if len(tiles) > 1:
        for axis, side in ((0, HEIGHT / scale), (1, WIDTH / scale)):
            steps = np.diff(sorted(starts[axis]))
            assert (steps <= 0.75 * side + 1e-6).all()


def test_a_picture_no_larger_than_a_tile_is_looked_at_once() -> None:
    (view,) = Tiles(lamps.CANVAS)((90, 100))
    np.testing.assert_array_equal(view.matrix, Whole(lamps.CANVAS)((90, 100))[0].matrix)


def test_everybody_in_a_large_picture_is_found_once_and_in_their_place() -> None:
    rng = np.random.default_rng(0)
    grid = [(x, y) for x in range(30, 1180, 60) for y in range(30, 850, 70)]
    places = [(x + float(rng.uniform(0, 20)), y + float(rng.uniform(0, 20))) for x, y in grid]
    picture = lamps.picture(places, (900, 1200))
    found = lamps.predictor(Tiles(lamps.CANVAS, overlap=0.3)).predict(picture)
    reds = found.keypoints[:, 0].numpy()
    assert len(reds) == len(places)
    nearest = np.abs(reds[:, None] - np.array(places)[None]).max(-1)
    assert sorted(nearest.argmin(1)) == list(range(len(places))) and nearest.min(1).max() < 0.3
    # Fitted whole into the canvas the lamps are specks that nobody sees.
    assert len(lamps.predictor().predict(picture)) == 0


def poses(*people: tuple[tuple[float, float, float, float], float]) -> Poses:
    boxes = torch.tensor([box for box, _ in people]).reshape(-1, 4)
    scores = torch.tensor([score for _, score in people])
    return Poses(torch.zeros(len(people), 2, 2), torch.ones(len(people), 2), boxes, scores)


def test_the_whole_person_is_kept_though_the_cut_one_scores_more() -> None:
    left, right = (View((100, 100), np.array([[1.0, 0, -x], [0, 1, 0], [0, 0, 1]])) for x in (0.0, 70.0))
    merged = merge([(left, poses(((75, 10, 100, 90), 0.9))), (right, poses(((75, 10, 130, 90), 0.5)))], (100, 170))
    assert merged.scores.tolist() == [0.5]
    # Nobody is cut where the picture ends.
    merged = merge([(left, poses(((0, 10, 40, 90), 0.9))), (right, poses(((130, 10, 170, 90), 0.5)))], (100, 170))
    assert len(merged) == 2


def test_what_one_view_says_twice_stays() -> None:
    view = View((100, 100), np.eye(3))
    both = poses(((10, 10, 50, 90), 0.9), ((12, 10, 52, 90), 0.8))
    assert len(merge([(view, both), (view, poses())], (100, 100))) == 2
    assert len(merge([(view, both), (view, poses(((11, 10, 51, 90), 0.7)))], (100, 100))) == 2


def test_impossible_tiles_are_refused() -> None:
    with pytest.raises(ConfigError, match="overlap"):
        Tiles(lamps.CANVAS, overlap=1.0)


@pytest.mark.parametrize("size", [(426, 640), (640, 427), (96, 128), (10, 300), (333, 333)])
def test_tight_canvases_hold_the_picture_as_large_and_are_no_larger_than_they_must_be(size: tuple[int, int]) -> None:
    (view,), (whole,) = Tight((128, 128), 32)(size), Whole((128, 128))(size)
    assert view.matrix[0, 0] == whole.matrix[0, 0] and max(view.canvas) <= 128
    corners = map_points(np.array([[0.0, 0.0], [size[1], size[0]]]), view.matrix)
    assert (corners >= -1e-6).all() and (corners <= np.array(view.canvas)[::-1] + 1e-6).all()
    for side, taken in zip(view.canvas, (corners[1] - corners[0])[::-1], strict=True):
        assert side % 32 == 0 and side - taken < 32


def test_pictures_of_several_shapes_keep_their_order() -> None:
    places = [[(40, 30)], [(60, 50), (90, 40)], [], [(30, 60)]]
    shapes = [(96, 128), (80, 128), (96, 100), (96, 128)]
    pictures = [lamps.picture(p, s) for p, s in zip(places, shapes, strict=True)]
    found = lamps.predictor(Tight(lamps.CANVAS, 16)).predict(pictures)
    assert [len(f) for f in found] == [1, 2, 0, 1] and [f.size for f in found] == shapes
