"""Picture files that are not there, cannot be read, or are not what the labels say."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from armature.checking.check import Check
from armature.checking.findings import ERROR, NOTE, WARNING, Finding
from armature.checking.subject import Subject

#: Grey levels that a picture of anything varies by.
LEAST_CONTRAST = 2.0
#: Where more than this share of the pictures on the disk has no labels, that is how the data set is meant.
MOSTLY_UNLISTED = 0.2


def missing(subject: Subject) -> Iterator[Finding]:
    """Files that the labels name and that are not there."""
    for i, facts in enumerate(subject.facts):
        if facts.missing:
            what = f"no such file: {subject.pictures[i].path}"
            yield subject.of_picture(ERROR, "missing_picture", what, "put it there, or remove its labels", i)


def unreadable(subject: Subject) -> Iterator[Finding]:
    """Files that are no picture, or only a part of one."""
    for i, facts in enumerate(subject.facts):
        if facts.fault and not facts.missing:
            yield subject.of_picture(
                ERROR, "unreadable_picture", facts.fault, "replace the file, or remove its labels", i
            )


def size_mismatch(subject: Subject) -> Iterator[Finding]:
    """Pictures of another size than their labels say, but for those that EXIF turns."""
    for i, (picture, facts) in enumerate(zip(subject.pictures, subject.facts)):
        if not max(picture.size) or facts.fault or facts.size == tuple(picture.size) or _turned(subject, i):
            continue
        what = f"is {_wide(facts.size)}, the labels say {_wide(picture.size)} (width x height)"
        fix = "were points scaled with the picture? Correct the size, or replace the picture"
        yield subject.of_picture(ERROR, "size_mismatch", what, fix, i)


def exif_rotation(subject: Subject) -> Iterator[Finding]:
    """Pictures whose EXIF tag turns or mirrors them: viewers and labelling tools show another picture than training."""
    for i, facts in enumerate(subject.facts):
        if facts.orientation in (0, 1) or facts.fault:
            continue
        turned = _turned(subject, i)
        said = f"EXIF orientation {facts.orientation}: the pixels are stored turned or mirrored"
        what = said + (", and the labels were made on the upright picture" if turned else "")
        fix = "store the pixels upright and remove the tag; make sure that the labels fit them"
        yield subject.of_picture(ERROR if turned else WARNING, "exif_rotation", what, fix, i)


def blank(subject: Subject) -> Iterator[Finding]:
    """Pictures of one colour."""
    for i, facts in enumerate(subject.facts):
        if not facts.fault and float(np.std(facts.miniature)) < LEAST_CONTRAST:
            yield subject.of_picture(WARNING, "blank_picture", "is of one colour all over", "look at it, remove it", i)


def unlisted(subject: Subject) -> Iterator[Finding]:
    """Pictures beside the labelled ones that no label names; a single note where there are many."""
    for root, names in subject.unlisted.items():
        listed = sum(picture.path.is_relative_to(root) for picture in subject.pictures)
        if len(names) > max(MOSTLY_UNLISTED * (listed + len(names)), 10):
            what = f"{len(names):,} of {listed + len(names):,} pictures in {root} are named by no label"
            yield Finding(NOTE, "picture_without_labels", what, "they are not used; label them if they should be")
            continue
        for name in names:
            fix = "label it, list it as a picture without people, or remove it"
            yield Finding(WARNING, "picture_without_labels", f"lies in {root}, and no label names it", fix, name)


def _turned(subject: Subject, i: int) -> bool:
    """Whether the labels say the size that a picture has once EXIF has laid it on its other side."""
    facts, size = subject.facts[i], tuple(subject.pictures[i].size)
    return facts.orientation > 4 and facts.size != size and facts.size[::-1] == size


def _wide(size: tuple[int, int]) -> str:
    return f"{size[1]} x {size[0]}"


CHECKS = (
    Check("missing_picture", "missing pictures", missing),
    Check("unreadable_picture", "unreadable pictures", unreadable),
    Check("size_mismatch", "pictures of another size than labelled", size_mismatch),
    Check("exif_rotation", "pictures that EXIF turns", exif_rotation),
    Check("blank_picture", "pictures of one colour", blank),
    Check("picture_without_labels", "pictures that no label names", unlisted),
)
