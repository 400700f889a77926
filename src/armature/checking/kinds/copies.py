"""The same picture twice, and the same picture in training and in validation."""

from __future__ import annotations

from collections.abc import Iterator

from armature.checking.check import Check
from armature.checking.findings import ERROR, NOTE, WARNING, Finding
from armature.checking.subject import Subject

#: Where more than this share of the pictures resembles another, they are frames of a film, and one note says so.
FILM = 0.3


def exact(subject: Subject) -> Iterator[Finding]:
    """Files with the same content as another of the same split."""
    for first, second in _same_bytes(subject):
        if not _leaks(subject, first, second):
            what = f"is the same file as {subject.pictures[first].file}"
            yield subject.of_picture(WARNING, "exact_duplicate", what, "keep one of them", second, first)


def near(subject: Subject) -> Iterator[Finding]:
    """Pictures that show the same as another of the same split."""
    pairs = [pair for pair in _near(subject) if not _leaks(subject, *pair[:2])]
    if _is_film(subject):
        what = f"{_alike_count(subject):,} of {len(subject.pictures):,} pictures look like another: frames of a film?"
        fix = "not told one by one; divide by film (split@data.split=fraction data.split.by=folder), not by picture"
        yield Finding(NOTE, "near_duplicate", what, fix)
        return
    for first, second, how in pairs:
        what = f"{how} {subject.pictures[first].file}"
        yield subject.of_picture(
            WARNING, "near_duplicate", what, "look at both; keep one if they are one", second, first
        )


def leakage(subject: Subject) -> Iterator[Finding]:
    """Pictures of one split that are in another too: validation then rewards what was learned by heart."""
    fix = "remove it from one of the splits"
    for first, second in _same_bytes(subject):
        if _leaks(subject, first, second):
            yield subject.of_picture(
                ERROR, "leakage", _across(subject, "is the same file as", first), fix, second, first
            )
    pairs = [pair for pair in _near(subject) if _leaks(subject, *pair[:2])]
    if _is_film(subject) and pairs:
        what = f"{len({p[1] for p in pairs}):,} pictures look like one of another split: frames of one film are in both"
        yield Finding(WARNING, "leakage", what, "divide by film (data.split.by=folder): scores are too good as it is")
        return
    for first, second, how in pairs:
        yield subject.of_picture(WARNING, "leakage", _across(subject, how, first), fix, second, first)


def _across(subject: Subject, how: str, first: int) -> str:
    return f"{how} {subject.pictures[first].file} of split '{subject.pictures[first].split}'"


def _leaks(subject: Subject, first: int, second: int) -> bool:
    one, other = subject.pictures[first].split, subject.pictures[second].split
    return one != other and bool(one) and bool(other)


def _same_bytes(subject: Subject) -> Iterator[tuple[int, int]]:
    """Each picture with the first of the same content; one file that is listed twice is no copy."""
    first: dict[bytes, int] = {}
    for i, facts in enumerate(subject.facts):
        if facts.missing or facts.fault:
            continue
        known = first.setdefault(facts.digest, i)
        if known != i and subject.pictures[known].path != subject.pictures[i].path:
            yield known, i


def _near(subject: Subject) -> list[tuple[int, int, str]]:
    """Each picture with one that it looks like, in words; those of equal content are left out."""
    found: dict[int, tuple[int, int, str]] = {}
    for pair in subject.alike:
        if subject.facts[pair.first].digest == subject.facts[pair.second].digest:
            continue
        how = "looks like the mirror image of" if pair.mirrored else "looks like"
        best = found.get(pair.second)
        # One of another split matters more than one of the same.
        if best is None or (_leaks(subject, pair.first, pair.second) and not _leaks(subject, *best[:2])):
            found[pair.second] = (pair.first, pair.second, how)
    return list(found.values())


def _alike_count(subject: Subject) -> int:
    return len({i for pair in subject.alike for i in (pair.first, pair.second)})


def _is_film(subject: Subject) -> bool:
    return len(subject.pictures) >= 20 and _alike_count(subject) > FILM * len(subject.pictures)


CHECKS = (
    Check("exact_duplicate", "copies of a picture", exact),
    Check("near_duplicate", "pictures that look alike", near),
    Check("leakage", "pictures in two splits", leakage),
)
