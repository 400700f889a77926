"""What is covered: exactly the pixels that are named, and visibility 1 beneath."""

from __future__ import annotations

import numpy as np
import pytest

from armature.data.augment.covering import hide
from armature.data.augment.occlusion import CutOut, KeypointOcclusion, background, within
from armature.data.geometry import People
from armature.data.sample import Sample
from armature.errors import ConfigError

CANVAS = (50, 70)


def nothing_else(rng: np.random.Generator) -> Sample:
    raise AssertionError("covering needs no other picture")


def sample(*points: tuple[float, float, int], seed: int = 0) -> Sample:
    """One person, with a box of 40 x 20, on noise."""
    image = np.random.default_rng(seed).integers(1, 255, (*CANVAS, 3), dtype=np.uint8)
    xy, flags = np.array([[p[:2] for p in points]], float), np.array([[p[2] for p in points]])
    return Sample(image, People(np.array([[10.0, 10, 50, 30]]), xy, flags, np.ones(1)), None, np.eye(3), 1)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("square", "inside"), [(True, False), (False, True)])
def test_cut_out_changes_its_rectangle_and_nothing_else(seed: int, square: bool, inside: bool) -> None:
    cut = CutOut(1.0, (1, 1), (0.2, 0.4), square, inside, fill=(0, 0, 0))
    before = sample((20.5, 20.5, 2), (60.0, 40.0, 1), (5.5, 5.5, 2), (30.0, 12.0, 0))
    after = cut(before, np.random.default_rng(seed), nothing_else)
    changed = (after.image != before.image).any(-1)
    rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
    y1, y2, x1, x2 = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    assert (after.image[y1:y2, x1:x2] == 0).all()
    assert changed.sum() == (y2 - y1) * (x2 - x1)
    if inside:
        assert 10 <= y2 - y1 <= 20 and 14 <= x2 - x1 <= 28
    else:
        assert max(y2 - y1, x2 - x1) <= 20
    for (x, y), old, new in zip(before.people.keypoints[0], before.people.visibility[0], after.people.visibility[0]):
        covered = x1 <= x < x2 and y1 <= y < y2
        assert new == (1 if covered and old == 2 else old)
    assert np.array_equal(after.people.keypoints, before.people.keypoints)


def test_cut_out_centres_may_lie_anywhere() -> None:
    rng = np.random.default_rng(0)
    patches = np.array([CutOut(size=(0.4, 0.4)).patch(CANVAS, rng) for _ in range(3000)])
    # Cut off at the border in the share of places that are nearer to it than half of 20 px.
    whole = ((patches[:, 2] - patches[:, 0]) == 20) & ((patches[:, 3] - patches[:, 1]) == 20)
    assert whole.mean() == pytest.approx(30 / 50 * 50 / 70, abs=0.04)
    assert patches.min() == 0
    assert patches[:, 2].max() == 70 and patches[:, 3].max() == 50


@pytest.mark.parametrize("seed", range(5))
def test_keypoint_occlusion_covers_as_many_keypoints_as_asked(seed: int) -> None:
    before = sample((20.5, 20.5, 2), (60.0, 40.0, 2), (5.5, 5.5, 2), (30.0, 12.0, 1))
    # Squares of 4 px, too far from each other to touch.
    cover = KeypointOcclusion(1.0, (2, 2), (0.1, 0.1))
    patches = cover.patches(before.people, CANVAS, np.random.default_rng(seed))
    after = cover(before, np.random.default_rng(seed), nothing_else)
    named = np.zeros(CANVAS, bool)
    for x1, y1, x2, y2 in patches:
        assert (x2 - x1, y2 - y1) == (4, 4)
        named[y1:y2, x1:x2] = True
    assert not (after.image != before.image)[~named].any()
    # A piece of noise over noise changes nearly everything beneath.
    assert (after.image != before.image).any(-1)[named].mean() > 0.9
    assert (before.people.visibility - after.people.visibility).sum() == 2
    hidden = after.people.keypoints[(after.people.visibility < before.people.visibility)]
    assert all(named[int(y), int(x)] for x, y in hidden)


def test_pieces_are_of_the_same_picture_and_show_no_keypoint() -> None:
    before = sample((20.5, 20.5, 2), (30.0, 12.0, 1))
    cover = KeypointOcclusion(1.0, (1, 1), (0.2, 0.2))
    x1, y1, x2, y2 = cover.patches(before.people, CANVAS, np.random.default_rng(3))[0]
    after = cover(before, np.random.default_rng(3), nothing_else)
    piece = after.image[y1:y2, x1:x2]
    windows = np.lib.stride_tricks.sliding_window_view(before.image, piece.shape)[:, :, 0]
    found = np.argwhere((windows == piece).all((-1, -2, -3)))
    assert len(found) == 1
    row, column = found[0]
    for x, y in before.people.keypoints[0]:
        assert not (column <= x < column + x2 - x1 and row <= y < row + y2 - y1)


def test_where_no_place_is_free_the_colour_is_plain() -> None:
    crowded = sample(*((x + 0.5, y + 0.5, 2) for x in range(0, 70, 5) for y in range(0, 50, 5)))
    assert background(crowded.people, (12, 12), CANVAS, np.random.default_rng(0)) == (-1, -1)
    cover = KeypointOcclusion(1.0, (1, 1), (0.3, 0.3))
    after = cover(crowded, np.random.default_rng(0), nothing_else)
    changed = (after.image != crowded.image).any(-1)
    assert (after.image[changed] == (124, 116, 104)).all()
    assert changed.sum() > 20


def test_nobody_visible_means_nothing_covered() -> None:
    before = sample((20.5, 20.5, 1), (3.0, 3.0, 0))
    after = KeypointOcclusion(1.0)(before, np.random.default_rng(0), nothing_else)
    assert np.array_equal(after.image, before.image)


def test_hiding_lowers_2_to_1_and_nothing_else() -> None:
    before = sample((20.99, 20.0, 2), (21.0, 20.0, 2), (20.0, 20.0, 1), (20.0, 20.0, 0)).people
    covered = np.zeros(CANVAS, bool)
    covered[20, 20] = True
    assert hide(before, covered).visibility.tolist() == [[1, 2, 1, 0]]
    assert before.visibility.tolist() == [[2, 2, 1, 0]]


def test_patches_are_clipped() -> None:
    assert within((-3, -2), (10, 10), (20, 30)) == (0, 0, 7, 8)
    assert within((25, 15), (10, 10), (20, 30)) == (25, 15, 30, 20)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"probability": 1.5}, r"CutOut: probability must lie in \[0, 1\].*found 1.5"),
        ({"size": (0.5, 0.2)}, r"CutOut: size .* found \(0.5, 0.2\)"),
        ({"holes": (0, 2)}, "CutOut: holes"),
        ({"passes": -1}, "passes is at least 0 or null; found -1"),
    ],
)
def test_numbers_that_make_no_sense_are_named(wrong: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        CutOut(**wrong)
