"""Left and right exchanged, of a whole person or of a part.

Nothing here knows anatomy. For each two mirrored pairs (shoulders and hips, say), and for each pair and the way to
another point, a rule is read off the data set itself: whether the vectors from right to left point the same way, and on
which side of the way to the other point the left one is. Rules that nearly everybody keeps are evidence. A person who
breaks some is looked at with every pair exchanged or not, one after the other as long as it helps; what the best
exchange gains in log-odds is how sure it is that left and right are exchanged there. Rules of one pair are not
independent of each other, so that their sum is divided by the square root of their number.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from armature.checking import handedness
from armature.checking.check import Check
from armature.checking.findings import NOTE, WARNING, Finding
from armature.checking.subject import Group, Subject

#: A rule needs so many people whom it speaks of, and so large a share of them who keep it (one of a hundred may not).
LEAST_PEOPLE, LEAST_AGREEMENT = 70, 0.985
#: For a first look, which finds who is to have no say in the rules: the share who keep a rule, how much of what could
#: speak for somebody does so once exchanged, and the gain in log-odds.
LAX, SETTLED, SUSPECT = 0.85, 0.9, 12.0
#: Cosine or sine beyond which two directions agree, disagree or are on one side.
CLEAR = 0.5
#: Gain in log-odds from which a person is probably labelled so, and from which it is worth a look.
SURE, MAYBE = 14.0, 8.0
#: Shorter vectors than this share of a person, and than so many px, have no direction.
LEAST_SHARE, LEAST_PIXELS = 0.06, 4.0
#: Skeletons with more pairs (faces) are judged by so many of them, spread evenly.
MOST_PAIRS = 16


@dataclass(frozen=True, eq=False)
class Evidence:
    """What the rules say of N people with P pairs.

    Attributes:
        pairs: (P, 2) keypoints that mirror each other. together: (N, P, P) log-odds that two pairs are labelled the
        same way round. alone: (N, P) log-odds that a pair is labelled the right way round.
    """

    pairs: NDArray[np.int64]
    together: NDArray[np.float64]
    alone: NDArray[np.float64]


def swapped(subject: Subject) -> Iterator[Finding]:
    """People whose left and right are probably exchanged."""
    for g, group in enumerate(subject.groups):
        few = handedness.exchanged(group)
        if few is not None:
            yield from _on_the_other_side(subject, g, few)
            continue
        found = evidence(group)
        if found is None:
            continue
        sides, gain = best(found)
        # Hands and feet cross by themselves: a pair at the ends of limbs alone is worth a look only.
        ends = np.bincount(np.array(group.skeleton.edges, int).ravel(), minlength=group.skeleton.count) == 1
        for row in np.flatnonzero(gain >= MAYBE):
            own = [tuple(pair) for pair, side in zip(found.pairs.tolist(), sides[row]) if side < 0]
            known = [pair for pair in found.pairs.tolist() if group.on[row, pair].all()]
            whole = len(own) > len(known) / 2
            names = " and ".join(" with ".join(group.skeleton.keypoints[k] for k in pair) for pair in own[:3])
            what = "left and right look exchanged" + ("" if whole else f": {names}")
            what += f" (log-odds {gain[row]:.0f} by what is usual in these data)"
            crossed = len(own) == 1 and ends[list(own[0])].all()
            severity = WARNING if gain[row] >= SURE and not crossed else NOTE
            k = -1 if whole else own[0][0]
            fix = "look at it: exchange left and right if so"
            yield subject.at(severity, "left_right_swap", what, fix, g, int(row), k)


def _on_the_other_side(subject: Subject, g: int, exchanged: NDArray[np.bool_]) -> Iterator[Finding]:
    group = subject.groups[g]
    pairs, names = handedness.mirror_pairs(group), group.skeleton.keypoints
    for row in np.flatnonzero(exchanged.any(1)):
        own = [pair for pair, wrong in zip(pairs, exchanged[row], strict=True) if wrong]
        said = " and ".join(" with ".join(names[k] for k in pair) for pair in own)
        what = f"left and right look exchanged: {said} (on the other side than in nearly all of these data)"
        fix = "look at it: exchange left and right if so"
        yield subject.at(WARNING, "left_right_swap", what, fix, g, int(row), own[0][0])


def unjudged(subject: Subject) -> Iterator[Finding]:
    """Kinds of people whose left and right cannot be judged, and why."""
    for group in subject.groups:
        if not handedness.mirror_pairs(group) or not group.people.any() or handedness.exchanged(group) is not None:
            continue
        people = int(group.people.sum())
        found = evidence(group) if people >= LEAST_PEOPLE else None
        if found is not None and (found.alone.any() or found.together.any()):
            continue
        why = "no side of anything is the same in nearly all of them"
        if people < LEAST_PEOPLE:
            why = f"{people} people are too few to tell what is usual"
        what = f"left and right: not judged, because {why} ('{group.category}')"
        yield Finding(NOTE, "left_right_unjudged", what, "look at some: armature data show")


def evidence(group: Group) -> Evidence | None:
    """What the data set's own rules say of each of its people; None where nothing is mirrored or nobody is there.

    Those who are exchanged would spoil the rules by which they are judged: whoever breaks laxer rules and none any more
    once exchanged has no say in the rules.
    """
    first = _evidence(group, np.ones(len(group), bool), LAX)
    if first is None:
        return None
    sides, gain = best(first)
    most = np.abs(first.together).sum((1, 2)) / 2 + np.abs(first.alone).sum(1)
    suspect = (gain >= SUSPECT) & (_energy(first, sides.astype(float)) >= SETTLED * most)
    return _evidence(group, ~suspect, LEAST_AGREEMENT)


def _evidence(group: Group, judges: NDArray[np.bool_], least_agreement: float) -> Evidence | None:
    pairs = np.array([(i, f) for i, f in enumerate(group.skeleton.flip) if i < f], np.int64).reshape(-1, 2)
    if len(pairs) > MOST_PAIRS:
        pairs = pairs[np.linspace(0, len(pairs) - 1, MOST_PAIRS).round().astype(int)]
    if not len(pairs) or group.people.sum() < LEAST_PEOPLE:
        return None
    single = [i for i, f in enumerate(group.skeleton.flip) if i == f][:MOST_PAIRS]
    size, on = group.extent(), group.on & ~group.crowd[:, None]
    left, right = group.keypoints[:, pairs[:, 0]], group.keypoints[:, pairs[:, 1]]
    across, middle = left - right, (left + right) / 2
    both = np.asarray(on[:, pairs].all(2))
    least = np.maximum(LEAST_SHARE * size, LEAST_PIXELS)[:, None]
    short = np.maximum(LEAST_SHARE / 3 * size, LEAST_PIXELS)[:, None]
    length = np.hypot(across[..., 0], across[..., 1])
    alone = np.zeros((len(group), len(pairs)))
    together = np.zeros((len(group), len(pairs), len(pairs)))
    for p in range(len(pairs)):
        targets = [(middle[:, q], both[:, q]) for q in range(len(pairs)) if q != p]
        targets += [(group.keypoints[:, u], on[:, u]) for u in single]
        wide = both[:, p] & (length[:, p] >= short[:, 0])
        said = [_side(across[:, p], there - middle[:, p], wide & known, short[:, 0]) for there, known in targets]
        alone[:, p] = _sum(np.stack(said, 1), judges, least_agreement) if said else 0
        clear = both & (length >= least) & both[:, [p]] & (length[:, [p]] >= least)
        same = (across * across[:, [p]]).sum(2) / np.maximum(length * length[:, [p]], 1e-9)
        together[:, p] = _odds(np.where(clear, same, np.nan), judges, least_agreement)
        together[:, p, p] = 0
    count = np.maximum((together != 0).sum(2), 1)
    return Evidence(pairs, together / np.sqrt(np.sqrt(count[:, :, None] * count[:, None])), alone)


def best(found: Evidence) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """(N, P) of 1 and -1 (exchanged): the most likely sides of every pair, and (N,) what they gain over those labelled.

    Ascends one exchange at a time from the labels as they are, and from all pairs exchanged.
    """
    ones = np.ones_like(found.alone)
    start = _energy(found, ones)
    sides, energy = ones.copy(), start.copy()
    for first in (ones, -ones):
        now = first.copy()
        for _ in range(now.shape[1]):
            gain = -2 * now * (found.alone + np.einsum("npq,nq->np", found.together, now))
            rows = np.flatnonzero(gain.max(1) > 1e-9)
            if not len(rows):
                break
            now[rows, gain[rows].argmax(1)] *= -1
        reached = _energy(found, now)
        better = reached > energy + 1e-9
        sides[better], energy[better] = now[better], reached[better]
    return sides.astype(np.int64), energy - start


def _energy(found: Evidence, sides: NDArray[np.float64]) -> NDArray[np.float64]:
    pairs = np.einsum("npq,np,nq->n", found.together, sides, sides) / 2
    return np.asarray(pairs + (found.alone * sides).sum(1))


def _side(
    across: NDArray[np.float64], way: NDArray[np.float64], known: NDArray[np.bool_], least: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(N,) sine of the angle between a pair and the way to another point; NaN where either has no direction."""
    lengths = np.hypot(across[:, 0], across[:, 1]), np.hypot(way[:, 0], way[:, 1])
    sine = (across[:, 0] * way[:, 1] - across[:, 1] * way[:, 0]) / np.maximum(lengths[0] * lengths[1], 1e-9)
    return np.where(known & (lengths[1] >= least), sine, np.nan)


