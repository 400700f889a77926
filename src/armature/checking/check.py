"""One check, and where they all are: every module of ``armature.checking.kinds`` has some in its ``CHECKS``."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from armature.checking import kinds
from armature.checking.findings import Finding
from armature.checking.subject import Subject


@dataclass(frozen=True)
class Check:
    """A check.

    Attributes:
        kind: one word for what it finds, as in problems.csv. title: the same for people. find: looks for it.
        hides: kinds that follow from this one, and are not told of the same person.
    """

    kind: str
    title: str
    find: Callable[[Subject], Iterable[Finding]]
    hides: tuple[str, ...] = ()


#: What is found while reading, by kind.
WHILE_READING = {
    "unreadable_labels": "labels that cannot be read",
    "invalid_image": "entries of pictures that make no sense",
    "invalid_annotation": "annotations that make no sense",
    "invalid_category": "categories that make no sense",
    "orphan_annotation": "annotations of no picture",
    "labels_without_picture": "label files of no picture",
    "repeated_id": "ids given twice",
    "picture_listed_twice": "pictures listed twice",
}


@functools.cache
def checks() -> tuple[Check, ...]:
    """Every check there is, by the names of their modules."""
    names = sorted(found.name for found in pkgutil.iter_modules(kinds.__path__))
    modules = [importlib.import_module(f"{kinds.__name__}.{name}") for name in names]
    return tuple(check for module in modules for check in module.CHECKS)


def title(kind: str) -> str:
    """What a kind is called before people."""
    return {**WHILE_READING, **{check.kind: check.title for check in checks()}}.get(kind, kind.replace("_", " "))
