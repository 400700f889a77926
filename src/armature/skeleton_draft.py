"""The text of a new skeleton file, with a comment at everything that somebody should look at."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
import yaml

from armature import skeletons
from armature.structures import Skeleton

_WIDTH = 120
_PLAIN = re.compile(r"[A-Za-z_][\w-]*")
#: What YAML takes for something else than text.
_WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}

Pair = tuple[int, int]


def text(
    skeleton: Skeleton,
    head: Sequence[str],
    pair_notes: Mapping[Pair, str] | None = None,
    edge_notes: Mapping[Pair, str] | None = None,
) -> str:
    """YAML that loads as this very skeleton.

    Args:
        head: paragraphs of the comment at its beginning. pair_notes, edge_notes: a comment for a mirrored pair (the
            smaller index first) or a limb.
    """
    lines = [line for paragraph in head for line in _comment(paragraph)]
    lines += ["_target_: armature.skeletons.make", f"name: {_quoted(skeleton.name)}"]
    lines += _flow("keypoints", [_quoted(name) for name in skeleton.keypoints])
    pairs = [(i, f) for i, f in enumerate(skeleton.flip) if i < f]
    lines += _block("flip_pairs", skeleton, pairs, pair_notes or {})
    lines += _block("edges", skeleton, skeleton.edges, edge_notes or {})
    if skeleton.sigmas is not None:
        # Never 1e-05, which YAML takes for text.
        lines += _flow("sigmas", [np.format_float_positional(sigma, trim="0") for sigma in skeleton.sigmas])
    if skeleton.groups:
        lines.append("groups:")
        lines += [
            f"  {line}"
            for name, members in skeleton.groups
            for line in _flow(_quoted(name), [_quoted(skeleton.keypoints[i]) for i in members], _WIDTH - 2)
        ]
    written = "\n".join(lines) + "\n"
    _check(written, skeleton)
    return written


def _check(written: str, skeleton: Skeleton) -> None:
    """A file that would load as something else is a mistake of ours."""
    fields = yaml.safe_load(written)
    fields.pop("_target_")
    loaded = skeletons.make(**fields)
    for field in ("name", "keypoints", "edges", "flip", "sigmas", "groups"):
        if getattr(loaded, field) != getattr(skeleton, field):
            raise AssertionError(f"skeleton '{skeleton.name}': {field} would not be read as it was written")


def _comment(paragraph: str) -> list[str]:
    return textwrap.wrap(paragraph, _WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)


def _flow(key: str, items: Sequence[str], width: int = _WIDTH) -> list[str]:
    """``key: [a, b, ...]``, broken between items only."""
    lines, line = [], f"{key}: ["
    for i, item in enumerate(items):
        piece = item + ("]" if i == len(items) - 1 else ",")
        glue = "" if line.endswith("[") else " "
        if len(line) + len(glue) + len(piece) > width and not line.endswith("["):
            lines.append(line)
            line, glue = "  ", ""
        line += glue + piece
    return [*lines, line]


def _block(key: str, skeleton: Skeleton, pairs: Sequence[Pair], notes: Mapping[Pair, str]) -> list[str]:
    """One pair a line, with its note."""
    if not pairs:
        return [f"{key}: []"]
    rows = [f"  - [{_quoted(skeleton.keypoints[a])}, {_quoted(skeleton.keypoints[b])}]" for a, b in pairs]
    wide = max(map(len, rows))
    return [f"{key}:"] + [
        f"{row:<{wide}}  # {notes[pair]}" if pair in notes else row for row, pair in zip(rows, pairs, strict=True)
    ]


def _quoted(name: str) -> str:
    return name if _PLAIN.fullmatch(name) and name.lower() not in _WORDS else json.dumps(name, ensure_ascii=False)
