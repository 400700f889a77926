"""Pictures as they are, on canvases of their own."""

from __future__ import annotations

import numpy as np

from armature.data.dataset import Draw, KeypointDataset, Sample
from armature.data.geometry import FILL, Matrix, Size, ignored, map_record, translation, warp
from armature.data.source import Source
from armature.errors import ConfigError


class KeepResolution(KeypointDataset):
    """Samples at the source's own resolution, each on the next larger canvas that a network can take; batches of one.

    The ``keep_res`` test of the released CenterNet (Zhou et al. 2019): sides of (size | (divisor - 1)) + 1, so that
    multiples grow as well, the picture in the middle.

    Args:
        divisor: of both sides of every canvas: 32 for DLA-34, 128 for Hourglass-104; a power of two.

    Raises:
        ConfigError: a divisor that is no power of two.
    """

    def __init__(self, source: Source, divisor: int = 32, fill: tuple[int, int, int] = FILL) -> None:
        if divisor < 1 or divisor & (divisor - 1):
            raise ConfigError(f"data.keep_resolution: the divisor must be a power of two; found {divisor}")
        super().__init__(source, (0, 0), None, 0, fill)
        self.divisor = divisor

    def __getitem__(self, draw: Draw | int) -> Sample:
        epoch, index = (0, draw) if isinstance(draw, int) else draw
        image, record = self.source.read(index, epoch)
        canvas, matrix = place(record.size, self.divisor)
        people = map_record(record, matrix, canvas, self.source.skeleton)
        picture = warp(image, matrix, canvas, self.fill)
        to_source = np.asarray(np.linalg.inv(matrix), np.float64)
        return Sample(picture, people, ignored(record, matrix, canvas), to_source, record.image_id)


def place(size: Size, divisor: int) -> tuple[Size, Matrix]:
    """The canvas of a picture of (H, W), and the matrix that puts it in the middle."""
    height, width = ((side | (divisor - 1)) + 1 for side in size)
    # Whole pixels, so that nothing is interpolated.
    return (height, width), translation(width // 2 - size[1] // 2, height // 2 - size[0] // 2)
