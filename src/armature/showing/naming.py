"""What a picture is called: by people, in files, above a panel."""

from __future__ import annotations

import re
from pathlib import Path

from armature.structures import Record


def names(record: Record) -> set[str]:
    """What people may call a picture: its id, its path, its file's name with and without the ending."""
    path = Path(record.file)
    return {str(record.image_id), record.file, path.name, path.stem} - {"", "."}


def title(record: Record) -> str:
    """File, id, size and how many people."""
    height, width = record.size
    count, crowds = int((~record.crowd).sum()), int(record.crowd.sum())
    people = ("1 person" if count == 1 else f"{count} people") + (", and a crowd" if crowds else "")
    return f"{record.file or 'picture'} (id {record.image_id}), {width} x {height}, {people}"


def file_name(record: Record) -> str:
    """A name for a file about a picture, without its ending."""
    return slug(Path(record.file).stem) or f"image_{record.image_id}"


def slug(text: str) -> str:
    """The text in letters, digits, dots, hyphens and underscores."""
    return re.sub(r"[^A-Za-z0-9.-]+", "_", text)[:60].strip("_.")
