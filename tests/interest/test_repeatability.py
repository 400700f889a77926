"""Repeatability, matching and homographies against loops and on views that are known."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from armature.errors import DataError
from armature.interest import homographies, matching, pairs, repeatability
from armature.interest.repeatability import Found

SIZE = (120, 160)


def _points(count: int = 40, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform([8, 8], [152, 112], (count, 2))


def _both(first: Found, second: Found, homography: np.ndarray) -> repeatability.Shared:
    return repeatability.in_both(first, second, homography, SIZE, SIZE)


def _shares(both: repeatability.Shared) -> dict[str, float]:
    return {name: top / bottom if bottom else np.nan for name, (top, bottom) in repeatability.sums(both).items()}


def _texture(seed: int = 0, size: tuple[int, int] = SIZE) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 1, (*size, 3))
    smooth = cv2.GaussianBlur(noise, (0, 0), 2.5)
    return (127 + 110 * smooth / np.abs(smooth).max()).astype(np.uint8)


def test_the_same_points_in_the_same_picture_repeat() -> None:
    found = Found(_points())
    shares = _shares(_both(found, found, np.eye(3)))
    assert shares == {"repeatability@1": 1, "repeatability@3": 1, "repeatability@5": 1, "localisation": 0}


def test_points_carried_by_the_homography_repeat_whatever_it_is() -> None:
    rng = np.random.default_rng(4)
    for _ in range(5):
        homography = homographies.draw(SIZE, rng)
        first = _points(60)
        both = _both(Found(first), Found(homographies.apply(homography, first)), homography)
        assert 5 < len(both.first) == len(both.second) and _shares(both)["repeatability@1"] == 1


def test_the_number_is_what_a_loop_says() -> None:
    first, second = _points(50, 1), _points(45, 2)
    homography = homographies.draw(SIZE, np.random.default_rng(1))
    inverse = np.linalg.inv(homography)

    def carry(matrix: np.ndarray, point: np.ndarray) -> np.ndarray:
        x = matrix @ [*point, 1]
        return x[:2] / x[2]

    def inside(p: np.ndarray) -> bool:
        return 4 <= p[0] <= 156 and 4 <= p[1] <= 116

    seen = [carry(homography, p) for p in first if inside(p) and inside(carry(homography, p))]
    there = [q for q in second if inside(q) and inside(carry(inverse, q))]
    for eps in (1, 3, 5):
        one = sum(any(np.hypot(*(p - q)) <= eps for q in there) for p in seen)
        two = sum(any(np.hypot(*(p - q)) <= eps for p in seen) for q in there)
        found = _shares(_both(Found(first), Found(second), homography))[f"repeatability@{eps}"]
        assert found == pytest.approx((one + two) / (len(seen) + len(there)))


def test_a_planted_error_is_the_localisation_error() -> None:
    first = _points(30)
    shares = _shares(_both(Found(first), Found(first + np.array([0.5, 0.0])), np.eye(3)))
    assert shares["localisation"] == pytest.approx(0.5) and shares["repeatability@1"] == 1
    assert _shares(_both(Found(first), Found(first + np.array([0.0, 2.0])), np.eye(3)))["repeatability@1"] < 0.2


def test_what_only_one_view_shows_does_not_count() -> None:
    shift = np.array([[1.0, 0, 80], [0, 1, 0], [0, 0, 1]])
    first, second = np.array([[20.0, 60.0], [150.0, 60.0]]), np.array([[100.0, 60.0], [20.0, 60.0]])
    both = _both(Found(first), Found(second), shift)
    assert len(both.first) == len(both.second) == 1 and _shares(both)["repeatability@1"] == 1


def test_nobody_in_a_picture_is_no_number_and_no_error() -> None:
    none = Found(np.zeros((0, 2)))
    assert np.isnan(_shares(_both(none, none, np.eye(3)))["repeatability@3"])
    assert _shares(_both(none, Found(_points()), np.eye(3)))["repeatability@3"] == 0


def test_a_warped_picture_lies_under_the_warped_points() -> None:
    y, x = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
    rng = np.random.default_rng(2)
    for _ in range(4):
        homography = homographies.draw(SIZE, rng, perspective=0.15, shift=0.02)
        point = np.array([[80.3, 59.6]])
        picture = np.repeat((255 * np.exp(-((x - 80.3) ** 2 + (y - 59.6) ** 2) / 18))[..., None], 3, 2).astype(np.uint8)
        light = homographies.warped(picture, homography, SIZE)[..., 0].astype(float)
        light[light < 130] = 0  # the colour beside the picture is 124
        at = np.array([(light * x).sum(), (light * y).sum()]) / light.sum()
        np.testing.assert_allclose(at, homographies.apply(homography, point)[0], atol=0.15)


def test_points_behind_the_horizon_are_not_numbers() -> None:
    tilted = np.array([[1.0, 0, 0], [0, 1, 0], [-0.01, 0, 1]])
    found = homographies.apply(tilted, np.array([[50.0, 10.0], [150.0, 10.0]]))
    np.testing.assert_allclose(found[0], [100, 20])
    assert np.isnan(found[1]).all()


def test_mutual_neighbours_are_what_a_loop_and_opencv_say() -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(size=(40, 16)).astype(np.float32)
    b = (a[rng.permutation(40)[:30]] + rng.normal(0, 1.0, (30, 16))).astype(np.float32)
    expected = {(m.queryIdx, m.trainIdx) for m in cv2.BFMatcher(cv2.NORM_L2, crossCheck=True).match(a, b)}
    assert set(map(tuple, matching.mutual(a.astype(float), b.astype(float)).tolist())) == expected
    lowe = {
        (one.queryIdx, one.trainIdx)
        for one, two in cv2.BFMatcher(cv2.NORM_L2).knnMatch(a, b, k=2)
        if one.distance <= 0.8 * two.distance
    }
    strict = set(map(tuple, matching.mutual(a.astype(float), b.astype(float), 0.8).tolist()))
    assert strict == (lowe & expected) and len(strict) < len(expected)
    assert matching.mutual(a[:0], b).shape == (0, 2)


def test_matching_score_and_homography_of_perfect_descriptors() -> None:
    rng = np.random.default_rng(3)
    first, described = _points(40), np.linalg.qr(rng.normal(size=(64, 64)))[0][:40]
    homography = homographies.draw(SIZE, rng)
    one, two = Found(first, described), Found(homographies.apply(homography, first), described)
    both = _both(one, two, homography)
    score = {name: top / bottom for name, (top, bottom) in matching.sums(both).items()}
    assert score == {"matching score": 1, "matching precision": 1}
    assert matching.homography_error(one, two, homography, SIZE) < 1e-3
    wrong = Found(two.xy, described[rng.permutation(40)])
    assert matching.homography_error(one, wrong, homography, SIZE) > 5
    assert np.isnan(matching.homography_error(Found(first), two, homography, SIZE))
    assert matching.sums(_both(Found(first), Found(first), np.eye(3))) == {}


def test_the_homography_error_is_the_corners_mean_distance() -> None:
    rng = np.random.default_rng(3)
    first, described = _points(40), np.linalg.qr(rng.normal(size=(64, 64)))[0][:40]
    found = Found(first + np.array([3.0, 4.0]), described)
    assert matching.homography_error(Found(first, described), found, np.eye(3), SIZE) == pytest.approx(5.0, abs=1e-3)


def test_pairs_are_the_same_for_the_same_seed() -> None:
    picture = _texture()
    makers = [pairs.viewpoint, pairs.illumination, pairs.turned(30), pairs.scaled(1.5), pairs.corrupted("fog", 2)]
    first, again, other = (next(iter(pairs.made([(7, picture)], makers, seed))) for seed in (1, 1, 2))
    for a, b in zip(first.pairs, again.pairs, strict=True):
        assert (a.second == b.second).all() and (a.homography == b.homography).all()
    assert (first.pairs[0].homography != other.pairs[0].homography).any()
    assert [p.kind for p in first.pairs] == ["viewpoint", "illumination", "rotation", "scale", "fog"]
    assert (first.pairs[1].homography == np.eye(3)).all() and (first.pairs[1].second != picture).any()


def _sequence(folder: Path, kind: str, homography: np.ndarray, size: tuple[int, int] = (240, 320)) -> None:
    folder.mkdir(parents=True)
    first = _texture(1, size)
    cv2.imwrite(str(folder / "1.ppm"), first[..., ::-1])
    for view in range(2, 7):
        shown = cv2.warpPerspective(first, homography, (size[1], size[0]))
        cv2.imwrite(str(folder / f"{view}.ppm"), shown[..., ::-1])
        np.savetxt(folder / f"H_1_{view}", homography)


def test_hpatches_is_read_with_its_pixel_indices_and_reduced(tmp_path: Path) -> None:
    homography = np.array([[0.9, 0.05, 12.0], [-0.04, 0.95, 8.0], [1e-4, -5e-5, 1.0]])
    _sequence(tmp_path / "v_wall", "v", homography)
    _sequence(tmp_path / "i_dome", "i", np.eye(3))
    found = list(pairs.hpatches(tmp_path, longest=160))
    assert [s.pairs[0].kind for s in found] == ["illumination", "viewpoint"]
    assert all(len(s.pairs) == 5 and s.first.shape == (120, 160, 3) for s in found)
    # pixel (100, 60) of the file is the continuous point (100.5, 60.5), and half of that when reduced
    ahead = homography @ [100, 60, 1]
    expected = (ahead[:2] / ahead[2] + 0.5) / 2
    carried = homographies.apply(found[1].pairs[0].homography, np.array([[100.5, 60.5]]) / 2)[0]
    np.testing.assert_allclose(carried, expected, atol=1e-9)
    assert len(list(pairs.hpatches(tmp_path, count=1))) == 1


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (lambda folder: (folder / "v_wall" / "H_1_3").write_text("1 2 3"), "H_1_3"),
        (lambda folder: (folder / "v_wall" / "H_1_4").unlink(), "H_1_4"),
        (lambda folder: (folder / "v_wall" / "5.ppm").unlink(), "no picture 5"),
    ],
)
def test_a_broken_sequence_is_named(tmp_path: Path, break_it, said: str) -> None:  # type: ignore[no-untyped-def]
    _sequence(tmp_path / "v_wall", "v", np.eye(3))
    break_it(tmp_path)
    with pytest.raises(DataError, match=said):
        list(pairs.hpatches(tmp_path))


def test_a_folder_without_sequences_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="hpatches-sequences-release"):
        list(pairs.hpatches(tmp_path))
