"""How points and people are labelled on the whole: what is never labelled, what visibility says, who is too small."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from armature.checking.check import Check
from armature.checking.findings import NOTE, WARNING, Finding
from armature.checking.subject import Group, Subject
from armature.checking.typos import typos

#: Fewer people say nothing about what is usual.
LEAST_PEOPLE = 20
#: A keypoint that this share of the people has, or less, is rare; worth a note if others are labelled more often.
RARE, RATHER = 0.05, 0.25
#: People with fewer labelled points, of skeletons with more than twice as many, are hardly poses.
FEW = 3
#: People whose box is smaller: px of its longer side, and its share of the picture's longer side.
TINY, TINY_SHARE = 20.0, 0.025
#: Boxes that overlap another person's by more than this (over the smaller one) crowd each other.
OVERLAP = 0.5
#: More people than COCO's evaluation counts detections of.
FULL = 20


def never(subject: Subject) -> Iterator[Finding]:
    """Keypoints that nobody has, of the whole data set or of one split."""
    for group in subject.groups:
        rates = group.on[group.people].mean(0) if group.people.any() else np.ones(group.skeleton.count)
        if group.people.sum() < LEAST_PEOPLE:
            continue
        for k in np.flatnonzero(rates == 0):
            what = f"is labelled of none of {group.people.sum():,} people"
            fix = "choose a skeleton without it, or train it on data that have it (data=joined)"
            yield Finding(WARNING, "never_labelled", what, fix, keypoint=group.skeleton.keypoints[k])
        for split, pictures in subject.splits().items():
            own = group.people & np.isin(group.picture, pictures)
            if own.sum() < LEAST_PEOPLE or own.sum() == group.people.sum():
                continue
            lost = ~group.on[own].any(0) & (rates > RARE)
            for k in np.flatnonzero(lost):
                what = f"is labelled of none of {own.sum():,} people of '{split}', but elsewhere"
                name = group.skeleton.keypoints[k]
                yield Finding(
                    WARNING, "never_labelled", what, "label it there, or divide anew", keypoint=name, split=split
                )


def rare(subject: Subject) -> Iterator[Finding]:
    """Keypoints that are labelled much more seldom than others."""
    for group in subject.groups:
        if group.people.sum() < LEAST_PEOPLE:
            continue
        rates = group.on[group.people].mean(0)
        slips = typos(group)
        for k in np.flatnonzero((rates > 0) & (rates <= RARE) & (rates < RATHER * np.median(rates))):
            if k in slips:
                continue
            what = f"is labelled of {100 * rates[k]:.1f} % of the people; the point in the middle of all, by how often "
            what += f"it is labelled, of {100 * np.median(rates):.0f} %"
            name = group.skeleton.keypoints[k]
            yield Finding(NOTE, "rarely_labelled", what, "its scores rest on few people", keypoint=name)


def misspelt(subject: Subject) -> Iterator[Finding]:
    """Keypoints that are another one with a slip in its name."""
    for group in subject.groups:
        counts, names = group.on[group.people].sum(0), group.skeleton.keypoints
        for k, meant in typos(group).items():
            times = "once" if counts[k] == 1 else f"{counts[k]} times"
            what = f"is labelled {times}, beside '{names[meant]}' {counts[meant]:,} times: a typo?"
            fix = f"correct the name to '{names[meant]}', if so"
            yield Finding(WARNING, "misspelt_keypoint", what, fix, keypoint=names[k])


def visibility(subject: Subject) -> Iterator[Finding]:
    """Data in which hidden points are never told from visible ones."""
    for group in subject.groups:
        values, counts = np.unique(group.visibility[group.people], return_counts=True)
        used = {int(v): int(c) for v, c in zip(values, counts) if v > 0}
        if len(used) == 1:
            only = "visible (2)" if 2 in used else "hidden (1)"
            what = f"all {sum(used.values()):,} labelled points of '{group.category}' are {only}"
            yield Finding(NOTE, "single_visibility", what, "nothing, if nobody told hidden points from visible ones")
        if used and 0 not in values:
            what = f"every point of all {group.people.sum():,} people of '{group.category}' is labelled"
            fix = "were hidden points guessed? A network learns to guess them too"
            yield Finding(NOTE, "single_visibility", what, fix)


def few(subject: Subject) -> Iterator[Finding]:
    """People with hardly any labelled point."""
    for g, group in enumerate(subject.groups):
        count = group.on.sum(1)
        if group.skeleton.count <= 2 * FEW:
            continue
        for row in np.flatnonzero(group.people & (count < FEW)):
            what = f"has {count[row]} of {group.skeleton.count} points labelled"
            yield subject.at(NOTE, "few_points", what, "label more of it, or leave it", g, int(row))


def tiny(subject: Subject) -> Iterator[Finding]:
    """People who are only a few pixels tall."""
    sizes = subject.sizes()
    for g, group in enumerate(subject.groups):
        longer = (group.boxes[:, 2:] - group.boxes[:, :2]).max(1, initial=0)
        picture = np.nan_to_num(sizes[group.picture].max(1, initial=0), nan=0.0)
        small = (longer < TINY) | (longer < TINY_SHARE * picture)
        for row in np.flatnonzero(small & group.people & (longer > 0)):
            what = f"its box is {longer[row]:.0f} px long, in a picture of {picture[row]:.0f} px"
            yield subject.at(NOTE, "tiny_person", what, "a larger canvas, or leave it to the detector", g, int(row))


def full(subject: Subject) -> Iterator[Finding]:
    """Pictures with more people than an evaluation counts."""
    for group in subject.groups:
        pictures, counts = np.unique(group.picture[group.people], return_counts=True)
        for i, count in zip(pictures[counts > FULL], counts[counts > FULL]):
            what = f"has {count} people; COCO's evaluation looks at {FULL} detections a picture"
            yield subject.of_picture(NOTE, "crowded_picture", what, "metrics.max_detections raises it", int(i))


def crowding(subject: Subject) -> Iterator[Finding]:
    """How many people overlap others."""
    for group in subject.groups:
        overlapping, total = _overlapping(group), int(group.people.sum())
        if overlapping:
            what = f"{overlapping:,} of {total:,} people of '{group.category}' ({100 * overlapping / total:.0f} %) "
            what += "overlap another one by more than half of the smaller box"
            yield Finding(NOTE, "crowding", what, "scores by crowding: armature evaluate slices=true")


def _overlapping(group: Group) -> int:
    boxes, picture = group.boxes[group.people], group.picture[group.people]
    order = np.argsort(picture, kind="stable")
    boxes, picture = boxes[order], picture[order]
    hit = np.zeros(len(boxes), bool)
    areas = np.maximum((boxes[:, 2:] - boxes[:, :2]).prod(1), 1e-9)
    # Neighbours in the list at every distance at which two people can still be in one picture.
    for step in range(1, int(np.bincount(picture).max(initial=0)) if len(picture) else 0):
        a, b = boxes[:-step], boxes[step:]
        sides = np.clip(np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2]), 0, None)
        over = (sides.prod(1) > OVERLAP * np.minimum(areas[:-step], areas[step:])) & (picture[:-step] == picture[step:])
        hit[:-step] |= over
        hit[step:] |= over
    return int(hit.sum())


CHECKS = (
    Check("never_labelled", "keypoints that nobody has", never),
    Check("rarely_labelled", "keypoints that few have", rare),
    Check("misspelt_keypoint", "names of keypoints that look misspelt", misspelt),
    Check("single_visibility", "visibility that says nothing", visibility),
    Check("few_points", "people with few points", few),
    Check("tiny_person", "tiny people", tiny),
    Check("crowded_picture", "pictures full of people", full),
    Check("crowding", "people who overlap", crowding),
)
