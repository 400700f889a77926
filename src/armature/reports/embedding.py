"""Pictures as ``data:`` addresses, together below a budget, so that a page needs no second file."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, features

#: Longer sides that are tried, the largest first, until all pictures fit.
_SIDES = (1400, 1100, 900, 700, 500)
_QUALITY = 85


def embed(pictures: Sequence[Path], budget: int = 2_000_000) -> list[tuple[Path, str]]:
    """Pairs of file and ``data:image/...;base64,...``, scaled down so that all together stay below ``budget`` bytes.

    Pictures that cannot be read are left out; where even the smallest scale is too much, the last ones are.
    """
    encoded: list[tuple[Path, bytes]] = []
    for side in _SIDES:
        encoded = [(p, data) for p in pictures if (data := _encode(p, side)) is not None]
        if sum(len(data) for _, data in encoded) <= budget:
            break
    kept, spent = [], 0
    for path, data in encoded:
        spent += len(data)
        if spent <= budget:
            kept.append((path, f"data:image/{_format()};base64,{base64.b64encode(data).decode()}"))
    return kept


def _format() -> str:
    return "webp" if features.check("webp") else "jpeg"


def _encode(path: Path, side: int) -> bytes | None:
    try:
        with Image.open(path) as image:
            picture = image.convert("RGB")
    except (OSError, ValueError, Image.DecompressionBombError):
        return None
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, _format(), quality=_QUALITY)
    return buffer.getvalue()
