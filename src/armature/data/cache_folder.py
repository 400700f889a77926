"""Where things that can be made again are kept: below the cache folder of the user."""

from __future__ import annotations

import os
from pathlib import Path


def of(part: str) -> Path:
    """``armature/<part>`` below ``XDG_CACHE_HOME``, or below ``~/.cache``; it need not exist."""
    return Path(os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")) / "armature" / part
