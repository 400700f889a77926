"""What a folder of answers held before: files that the new answers do not replace look like theirs."""

from __future__ import annotations

from pathlib import Path

#: Files that are named; the others are counted.
_SHOWN = 3

Stamps = dict[Path, int]


def stamps(folder: Path) -> Stamps:
    """Every file below the folder, with the time at which it was written last, in ns; {} where there is no folder."""
    return {file: file.stat().st_mtime_ns for file in folder.rglob("*") if file.is_file()}


def told(folder: Path, before: Stamps) -> str:
    """What of ``before`` is still there as it was, in words; "" if nothing is."""
    now = stamps(folder)
    left = sorted(file.relative_to(folder).as_posix() for file, time in before.items() if now.get(file) == time)
    if not left:
        return ""
    named = ", ".join(left[:_SHOWN]) + (f" and {len(left) - _SHOWN} more" if len(left) > _SHOWN else "")
    one = len(left) == 1
    return (
        f"{folder} holds {len(left)} {'file that was' if one else 'files that were'} there before and "
        f"{'is' if one else 'are'} not of this prediction: {named}; give each prediction an output=FOLDER of its own"
    )
