"""What sets runs of one experiment apart: the overrides in which they differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

#: Where a run lies and what it goes on with sets nobody's settings apart.
_PLACES = ("name", "runs", "resume")
#: Longer text is cut: it is a column of a table.
_WIDTH = 60


def differing(overrides: Mapping[Path, Sequence[str]]) -> dict[Path, str]:
    """For each run, its overrides of what not all of them have alike: ``architecture=centernet seed=2``.

    Args:
        overrides: of each run, as they were typed; of two of the same key the last one counts.
    """
    chosen = {run: _settings(texts) for run, texts in overrides.items()}
    keys = dict.fromkeys(key for settings in chosen.values() for key in settings)
    apart = [key for key in keys if len({settings.get(key) for settings in chosen.values()}) > 1]
    return {run: _cut(" ".join(s[key] for key in apart if key in s)) for run, s in chosen.items()}


def _settings(texts: Sequence[str]) -> dict[str, str]:
    pairs = ((text.lstrip("+").partition("=")[0], text.lstrip("+")) for text in texts)
    return {key: text for key, text in pairs if key not in _PLACES and key.partition(".")[0] != "launcher"}


def _cut(text: str) -> str:
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 3]}..."
