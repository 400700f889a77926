"""Votes whose first, second and spread are planted; the correlation against scipy's."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from armature import config_folders
from armature.architectures.protocol import synthetic_batch
from armature.building import build
from armature.configuration import compose
from armature.errors import ConfigError
from armature.ops.votes import Votes, of_maps
from armature.structures import Poses
from armature.suites.uniqueness import Measured, Uniqueness, correlation, measure, votes_of

_spec = importlib.util.spec_from_file_location("dots", Path(__file__).with_name("dots.py"))
assert _spec and _spec.loader
dots = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(dots)

TINY = [name for name in config_folders.groups()["architecture"] if name.endswith("_tiny")]


def _person(points: list[list[float]], box: list[float]) -> Poses:
    k = len(points)
    return Poses(torch.tensor([points]), torch.ones(1, k), torch.tensor([box]), torch.ones(1))


def _record(size: tuple[int, int] = (64, 64)):  # type: ignore[no-untyped-def]
    return dots.scene(1, size).record


def _maps(values: dict[tuple[int, int], float], floor: float = 0.0) -> torch.Tensor:
    maps = torch.full((1, 1, 16, 16), floor)
    for (x, y), value in values.items():
        maps[0, 0, y, x] = value
    return maps


def _measured(maps: torch.Tensor, place: tuple[float, float]) -> np.ndarray:
    people = _person([list(place)], [0.0, 0.0, 64.0, 64.0])
    record = SimpleNamespace(
        crowd=np.zeros(1, bool), visibility=np.zeros((1, 1)), boxes=np.zeros((1, 4)), keypoints=np.zeros((1, 1, 2))
    )
    return measure(people, of_maps(maps, 64)[0], record, 0).values[0]  # type: ignore[arg-type]


def test_a_lone_peak_has_no_second_place_and_no_entropy() -> None:
    second, sidelobe, entropy = _measured(_maps({(4, 5): 0.9}), (18, 22))
    assert second == 0 and entropy == 0 and np.isnan(sidelobe)


@pytest.mark.parametrize("other", [0.3, 0.9, 1.8])
def test_a_second_peak_counts_by_its_height(other: float) -> None:
    second, _, entropy = _measured(_maps({(4, 5): 0.9, (12, 12): other}), (18, 22))
    assert second == pytest.approx(other / (0.9 + other))
    share = np.array([0.9, other]) / (0.9 + other)
    assert entropy == pytest.approx(-(share * np.log(share)).sum() / np.log(64))


def test_a_flat_map_is_everywhere_alike() -> None:
    second, sidelobe, entropy = _measured(_maps({}, floor=0.5), (18, 22))
    assert second == pytest.approx(0.5) and np.isnan(sidelobe)
    assert entropy > 0.9  # the grid's outer cells reach over the canvas


def test_the_sidelobe_is_what_a_loop_says() -> None:
    rng = np.random.default_rng(0)
    maps = torch.from_numpy(rng.random((1, 1, 16, 16))).float()
    maps[0, 0, 5, 4] = 3.0
    _, sidelobe, _ = _measured(maps, (18, 22))
    rest = [
        float(maps[0, 0, y, x])
        for y in range(16)
        for x in range(16)
        if np.hypot(4 * x + 2 - 18, 4 * y + 2 - 22) > 0.1 * 64
    ]
    assert sidelobe == pytest.approx(20 * np.log10((3.0 - np.mean(rest)) / np.std(rest)), rel=1e-4)


def test_votes_outside_the_persons_box_do_not_count() -> None:
    people = _person([[10.0, 10.0]], [0.0, 0.0, 24.0, 24.0])
    record = SimpleNamespace(
        crowd=np.zeros(1, bool), visibility=np.zeros((1, 1)), boxes=np.zeros((1, 4)), keypoints=np.zeros((1, 1, 2))
    )
    maps = _maps({(2, 2): 0.9, (12, 12): 0.9})
    assert measure(people, of_maps(maps, 64)[0], record, 0).values[0, 0] == 0  # type: ignore[arg-type]


def test_votes_of_a_window_are_about_its_own_person() -> None:
    here, there = torch.tensor([[[10.0, 10.0], [20.0, 20.0]]]), torch.tensor([[[50.0, 50.0], [40.0, 40.0]]])
    votes = [
        Votes(there, torch.tensor([[1.0, 1.0]]), torch.tensor([35.0, 35.0, 60.0, 60.0])),
        Votes(here, torch.tensor([[1.0, 0.25]]), torch.tensor([0.0, 0.0, 30.0, 30.0])),
    ]
    record = _record()
    people = _person([[10.0, 10.0]], [0.0, 0.0, 30.0, 30.0])
    assert measure(people, votes, _alone(record), 0).values[0, 0] == pytest.approx(0.2)


def _alone(record):  # type: ignore[no-untyped-def]
    from dataclasses import replace

    return replace(record, visibility=record.visibility[:, :1] * 0, keypoints=record.keypoints[:, :1])


def test_errors_are_shares_of_the_labelled_box() -> None:
    record = _record()
    people = _person((record.keypoints[0] + [3.0, 4.0]).tolist(), record.boxes[0].tolist())
    votes = [Votes(torch.tensor(record.keypoints[0][:, None]).float(), torch.ones(3, 1))]
    side = float((record.boxes[0, 2:] - record.boxes[0, :2]).max())
    np.testing.assert_allclose(measure(people, votes, record, 0).error, 5.0 / side, rtol=1e-5)


def test_the_rank_correlation_is_scipys_and_weighs_pictures() -> None:
    rng = np.random.default_rng(1)
    image, second = np.repeat(np.arange(5), 12), rng.random(60)
    error = second + rng.normal(0, 0.4, 60)
    error[7] = np.nan
    rows = Measured(image, np.zeros(60, int), np.column_stack([second] * 3), error)
    on = np.isfinite(error)
    counts = np.array([[1] * 5, [2] * 5, [0, 1, 1, 1, 1]])
    found = correlation(rows, counts)
    assert found[0] == pytest.approx(spearmanr(second[on], error[on]).statistic)
    assert found[1] == pytest.approx(found[0]) and found[2] != pytest.approx(found[0])


@pytest.mark.slow
@pytest.mark.parametrize("name", TINY)
def test_every_small_architecture_has_votes_where_its_ideal_answer_is(name: str) -> None:
    """The strongest vote for a keypoint lies near the place that the codec decodes, for nine keypoints in ten."""
    torch.manual_seed(0)
    config = compose("train", [f"architecture={name}"])
    model, codec = build(config.model).eval(), build(config.codec)
    batch = synthetic_batch(17)
    with torch.no_grad():
        outputs = {
            k: v.float() if v.is_floating_point() else v for k, v in model(batch.images, batch.instances).items()
        }
        ideal = codec.ideal(outputs, codec.encode(outputs, batch))
    subject = SimpleNamespace(module=SimpleNamespace(codec=codec), name=name)
    voted = votes_of(subject)(codec, ideal, (2, 128, 128))  # type: ignore[arg-type]
    assert len(voted) == 2
    person = int(codec.decode(ideal, (2, 128, 128))[1].scores.argmax())
    decoded = codec.decode(ideal, (2, 128, 128))[1]
    away = []
    for k in range(17):
        best = min(
            float(
                (v.places[k if len(v.places) > 1 else 0][v.weights[k].argmax()] - decoded.keypoints[person, k]).norm()
            )
            for v in voted[1]
        )
        away.append(best)
    assert np.quantile(away, 0.9) < 8, away


def test_an_architecture_without_votes_is_told_where_they_belong() -> None:
    subject = SimpleNamespace(module=SimpleNamespace(codec=dots.Finder()), name="mine")
    with pytest.raises(ConfigError, match="no module votes with a function"):
        votes_of(subject)  # type: ignore[arg-type]


def test_its_settings_are_on_the_card() -> None:
    assert Uniqueness(resamples=20, seed=4).card()["seed"] == 4
