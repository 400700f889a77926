"""What to say of a path that is not there. Imports nothing heavy: it is asked before anything is loaded."""

from __future__ import annotations

import difflib
from pathlib import Path


def absent(path: str | Path) -> str:
    """``poses: no such file or folder``, and what there is of nearly that name, or where it was sought."""
    path = Path(path).expanduser()
    above = next((p for p in path.parents if p.is_dir()), None)
    if above is None:
        return f"{path}: no such file or folder"
    missing = path.relative_to(above).parts[0]
    close = difflib.get_close_matches(missing, _names(above), 2, 0.6)
    if close:
        return f"{path}: no such file or folder, did you mean {' or '.join(repr(str(above / n)) for n in close)}?"
    where = f" (there is no '{missing}' in {above.resolve()})" if above != path.parent or not path.is_absolute() else ""
    return f"{path}: no such file or folder{where}"


def _names(folder: Path) -> list[str]:
    try:
        return sorted(file.name for file in folder.iterdir())
    except OSError:  # may not be looked into
        return []
