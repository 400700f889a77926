"""Bones and sides by what is usual in the data set: constructed figures, and rates on figures that vary."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from armature import skeletons
from armature.checking.findings import NOTE, WARNING
from armature.checking.kinds import bones, sides
from armature.checking.people import Rows
from armature.checking.subject import Picture, Subject
from armature.structures import Skeleton
from checking_people import instances, upright

Make = Callable[..., Subject]


def people(count: int = 240) -> list[dict[str, object]]:
    """Figures of several sizes, half of them seen from behind (without a face), turned by up to 40 degrees."""
    rng = np.random.default_rng(0)
    made: list[dict[str, object]] = []
    for i in range(count):
        points, flags = upright(i, np.zeros(2), np.array([80.0, 200.0])) * rng.uniform(0.4, 1.2), np.full(17, 2)
        if i % 2:
            points, flags[:3] = points * [-1, 1], 0
        angle = rng.uniform(-0.7, 0.7)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        made.append({"keypoints": points @ turn.T + 200, "visibility": flags})
    return made


def exchanged(subject: Subject, row: int, names: tuple[str, ...]) -> Subject:
    """The subject with left and right of these pairs exchanged for one person."""
    group = subject.groups[0]
    order = np.arange(group.skeleton.count)
    for i, name in enumerate(group.skeleton.keypoints):
        if any(n in name for n in names):
            order[i] = group.skeleton.flip[i]
    keypoints, visibility = group.keypoints.copy(), group.visibility.copy()
    keypoints[row], visibility[row] = keypoints[row][order], visibility[row][order]
    subject.groups = [replace(group, keypoints=keypoints, visibility=visibility)]
    return subject


def test_nobody_is_said_to_be_exchanged_who_is_not(subject_of: Make) -> None:
    assert list(sides.swapped(subject_of(*people()))) == []


@pytest.mark.parametrize(
    ("names", "row"),
    [
        (("shoulder",), 4),
        (("hip", "knee", "ankle"), 5),
        (("shoulder", "elbow", "wrist"), 7),
        (("left", "right"), 4),  # everything, of somebody whose face is to be seen
    ],
)
def test_exchanged_pairs_are_found_and_named(subject_of: Make, names: tuple[str, ...], row: int) -> None:
    (found,) = sides.swapped(exchanged(subject_of(*people()), row, names))
    assert (found.instance, found.severity) == (row + 1, WARNING)
    if len(names) == 1:
        assert "left_shoulder with right_shoulder" in found.what
    whole = names == ("left", "right")
    assert (found.keypoint == "") is whole


def test_a_back_view_without_a_face_says_nothing_about_the_whole_person(subject_of: Make) -> None:
    assert list(sides.swapped(exchanged(subject_of(*people()), 5, ("left", "right")))) == []


def test_few_people_give_no_rules(subject_of: Make) -> None:
    assert list(sides.swapped(exchanged(subject_of(*people(40)), 4, ("shoulder",)))) == []


def test_the_best_sides_are_those_of_all_possible(subject_of: Make) -> None:
    """Against all 2^P exchanges, for small P."""
    rng = np.random.default_rng(3)
    together = rng.normal(0, 4, (50, 5, 5))
    together = together + together.transpose(0, 2, 1)
    together[:, range(5), range(5)] = 0
    evidence = sides.Evidence(np.zeros((5, 2), int), together, rng.normal(1, 4, (50, 5)))
    chosen, gain = sides.best(evidence)
    signs = np.array(np.meshgrid(*[[-1, 1]] * 5)).reshape(5, -1).T
    energies = np.array([[(s @ t @ s) / 2 + a @ s for s in signs] for t, a in zip(together, evidence.alone)])
    as_labelled = energies[:, (signs == 1).all(1).argmax()]
    assert (gain <= energies.max(1) - as_labelled + 1e-9).all()
    assert (np.isclose(gain, energies.max(1) - as_labelled)).mean() > 0.7  # an ascent, not a proof
    own = np.array([(s @ t @ s) / 2 + a @ s for s, t, a in zip(chosen, together, evidence.alone)])
    assert np.allclose(own - as_labelled, gain)


def test_a_point_far_away_is_found(subject_of: Make, person: Skeleton) -> None:
    made = people()
    points = np.array(made[8]["keypoints"])
    points[person.keypoints.index("left_knee")] += [260, -300]
    made[8] = {**made[8], "keypoints": points}
    (found,) = bones.outliers(subject_of(*made))
    assert (found.instance, found.keypoint) == (9, "left_knee")


def test_foreshortened_and_stretched_people_are_no_outliers(subject_of: Make, person: Skeleton) -> None:
    made = people()
    flat = np.array(made[8]["keypoints"])
    legs = [person.keypoints.index(f"{s}_{p}") for s in ("left", "right") for p in ("knee", "ankle")]
    hips = person.keypoints.index("left_hip")
    flat[legs] = flat[hips] + (flat[legs] - flat[hips]) * 0.15
    made[8] = {**made[8], "keypoints": flat}
    made[10] = {**made[10], "keypoints": np.array(made[10]["keypoints"]) * 3}
    assert instances(bones.outliers(subject_of(*made))) == []


def test_excess_is_how_many_times_too_long_a_bone_is(subject_of: Make, person: Skeleton) -> None:
    """All figures alike, and one wrist three times as far from its elbow."""
    alike = [{"keypoints": upright(0)} for _ in range(40)]
    elbow, wrist = (person.keypoints.index(f"left_{p}") for p in ("elbow", "wrist"))
    points = upright(0)
    points[wrist] = points[elbow] + 3 * (points[wrist] - points[elbow])
    excess = bones.excesses(subject_of(*alike, {"keypoints": points}).groups[0])
    assert excess[-1, wrist] == pytest.approx(3, rel=0.01)
    assert excess[0, wrist] == pytest.approx(1, rel=0.01)
    assert excess[-1, elbow] == pytest.approx(1, rel=0.01)  # its other bone is as long as it should be


def test_those_who_are_exchanged_do_not_spoil_the_rules(subject_of: Make) -> None:
    """Five of 240: more than one in a hundred breaks rules that otherwise nobody breaks."""
    made = subject_of(*people())
    for row in (4, 50, 90, 120, 200):
        made = exchanged(made, row, ("shoulder", "elbow", "wrist"))
    found = [f for f in sides.swapped(made) if f.severity == WARNING]
    assert instances(found) == [5, 51, 91, 121, 201]


def test_crossed_hands_are_worth_a_look_only(subject_of: Make) -> None:
    found = list(sides.swapped(exchanged(subject_of(*people()), 4, ("wrist",))))
    assert [(f.instance, f.severity) for f in found] == [(5, NOTE)]


def mice(swapped: int, count: int = 116, seed: int = 0) -> Subject:
    """Mice of four points from above, turned anyhow, the first ones with their ears exchanged."""
    rng = np.random.default_rng(seed)
    skeleton = skeletons.make("mouse", ["snout", "leftear", "rightear", "tailbase"], [], [["leftear", "rightear"]])
    rows = Rows("mouse", skeleton)
    for i in range(count):
        points = np.array([[0, 0], [-8, 12], [8, 12], [0, 70]]) + rng.normal(0, 2, (4, 2))
        angle = rng.uniform(0, 2 * np.pi)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        order = [0, 2, 1, 3] if i < swapped else [0, 1, 2, 3]
        rows.add(0, (points @ turn.T + 200)[order], np.full(4, 2), ident=i + 1)
    subject = Subject("made", [Picture("0.png", Path("0.png"))])
    subject.groups = [rows.group()]
    return subject


@pytest.mark.parametrize("count", [0, 1, 10])
def test_mice_with_their_ears_exchanged(count: int) -> None:
    found = list(sides.swapped(mice(count)))
    assert instances(found) == list(range(1, count + 1))
    assert all(f.severity == WARNING and "leftear with rightear" in f.what for f in found)
    assert list(sides.unjudged(mice(count))) == []


def test_where_left_and_right_cannot_be_judged_it_is_said(subject_of: Make) -> None:
    assert list(sides.swapped(mice(58))) == []
    (found,) = sides.unjudged(mice(58))
    assert found.severity == NOTE
    assert found.what.startswith("left and right: not judged, because no side of anything is the same")
    (few,) = sides.unjudged(mice(0, 20))
    assert few.what.startswith("left and right: not judged, because 20 people are too few")
    assert list(sides.unjudged(subject_of(*people()))) == []
