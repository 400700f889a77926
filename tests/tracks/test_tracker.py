"""Films in which it is known who is who."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pytest
import torch

from armature import config_folders, skeletons
from armature.predicting.prediction import Prediction
from armature.tracks.scoring import Kept, Seen, score
from armature.tracks.smoothing import OneEuro
from armature.tracks.tracker import Tracker

PERSON = skeletons.load(config_folders.project() / "skeleton" / "coco_person.yaml")
SIGMAS = np.array(PERSON.sigmas)
#: A standing person of height 1, feet at y = 1, roughly; COCO's order.
STANDING = np.array(
    [(0, .07), (.03, .05), (-.03, .05), (.06, .07), (-.06, .07), (.12, .2), (-.12, .2), (.16, .36), (-.16, .36),
     (.17, .5), (-.17, .5), (.09, .52), (-.09, .52), (.1, .75), (-.1, .75), (.1, .97), (-.1, .97)]
)  # fmt: skip
RATE = 25.0


def figure(x: float, y: float, height: float, phase: float) -> np.ndarray:
    """A walking person whose feet stand at (x, y + height): arms and legs swing."""
    points = STANDING.copy()
    swing = 0.12 * np.sin(phase)
    for joint, share in ((9, -1.0), (10, 1.0), (7, -0.5), (8, 0.5), (13, 0.5), (14, -0.5), (15, 1.0), (16, -1.0)):
        points[joint, 0] += share * swing
    return points * height + (x, y)


def crowd(seconds: float, hidden: Sequence[tuple[int, float, float]] = ()) -> list[Seen]:
    """Five people who walk both ways and pass each other; ``hidden``: (person, from, to) unseen, but there."""
    frames = []
    for index in range(round(seconds * RATE)):
        t = index / RATE
        people = {
            0: figure(60 + 70 * t, 100, 150, 6 * t),
            1: figure(560 - 80 * t, 105, 145, 5 * t + 1),
            2: figure(300 + 20 * np.sin(t), 140, 130, t),
            3: figure(100 + 40 * t, 200, 190, 5 * t + 2),
            4: figure(500 - 30 * t, 60, 120, 4 * t),
        }
        there = [i for i in people if not any(p == i and a <= t < b for p, a, b in hidden)]
        points = np.stack([people[i] for i in there])
        frames.append(Seen(there, points, 0.53 * np.ptp(points, axis=1).prod(-1)))
    return frames


def found(
    frame: Seen, rng: np.random.Generator, noise: float = 2.0, misses: float = 0.0, ghosts: float = 0.0
) -> Prediction:
    """What a network might say of a frame."""
    points = frame.keypoints + rng.normal(0, noise, frame.keypoints.shape)
    kept = rng.random(len(points)) >= misses
    points = points[kept]
    if rng.random() < ghosts:
        points = np.concatenate([points, figure(*rng.uniform(0, 500, 2), 100, 0)[None]])
    order = rng.permutation(len(points))
    points = points[order]
    boxes = np.concatenate([points.min(1), points.max(1)], 1)
    tensors = (torch.tensor(a, dtype=torch.float32) for a in (points, rng.uniform(0.6, 1, points.shape[:2]), boxes))
    return Prediction(*tensors, torch.full((len(points),), 0.9), PERSON, (480, 640))  # type: ignore[arg-type]


def follow(frames: Sequence[Seen], tracker: Tracker, seed: int = 0, **spoiled: float) -> tuple[Kept, list[Prediction]]:
    rng = np.random.default_rng(seed)
    answers = [tracker.update(found(frame, rng, **spoiled), i / RATE) for i, frame in enumerate(frames)]
    seen = [Seen(a.ids.tolist(), a.keypoints.double().numpy()) for a in answers]  # type: ignore[union-attr]
    return score(frames, seen, SIGMAS), answers


def test_people_who_pass_each_other_keep_their_numbers() -> None:
    kept, answers = follow(crowd(8), Tracker(PERSON))
    assert (kept.switches, kept.misses, kept.false_positives) == (0, 0, 0)
    assert kept.mota == kept.idf1 == 1
    assert {number for a in answers for number in a.ids.tolist()} == {1, 2, 3, 4, 5}  # type: ignore[union-attr]


@pytest.mark.parametrize("seed", range(3))
def test_missed_and_invented_people_cost_little(seed: int) -> None:
    kept, _ = follow(crowd(8), Tracker(PERSON), seed, noise=3.0, misses=0.1, ghosts=0.1)
    # Of 1,000 people there, 100 are not found, so that no IDF1 can be above 0.95.
    assert kept.switches == 0 and kept.idf1 > 0.92 and kept.mota > 0.85


def test_without_motion_and_gaps_the_same_film_falls_apart() -> None:
    """The sanity of the sanity check: these numbers can be bad."""
    forgetful = Tracker(PERSON, max_gap=0.0, agility=1e-9)
    kept, _ = follow(crowd(8), forgetful, 0, noise=3.0, misses=0.1, ghosts=0.1)
    assert kept.switches > 30 and kept.idf1 < 0.5


def test_who_is_hidden_for_a_while_comes_back_as_the_same() -> None:
    hidden = [(0, 2.0, 2.6), (1, 4.0, 4.8), (3, 5.0, 5.4)]
    kept, answers = follow(crowd(8, hidden), Tracker(PERSON, max_gap=1.0))
    assert kept.switches == 0 and kept.idf1 == 1
    short, _ = follow(crowd(8, hidden), Tracker(PERSON, max_gap=0.2))
    assert short.switches == 3
    assert len(answers[round(2.3 * RATE)]) == 4  # nobody is invented in the meantime


def test_one_frame_a_second_is_no_gap() -> None:
    frames = crowd(8)[::25]
    rng = np.random.default_rng(0)
    tracker = Tracker(PERSON, max_gap=0.5)
    ids = [tracker.update(found(f, rng, 1.0), float(i)).ids for i, f in enumerate(frames)]
    assert max(int(i.max()) for i in ids if i is not None) <= 7


def test_stopped_and_restored_it_says_the_same() -> None:
    frames, settings = crowd(4), OneEuro()
    whole, first = Tracker(PERSON, smoothing=settings), Tracker(PERSON, smoothing=settings)
    rng = np.random.default_rng(0)
    seen = [found(frame, rng, misses=0.1) for frame in frames]
    want = [whole.update(s, i / RATE) for i, s in enumerate(seen)]
    got = [first.update(s, i / RATE) for i, s in enumerate(seen[:50])]
    second = Tracker(PERSON, smoothing=settings)
    second.restore(json.loads(json.dumps(first.state())))
    got += [second.update(s, (i + 50) / RATE) for i, s in enumerate(seen[50:])]
    for one, other in zip(want, got, strict=True):
        torch.testing.assert_close(one.ids, other.ids)
        torch.testing.assert_close(one.keypoints, other.keypoints, rtol=0, atol=0)


def test_smoothed_keypoints_are_nearer_to_the_truth_and_calmer() -> None:
    frames = crowd(6)
    errors = {}
    for name, smoothing in (("found", None), ("smoothed", OneEuro())):
        _, answers = follow(frames, Tracker(PERSON, smoothing=smoothing), 1, noise=4.0)
        rows = [a.keypoints.numpy()[a.ids.numpy() == a.ids.min().item()][0] for a in answers]  # type: ignore[union-attr]
        order = [int(np.argmin(np.abs(rows[0] - f).sum((1, 2)))) for f in frames[0].keypoints[None]]
        true = np.stack([f.keypoints[order[0]] for f in frames])
        errors[name] = (np.abs(np.stack(rows) - true).mean(), np.diff(np.stack(rows) - true, axis=0).std())
    assert errors["smoothed"][0] < 0.9 * errors["found"][0] and errors["smoothed"][1] < 0.6 * errors["found"][1]


def test_nobody_and_the_unsure() -> None:
    tracker = Tracker(PERSON, min_start=0.95)
    rng = np.random.default_rng(0)
    answer = tracker.update(found(crowd(1)[0], rng), 0.0)
    assert answer.ids is not None and answer.ids.tolist() == [-1] * 5
    assert "track_id" not in answer.to_coco()[0]
    empty = answer.among([])
    again = tracker.update(empty, 1.0)
    assert again.ids is not None and len(again.ids) == 0


def test_scores_of_a_film_worked_out_by_hand() -> None:
    """Two people, four frames. Person 1 is 7, 7, 8, 8 (one switch); person 2 is 9, unseen, 9, then a ghost."""
    here, there, far = np.full((1, 17, 2), 10.0), np.full((1, 17, 2), 200.0), np.full((1, 17, 2), 900.0)

    def frame(ids: Sequence[int], *points: np.ndarray) -> Seen:
        return Seen(list(ids), np.concatenate(points), np.full(len(ids), 100.0))

    truth = [frame([1, 2], here, there)] * 4
    seen = [frame([7, 9], here, there), frame([7], here), frame([8, 9], here, there), frame([8, 9], here, far)]
    kept = score(truth, seen, SIGMAS)
    assert (kept.switches, kept.misses, kept.false_positives, kept.people) == (1, 2, 1, 8)
    assert kept.mota == pytest.approx(1 - 4 / 8)
    # Best assignment: 1 = 7 (or 8) with two frames, 2 = 9 with two: four right of eight there and seven claimed.
    assert (kept.idf1, kept.idp, kept.idr) == pytest.approx((8 / 15, 4 / 7, 4 / 8))
