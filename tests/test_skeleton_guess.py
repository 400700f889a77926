"""Limbs and mirrored pairs guessed from labelled people, on figures whose limbs and mirrors are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from armature.errors import DataError
from armature.skeleton_guess import guess, mean_shape, rigid_tree
from armature.skeletons import load

SKELETONS = Path(__file__).parents[1] / "conf" / "skeleton"


def chains(count: int, joints: int, rng: np.random.Generator) -> np.ndarray:
    """(count, joints, 2) rods of length 1, one after another, every one turned by chance."""
    turns = rng.normal(0, 0.7, (count, joints - 1)).cumsum(1) + rng.uniform(0, 2 * np.pi, (count, 1))
    steps = np.stack([np.cos(turns), np.sin(turns)], -1)
    return np.concatenate([np.zeros((count, 1, 2)), steps.cumsum(1)], 1)


def test_a_chain_of_rods_is_found_whatever_the_order_of_its_joints() -> None:
    rng = np.random.default_rng(0)
    points = chains(300, 8, rng)
    order = rng.permutation(8)
    edges, spread = rigid_tree(points[:, order], np.ones((300, 8), bool))
    place = np.argsort(order)
    expected = {tuple(sorted((int(place[i]), int(place[i + 1])))) for i in range(7)}
    assert set(edges) == expected
    assert max(spread) < 1e-6


def test_missing_points_do_not_break_the_chain() -> None:
    rng = np.random.default_rng(1)
    points = chains(400, 6, rng)
    on = rng.random((400, 6)) < 0.6
    found = guess(tuple("abcdef"), np.where(on[..., None], points, 0), on)
    assert set(found.edges) == {(i, i + 1) for i in range(5)}
    np.testing.assert_array_equal(found.counts, on[on.sum(1) >= 2].sum(0))


def mice(count: int, rng: np.random.Generator) -> np.ndarray:
    """Mice from above: snout, ears at the sides, the tail behind; anywhere, turned anyhow, of any size."""
    body = np.array([[0, 2.0], [-0.7, 1.0], [0.7, 1.0], [0, -2.0]])
    turns = rng.uniform(0, 2 * np.pi, count)
    turned = np.stack([np.stack([np.cos(turns), -np.sin(turns)], -1), np.stack([np.sin(turns), np.cos(turns)], -1)], 1)
    points = np.einsum("nij,kj->nki", turned, body) + rng.normal(0, 0.05, (count, 4, 2))
    return points * rng.uniform(20, 60, (count, 1, 1)) + rng.uniform(100, 500, (count, 1, 2))


def test_ears_change_places_in_the_mirror_whatever_they_are_called() -> None:
    points = mice(60, np.random.default_rng(2))
    found = guess(("a", "b", "c", "d"), points, np.ones((60, 4), bool))
    assert found.flip == (0, 2, 1, 3) and found.by_name == (False,) * 4 and set(found.off) == {(1, 2)}
    assert found.off[1, 2] < 0.05 and not found.doubts
    named = guess(("snout", "leftear", "rightear", "tail"), points, np.ones((60, 4), bool))
    assert named.flip == (0, 2, 1, 3) and named.by_name == (False, True, True, False) and not named.off


def test_the_mean_figure_is_the_figure() -> None:
    points = mice(60, np.random.default_rng(3))
    shape = mean_shape(points, np.ones((60, 4), bool))
    ratio = [np.linalg.norm(shape[i] - shape[j]) for i, j in ((0, 3), (1, 2), (0, 1))]
    assert ratio[0] / ratio[1] == pytest.approx(4 / 1.4, rel=0.05)
    assert ratio[2] / ratio[1] == pytest.approx(np.hypot(0.7, 1) / 1.4, rel=0.05)
    assert np.sqrt((shape**2).sum(-1).mean()) == pytest.approx(1)


def test_names_go_before_positions_and_odd_ones_are_told() -> None:
    points = mice(40, np.random.default_rng(4))
    found = guess(("left_snout", "x", "y", "right_snout"), points, np.ones((40, 4), bool))
    assert found.flip[0] == 3 and found.flip[3] == 0
    assert all(found.flip[found.flip[i]] == i for i in range(4))
    odd = guess(("snout", "left_ear", "other", "tail"), points, np.ones((40, 4), bool))
    assert any("'left_ear' has a side in its name, but there is no 'right_ear'" in d for d in odd.doubts)


def test_a_point_that_nobody_labelled_has_no_limb() -> None:
    points = mice(40, np.random.default_rng(5))
    on = np.ones((40, 4), bool)
    on[:, 3] = False
    found = guess(("a", "b", "c", "d"), points, on)
    assert all(3 not in edge for edge in found.edges) and found.flip[3] == 3
    assert np.isnan(found.shape[3]).all() and not np.isnan(found.shape[:3]).any()
    assert sum("'d'" in doubt for doubt in found.doubts) == 2


def test_too_few_people_are_an_error() -> None:
    with pytest.raises(DataError, match="only 3 people have two or more labelled keypoints; 5 are needed"):
        guess(("a", "b"), np.zeros((3, 2, 2)), np.ones((3, 2), bool))


@pytest.mark.data
@pytest.mark.parametrize(
    ("file", "skeleton", "limbs"),
    [
        ("coco_mini/annotations/person_keypoints_train.json", "coco_person", 16),
        ("lspe/val.json", "lsp", 12),
        ("helen/test.json", "face_300w", 45),
    ],
)
def test_real_people(file: str, skeleton: str, limbs: int) -> None:
    """All mirrored pairs without a look at the names; limbs that the published skeleton has, at least so many."""
    import os

    from armature.evaluation.results import Truth

    path = Path(os.environ.get("ARMATURE_DATA") or SKELETONS.parents[2] / "shared" / "data") / file
    if not path.is_file():
        pytest.skip(f"no real data at {path}; set ARMATURE_DATA")
    truth, known = Truth.from_coco(path), load(SKELETONS / f"{skeleton}.yaml")
    people = ~truth.crowd & (truth.visibility > 0).any(1)
    names = tuple(f"p{i}" for i in range(known.count))
    found = guess(names, truth.keypoints[people], truth.visibility[people] > 0)
    assert found.flip == known.flip
    assert len({frozenset(e) for e in found.edges} & {frozenset(e) for e in known.edges}) >= limbs
