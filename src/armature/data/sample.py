"""One picture on the canvas, ready to be put into a batch."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from armature.data.geometry import Matrix, People
from armature.data.source import Picture
from armature.structures import Record


class Part(NamedTuple):
    """One source picture on a canvas: its record, source px -> canvas px, and the record's rows that are to be seen.

    The rows, in order, are the people that it adds to the sample's.
    """

    record: Record
    matrix: Matrix
    rows: NDArray[np.int64]


class Sample(NamedTuple):
    """One image on the canvas: picture (H, W, 3), its people, ignored pixels or None, canvas px -> source px, id.

    ``known``: (K,) keypoints that its data set labels; None: all. ``parts``: the source pictures that ``people`` are
    from, in their order; what augmentation adds to a picture is not among them.
    """

    image: Picture
    people: People
    ignore: NDArray[np.bool_] | None
    to_source: Matrix
    image_id: int
    known: NDArray[np.bool_] | None = None
    parts: tuple[Part, ...] = ()
