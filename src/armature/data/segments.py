"""COCO segments as polygons: what is known of where somebody is."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray


def outline(segment: Any, size: tuple[int, int]) -> tuple[NDArray[np.float64], ...]:
    """Polygons (P, 2) of a COCO segment: polygons as they are, RLE by its outlines (holes are filled), () for none."""
    if isinstance(segment, list):
        return tuple(np.asarray(p, float).reshape(-1, 2) for p in segment)
    if not isinstance(segment, dict):
        return ()
    contours, _ = cv2.findContours(decode_rle(segment, size), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    # OpenCV's outlines run through the centres of the outermost pixels.
    return tuple(c.reshape(-1, 2) + 0.5 for c in contours)


def decode_rle(segment: dict[str, Any], size: tuple[int, int]) -> NDArray[np.uint8]:
    """The (H, W) mask of a run-length encoding, plain or compressed."""
    if isinstance(segment["counts"], list):
        runs = np.asarray(segment["counts"], np.int64)
        flat = np.repeat(np.arange(len(runs)) % 2, runs).astype(np.uint8)
        return np.ascontiguousarray(flat.reshape(size[1], size[0]).T)
    from pycocotools import mask

    return np.ascontiguousarray(mask.decode(segment))


def area_of(polygons: tuple[NDArray[np.float64], ...], mask: Any, size: tuple[int, int]) -> float | None:
    """px^2 of a segment: the pixels of its mask, or the areas of its polygons added up; None without either."""
    if mask is not None:
        return float(decode_rle(mask, size).sum())
    if not polygons:
        return None
    return float(
        sum(abs((p[:, 0] * np.roll(p[:, 1], -1) - p[:, 1] * np.roll(p[:, 0], -1)).sum()) for p in polygons) / 2
    )
