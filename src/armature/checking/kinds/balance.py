"""How pictures, people and kinds are divided."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from armature.checking.check import Check
from armature.checking.findings import NOTE, WARNING, Finding
from armature.checking.subject import Subject

#: Fewer people to judge by give no score that means anything: one of them is worth more than a percent.
FEW_JUDGED = 100
#: Times that a kind is rarer than the most frequent one, that a keypoint's share differs between splits.
RARER, UNEVEN = 20, 2.0


def of_splits(subject: Subject) -> Iterator[Finding]:
    """Splits without people, with few, or labelled unlike each other."""
    parts = {name: own for name, own in subject.splits().items() if name}
    people = {name: _people(subject, own) for name, own in parts.items()}
    if not any(people.values()) and any(subject.half_read(name) for name in parts):
        return
    for name, count in people.items():
        if not count and subject.half_read(name):
            continue
        if not count:
            yield Finding(WARNING, "split_balance", f"'{name}' has no labelled people", "divide anew", split=name)
        elif name != "train" and count < FEW_JUDGED:
            what = f"'{name}' has {count} people: one of them moves a score by {100 / count:.1f} %"
            yield Finding(NOTE, "split_balance", what, "judge by folds: data.fold=0..4", split=name)
    if len(parts) > 1:
        said = ", ".join(f"{n}: {len(own):,} pictures, {people[n]:,} people" for n, own in parts.items())
        yield Finding(NOTE, "split_balance", said, "nothing, if it is meant so")
        yield from _uneven(subject, parts)


def _uneven(subject: Subject, parts: dict[str, np.ndarray]) -> Iterator[Finding]:
    for group in subject.groups:
        own = {name: group.people & np.isin(group.picture, pictures) for name, pictures in parts.items()}
        rates = {name: group.on[rows].mean(0) for name, rows in own.items() if rows.sum() >= FEW_JUDGED}
        if len(rates) < 2:
            continue
        table = np.stack(list(rates.values()))
        spread = table.max(0) / np.maximum(table.min(0), 1e-9)
        for k in np.flatnonzero((spread > UNEVEN) & (table.max(0) > 0.05) & (table.min(0) > 0)):
            said = ", ".join(f"{name} {100 * rate[k]:.0f} %" for name, rate in rates.items())
            what, fix = f"is labelled unevenly: {said} of the people", "divide anew, if that is not how it must be"
            yield Finding(NOTE, "split_balance", what, fix, keypoint=group.skeleton.keypoints[k])


def of_categories(subject: Subject) -> Iterator[Finding]:
    """Categories that are much rarer than others."""
    counts = {group.category: 0 for group in subject.groups}
    for group in subject.groups:
        counts[group.category] += int(group.people.sum())
    most = max(counts.values(), default=0)
    for name, count in counts.items():
        if count * RARER < most:
            what = f"'{name}' has {count:,} labelled people, the most frequent category {most:,}"
            yield Finding(NOTE, "class_balance", what, "a score over all says little about it")


def empty_pictures(subject: Subject) -> Iterator[Finding]:
    """Pictures in which nobody is labelled, counted."""
    full: set[int] = set()
    for group in subject.groups:
        full.update(group.picture[group.people].tolist())
    empty = len(subject.pictures) - len(full)
    if empty and subject.groups:
        what = f"{empty:,} of {len(subject.pictures):,} pictures have no labelled people"
        yield Finding(NOTE, "nobody_labelled", what, "right, if nobody is there: they teach what is nobody")


def _people(subject: Subject, pictures: np.ndarray) -> int:
    return sum(int((group.people & np.isin(group.picture, pictures)).sum()) for group in subject.groups)


CHECKS = (
    Check("split_balance", "balance of the splits", of_splits),
    Check("class_balance", "balance of the categories", of_categories),
    Check("nobody_labelled", "pictures without people", empty_pictures),
)
