"""The filter of motion, the filter of keypoints, and the likeness of poses, against their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest

from armature.evaluation import similarity
from armature.evaluation.results import Predictions, Truth
from armature.tracks.likeness import oks
from armature.tracks.motion import Motion
from armature.tracks.smoothing import OneEuro, Smoothed


def test_without_acceleration_it_is_the_line_of_least_squares() -> None:
    """Measurements of equal noise and a start that is hardly known: the filter ends where regression ends."""
    rng = np.random.default_rng(1)
    times = np.cumsum(rng.uniform(0.02, 0.1, 30))
    places = np.stack([50 + 30 * times, 80 - 12 * times], 1) + rng.normal(0, 2, (30, 2))
    motion = Motion.begun(places[0], 100.0, agility=0.0, noise=0.02, speed=1e4)
    for i in range(1, 30):
        motion.forward(times[i] - times[i - 1])
        motion.see(places[i], 100.0)
    slope, start = np.polyfit(times, places, 1)
    np.testing.assert_allclose(motion.velocity, slope, rtol=1e-3)
    np.testing.assert_allclose(motion.position, start + slope * times[-1], rtol=1e-4)


def test_it_is_the_filter_of_the_textbook() -> None:
    """Four states in one, matrices as they are written down."""
    rng = np.random.default_rng(2)
    motion = Motion.begun(np.array([3.0, 4.0]), 20.0, agility=3.0, noise=0.1, speed=1.5)
    x, p = np.array([3.0, 4.0, 0.0, 0.0]), np.diag([4.0, 4.0, 900.0, 900.0])
    for dt in (0.04, 0.2, 0.04):
        f, g = np.eye(4), np.array([[dt**3 / 3, dt**2 / 2], [dt**2 / 2, dt]])
        f[0, 2] = f[1, 3] = dt
        x, p = f @ x, f @ p @ f.T + 3.0 * 400 * np.kron(g, np.eye(2))
        motion.forward(dt)
        z, h = rng.normal(5, 3, 2), np.eye(2, 4)
        k = p @ h.T @ np.linalg.inv(h @ p @ h.T + 4.0 * np.eye(2))
        x, p = x + k @ (z - h @ x), (np.eye(4) - k @ h) @ p
        motion.see(z, 20.0)
        np.testing.assert_allclose([*motion.position, *motion.velocity], x, rtol=1e-10)
        np.testing.assert_allclose(np.kron(motion.covariance, np.eye(2)), p, rtol=1e-9, atol=1e-9)


def test_one_euro_is_the_paper_s_loop() -> None:
    """Algorithms 1 and 2 of Casiez et al., for one coordinate."""
    rng = np.random.default_rng(3)
    settings, size = OneEuro(1.2, 0.7, 1.1), 40.0
    raw = np.cumsum(rng.normal(0, 3, 50))
    times = np.cumsum(rng.uniform(0.02, 0.06, 50))

    def alpha(cutoff: float, step: float) -> float:
        tau = 1 / (2 * math.pi * cutoff)
        return 1 / (1 + tau / step)

    mine = Smoothed.begun(np.array([[raw[0], 0.0]]), times[0])
    x, dx = raw[0], 0.0
    for i in range(1, 50):
        step = times[i] - times[i - 1]
        a = alpha(settings.speed_cutoff, step)
        dx = a * (raw[i] - x) / step + (1 - a) * dx
        a = alpha(settings.min_cutoff + settings.beta * abs(dx) / size, step)
        x = a * raw[i] + (1 - a) * x
        got = mine.follow(np.array([[raw[i], 0.0]]), times[i], size, settings)
        assert got[0, 0] == pytest.approx(x, rel=1e-12) and got[0, 1] == 0


def test_still_points_stand_and_fast_ones_are_followed() -> None:
    rng = np.random.default_rng(4)
    times = np.arange(100) / 25
    for speed, least, lag in ((0.0, 3.0, 0.0), (400.0, 1.0, 12.0)):
        true = np.stack([100 + speed * times, np.full(100, 50.0)], 1)
        noisy = true + rng.normal(0, 2, true.shape)
        smoothed = Smoothed.begun(noisy[:1], 0.0)
        found = np.array(
            [noisy[0], *(smoothed.follow(noisy[i : i + 1], times[i], 100.0, OneEuro())[0] for i in range(1, 100))]
        )
        jumps = np.diff(noisy - true, axis=0)[20:].std() / np.diff(found - true, axis=0)[20:].std()
        assert jumps > least, speed
        assert np.abs((found - true)[20:].mean(0)[0]) <= lag + 0.5


def test_likeness_is_what_evaluation_measures() -> None:
    rng = np.random.default_rng(5)
    people, found = rng.uniform(0, 60, (4, 3, 2)), rng.uniform(0, 60, (6, 3, 2))
    areas, sigmas = rng.uniform(300, 4000, 4), np.array([0.05, 0.1, 0.2])
    zeros = np.zeros(4, np.int64)
    truth = Truth(
        np.array([1]), ("",), np.zeros((1, 2), np.int64), zeros, people, np.full((4, 3), 2), zeros + 3,
        np.tile([0.0, 0, 60, 60], (4, 1)), areas, zeros.astype(bool), np.arange(1, 5), ("a", "b", "c"),
    )  # fmt: skip
    predictions = Predictions.from_arrays(
        np.ones(6), found + 0.5, np.ones((6, 3)), np.linspace(0.9, 0.1, 6), np.zeros((6, 4))
    )
    pairs = similarity.pair(truth, predictions, similarity.rank(truth, predictions, 20), sigmas)
    want = np.zeros((4, 6))
    want[pairs.person, pairs.prediction] = pairs.oks
    np.testing.assert_allclose(oks(people, found, areas, sigmas), want, rtol=1e-3, atol=1e-4)  # positions to 0.001 px


def test_weights_and_spread_do_what_they_say() -> None:
    one, other = np.zeros((1, 2, 2)), np.array([[[0.0, 0.0], [9.0, 0.0]]])
    areas, sigmas = np.array([100.0]), np.array([0.1, 0.1])
    far = math.exp(-81 / (2 * 0.04 * 100))
    assert oks(one, other, areas, sigmas)[0, 0] == pytest.approx((1 + far) / 2)
    weights = (np.array([[1.0, 0.5]]), np.array([[1.0, 0.2]]))
    assert oks(one, other, areas, sigmas, weights)[0, 0] == pytest.approx((1 + 0.1 * far) / 1.1)
    spread = oks(one, other, areas, sigmas, spread=np.array([81.0]))[0, 0]
    assert spread == pytest.approx((1 + math.exp(-81 / (2 * 85))) / 2)
