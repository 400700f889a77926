"""Sigmas written into a skeleton's YAML file, everything else in it left as it is."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import yaml

from armature.errors import UserError
from armature.run_folder import write_text

#: The comment above sigmas that were written here begins like this; the next ones replace it.
_MARK = "# sigmas estimated "
_MORE = "#   "
_WIDTH = 120


def write_sigmas(source: str | Path, sigmas: Sequence[float], comment: str, target: str | Path | None = None) -> Path:
    """The file with new sigmas, after a comment that says where they come from.

    Args:
        source: a skeleton file. sigmas: K. comment: of one sentence, what they were estimated from.
        target: another file for the result; None changes the source.

    Raises:
        UserError: the file cannot be read or changed, or sigmas that are no positive numbers, one for each keypoint.
    """
    source = Path(source)
    try:
        text = source.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"skeleton file {source}: {error}") from error
    changed = with_sigmas(text, sigmas, comment, str(source))
    target = Path(target) if target is not None else source
    write_text(target, changed)
    return target


def with_sigmas(text: str, sigmas: Sequence[float], comment: str, where: str = "skeleton") -> str:
    """The text of a skeleton file with its ``sigmas`` entry replaced, or added at the end where it has none.

    Raises:
        UserError: as ``write_sigmas``.
    """
    values = [float(f"{sigma:.4g}") for sigma in sigmas]
    before = _load(text, where)
    count = len(before.get("keypoints") or ())
    if len(values) != count or not all(0 < value < float("inf") for value in values):
        raise UserError(f"{where}: sigmas must be {count} numbers > 0, one for each keypoint; found {values}")
    lines = text.rstrip("\n").split("\n")
    start, end = _span(text, lines)
    start -= _own_comment(lines[:start])
    changed = "\n".join([*lines[:start], *_entry(values, comment), *lines[end:]]) + "\n"
    if _load(changed, where) != before | {"sigmas": values}:
        raise UserError(f"{where}: its sigmas cannot be replaced without changing more; begin a line with 'sigmas:'")
    return changed


def other_mentions(text: str) -> list[int]:
    """Numbers of the comment lines, from 1, that speak of sigmas and were not written here."""
    lines = enumerate(text.split("\n"), 1)
    return [n for n, line in lines if "sigma" in line.partition("#")[2].lower() and not line.startswith(_MARK)]


def _load(text: str, where: str) -> dict:  # type: ignore[type-arg]
    try:
        fields = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UserError(f"{where}: is not YAML: {error}") from error
    if not isinstance(fields, dict):
        raise UserError(f"{where}: expected the fields of a skeleton; found {fields!r:.60}")
    return fields


def _span(text: str, lines: list[str]) -> tuple[int, int]:
    """First line of the ``sigmas`` entry and the one after it; twice the end of the file where there is none."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    for key, value in root.value if isinstance(root, yaml.MappingNode) else ():
        if key.value == "sigmas":
            last = value.value[-1] if isinstance(value, yaml.SequenceNode) and not value.flow_style else value
            return key.start_mark.line, max(key.end_mark.line, last.end_mark.line) + 1
    return len(lines), len(lines)


def _own_comment(lines: list[str]) -> int:
    """How many lines at the end are a comment that was written here."""
    for count, line in enumerate(reversed(lines), 1):
        if line.startswith(_MARK):
            return count
        if not line.startswith(_MORE):
            break
    return 0


def _entry(values: Sequence[float], comment: str) -> list[str]:
    said = textwrap.wrap(comment, _WIDTH, initial_indent=_MARK, subsequent_indent=_MORE)
    # never 1e-05, which YAML takes for text
    listed = "sigmas: [" + ", ".join(np.format_float_positional(value, trim="0") for value in values) + "]"
    return said + textwrap.wrap(listed, _WIDTH, subsequent_indent="  ")
