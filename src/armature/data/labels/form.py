"""What every reader gives and every writer takes: pictures, the people labelled in them, and what else a file says.

Coordinates are continuous source pixels as everywhere (pixel ``i`` spans ``[i, i + 1)``); readers and writers add and
take off what their format counts differently. People of one file can have different keypoints (categories), which one
array cannot hold: ``records.py`` makes the records of one skeleton from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Category:
    """One kind of object.

    Attributes:
        keypoints: K names; ``placeholders(K)`` where the file has none; () for objects that are boxes only.
        edges: pairs of indices. flip: K indices, or None where the file does not say what mirrors what.
        ident: the file's id. supercategory: COCO's, "" for none.
    """

    name: str
    keypoints: tuple[str, ...] = ()
    edges: tuple[tuple[int, int], ...] = ()
    flip: tuple[int, ...] | None = None
    ident: int | None = None
    supercategory: str = ""

    @property
    def named(self) -> bool:
        """Whether the keypoints have names of their own."""
        return self.keypoints != placeholders(len(self.keypoints))


@dataclass(frozen=True, eq=False)
class Person:
    """One labelled object of a picture; None where the file does not say.

    Attributes:
        category: index into ``Labels.categories``.
        keypoints: (K, 2) xy, 0 where visibility is 0. visibility: (K,) in {0, 1, 2}.
        box: (4,) xyxy. area: px^2. polygons: of its segment, each (P, 2). mask: its segment as COCO's RLE.
        scores: (K,) confidence of each keypoint. track: who it is across pictures. ident: the file's annotation id.
        extra: further fields by name, as plain data.
    """

    category: int
    keypoints: NDArray[np.float64]
    visibility: NDArray[np.int64]
    box: NDArray[np.float64] | None = None
    area: float | None = None
    crowd: bool = False
    polygons: tuple[NDArray[np.float64], ...] = ()
    mask: Mapping[str, Any] | None = None
    scores: NDArray[np.float64] | None = None
    track: str | None = None
    ident: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def labelled(self) -> bool:
        """Whether any keypoint is."""
        return bool((self.visibility > 0).any())


@dataclass(frozen=True, eq=False)
class LabelledImage:
    """One picture and who is in it.

    Attributes:
        file: relative to ``Labels.root``, with slashes. size: (H, W); (0, 0) where nobody knows.
        split: "train", "val", "test", or "". video, frame: where the picture was taken from.
        load: gives the pixels (H, W, 3) RGB of a picture that is no file (a frame of a video); None for files.
    """

    file: str
    size: tuple[int, int]
    people: tuple[Person, ...] = ()
    split: str = ""
    ident: int | None = None
    video: str = ""
    frame: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    load: Callable[[], NDArray[np.uint8]] | None = None


@dataclass(frozen=True, eq=False)
class Labels:
    """A labelled data set.

    Attributes:
        root: folder that ``LabelledImage.file`` is relative to.
        extra: what the file says about itself (``info``, ``licenses``).
    """

    root: Path
    categories: tuple[Category, ...]
    images: tuple[LabelledImage, ...]
    extra: Mapping[str, Any] = field(default_factory=dict)


def placeholders(count: int) -> tuple[str, ...]:
    """Names of keypoints that have none: ``keypoint_0``, ``keypoint_1``, ..."""
    return tuple(f"keypoint_{i}" for i in range(count))


def nobody(count: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """(K, 2) keypoints and (K,) visibility of somebody of whom no point is labelled."""
    return np.zeros((count, 2)), np.zeros(count, np.int64)
