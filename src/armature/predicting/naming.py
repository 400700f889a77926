"""File names of answers, from names of pictures: never two alike, and never outside the folder of answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import PurePosixPath


def stems(names: Iterable[str]) -> dict[str, str]:
    """Name -> the same without its ending, ``a.png`` -> ``a``; where two would be alike, ``a_png`` and ``a_jpg``."""
    safe = {name: _within(name) for name in names}
    count = Counter(str(path.with_suffix("")) for path in safe.values())
    found = {}
    for name, path in safe.items():
        plain = path.with_suffix("")
        alone = count[str(plain)] == 1
        found[name] = str(plain if alone else path.with_name(path.name.replace(".", "_")))
    return found


def of_frame(name: str, index: int) -> str:
    """The stem of a film's frame: ``walk_000012``."""
    return f"{stems([name])[name]}_{index:06d}"


def _within(name: str) -> PurePosixPath:
    path = PurePosixPath(name.replace("\\", "/"))
    parts = [part for part in path.parts if part not in ("..", "/") and ":" not in part]
    return PurePosixPath(*parts) if parts else PurePosixPath("picture")
