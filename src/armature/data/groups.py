"""What keeps pictures together when data are divided: a folder, a field of the labels, a part of the file's name.

Frames of one film resemble each other, and so do pictures of one animal: with some of them on each side of a split,
what is measured is memory.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, Protocol, runtime_checkable

from armature.data.source import Source
from armature.errors import ConfigError

#: Images named in a message.
_SHOWN = 3


@runtime_checkable
class Described(Protocol):
    """A source whose labels say more of its images than who is where."""

    def fields(self) -> dict[str, list[str | None]]:
        """Name of a field -> its value for every image; None where it has none, or its people have different ones."""
        ...


def fields_of(source: Source) -> dict[str, list[str | None]]:
    """The source's ``fields``; nothing where it has none."""
    return source.fields() if isinstance(source, Described) else {}


def groups(source: Source, by: str) -> list[str]:
    """The group of every image of a source.

    Args:
        by: ``folder`` (of the picture), the name of a field of the labels (``video``, ``subject``, ...), or a regular
            expression for the picture's path, in which parentheses mark what names the group.

    Raises:
        ConfigError: no such field, a pattern that is none or that does not fit, images that say nothing.
    """
    files = [record.file for record in source.records]
    if by == "folder":
        return [PurePosixPath(file).parent.as_posix() for file in files]
    if "(" in by:
        return _matched(files, by)
    known = fields_of(source)
    if by not in known:
        has = f"its labels have {', '.join(sorted(known))}" if known else "its labels have no fields"
        raise ConfigError(
            f"split: by={by}: no such field; {has}. Known besides: folder, and a pattern for the picture's path with "
            "the group in parentheses, as 'data.split.by=\"(session[0-9]+)_\"'"
        )
    return _complete(known[by], files, f"by={by}: these images have no '{by}', or people of several")


def _matched(files: Sequence[str], pattern: str) -> list[str]:
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise ConfigError(f"split: by={pattern}: is no regular expression: {error}") from error
    if not expression.groups:
        raise ConfigError(f"split: by={pattern}: needs parentheses (...) around what names the group")
    found = [expression.search(file) for file in files]
    names = [None if m is None else "/".join(part for part in m.groups() if part is not None) for m in found]
    return _complete(names, files, f"by={pattern}: does not fit these images")


def _complete(names: Sequence[str | None], files: Sequence[str], problem: str) -> list[str]:
    lost = [file for name, file in zip(names, files, strict=True) if name is None]
    if lost:
        raise ConfigError(f"split: {problem}: {', '.join(lost[:_SHOWN])} ({len(lost)} of {len(files)})")
    return [name for name in names if name is not None]


def shared_fields(
    images: Sequence[Mapping[str, Any]], people: Sequence[Sequence[Mapping[str, Any]]]
) -> dict[str, list[str | None]]:
    """The fields with plain values of images, and those of their people where all of an image's say the same.

    Args:
        images: the fields of each. people: for each image, the fields of each person.
    """
    said = [_agreed(own) | _plain(image) for image, own in zip(images, people, strict=True)]
    return {
        name: [fields.get(name) for fields in said] for name in sorted({name for fields in said for name in fields})
    }


def _agreed(people: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    plain = [_plain(one) for one in people]
    return {n: v for n, v in plain[0].items() if all(p.get(n) == v for p in plain)} if plain else {}


def _plain(fields: Mapping[str, Any]) -> dict[str, str]:
    kept = {n: v for n, v in fields.items() if isinstance(v, (str, int)) and not isinstance(v, bool) and v != ""}
    return {name: str(value) for name, value in kept.items()}