def _odds(values: NDArray[np.float64], judges: NDArray[np.bool_], least_agreement: float) -> NDArray[np.float64]:
    """(N, R) signed log-odds: a rule a column, positive for those who keep it, 0 where it is none or says nothing.

    ``judges``: (N,) people of whom the rules are made.
    """
    clear = np.abs(np.nan_to_num(values)) > CLEAR
    count, positive = clear[judges].sum(0), ((values > 0) & clear)[judges].sum(0)
    usual = np.where(2 * positive > count, 1, -1)
    agreement = (np.maximum(positive, count - positive) + 1) / (count + 2)
    weight = np.where(
        (count >= LEAST_PEOPLE) & (agreement >= least_agreement), np.log(agreement / (1 - agreement)), 0.0
    )
    return np.where(clear, np.sign(values) * usual * weight, 0.0)


def _sum(values: NDArray[np.float64], judges: NDArray[np.bool_], least_agreement: float) -> NDArray[np.float64]:
    odds = _odds(values, judges, least_agreement)
    return np.asarray(odds.sum(1) / np.sqrt(np.maximum((odds != 0).sum(1), 1)))


CHECKS = (
    Check("left_right_swap", "left and right exchanged", swapped),
    Check("left_right_unjudged", "left and right not judged", unjudged),
)
