"""Parts of the picture that are covered, at random places or on keypoints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from armature.data.augment.covering import hide
from armature.data.augment.occasion import COVER, Another, Occasional, bounded, whole_number
from armature.data.geometry import FILL, People
from armature.data.sample import Sample
from armature.data.source import Picture

#: Half-open columns and rows of pixels: x1, y1, x2, y2.
Patch = tuple[int, int, int, int]
#: A patch, and the pixels or the colour that cover it.
Piece = tuple[Patch, Picture | tuple[int, ...]]
#: So many places are tried for a patch without a keypoint in it.
TRIES = 10


class _Covering(Occasional):
    """The sample with pieces laid over it; keypoints beneath stay labelled, with visibility 1 (``covering.hide``)."""

    stage = COVER

    def __call__(self, sample: Sample, rng: np.random.Generator, another: Another) -> Sample:
        canvas = (sample.image.shape[0], sample.image.shape[1])
        image, covered = sample.image.copy(), np.zeros(canvas, bool)
        for (x1, y1, x2, y2), piece in self.pieces(sample, canvas, rng):
            image[y1:y2, x1:x2], covered[y1:y2, x1:x2] = piece, True
        return sample._replace(image=image, people=hide(sample.people, covered))

    def pieces(self, sample: Sample, canvas: tuple[int, int], rng: np.random.Generator) -> Iterator[Piece]:
        """Where on the canvas (H, W), and what."""
        raise NotImplementedError


class CutOut(_Covering):
    """The sample with rectangles of one colour over it (DeVries & Taylor 2017).

    Keypoints beneath stay labelled, with visibility 1 (see ``covering.hide``).

    Args:
        holes: least and most rectangles, drawn uniformly.
        size: bounds of a rectangle's height and width, as shares of the canvas's, drawn uniformly.
        square: one share for both, of the canvas's smaller side.
        inside: a rectangle lies whole on the canvas; False: its centre does.
        fill: RGB of the rectangles.
        probability, passes: see ``Occasional``.

    Raises:
        ConfigError: shares outside (0, 1], or see ``Occasional``.
    """

    def __init__(
        self,
        probability: float = 0.5,
        holes: Sequence[int] = (1, 1),
        size: Sequence[float] = (0.25, 0.5),
        square: bool = True,
        inside: bool = False,
        fill: Sequence[int] = FILL,
        passes: int | None = None,
    ) -> None:
        super().__init__(probability, passes)
        self.holes = bounded(self, "holes", (holes[0], holes[1]), 1, 1000)
        self.size = bounded(self, "size", (size[0], size[1]), 0, 1)
        self.square, self.inside, self.fill = square, inside, tuple(fill)

    def pieces(self, sample: Sample, canvas: tuple[int, int], rng: np.random.Generator) -> Iterator[Piece]:
        """Rectangles of ``fill``."""
        for _ in range(whole_number(self.holes, rng)):
            yield self.patch(canvas, rng), self.fill

    def patch(self, canvas: tuple[int, int], rng: np.random.Generator) -> Patch:
        """One rectangle, clipped to the canvas (H, W)."""
        tall, wide, down, right = rng.random(4)
        sides = (min(canvas),) * 2 if self.square else canvas
        low, high = self.size
        shares = (low + (high - low) * tall, low + (high - low) * (tall if self.square else wide))
        height, width = (max(1, round(side * share)) for side, share in zip(sides, shares))
        if self.inside:
            return within((right * (canvas[1] - width), down * (canvas[0] - height)), (height, width), canvas)
        return within((right * canvas[1] - width / 2, down * canvas[0] - height / 2), (height, width), canvas)


class KeypointOcclusion(_Covering):
    """The sample with pieces of its own background over some keypoints (Ke et al. 2018, section 3.4).

    Any keypoint beneath a piece stays labelled, with visibility 1 (see ``covering.hide``). A piece is taken from where
    no labelled keypoint lies; where there is no such place in ``TRIES`` tries it is of the colour ``FILL``. The paper's
    other half, keypoints copied onto the background, is left out: it shows points that are not labelled.

    Args:
        points: least and most visible keypoints that are covered, of all people together, drawn uniformly.
        size: bounds of a square's side, as shares of the longer side of the person's box, drawn uniformly.
        probability, passes: see ``Occasional``.

    Raises:
        ConfigError: shares outside (0, 1], or see ``Occasional``.
    """

    def __init__(
        self,
        probability: float = 0.5,
        points: Sequence[int] = (1, 3),
        size: Sequence[float] = (0.1, 0.25),
        passes: int | None = None,
    ) -> None:
        super().__init__(probability, passes)
        self.points = bounded(self, "points", (points[0], points[1]), 1, 1000)
        self.size = bounded(self, "size", (size[0], size[1]), 0, 1)

    def pieces(self, sample: Sample, canvas: tuple[int, int], rng: np.random.Generator) -> Iterator[Piece]:
        """Squares on keypoints, and background of their size."""
        for patch in self.patches(sample.people, canvas, rng):
            x1, y1, x2, y2 = patch
            column, row = background(sample.people, (y2 - y1, x2 - x1), canvas, rng)
            yield patch, sample.image[row : row + y2 - y1, column : column + x2 - x1] if column >= 0 else FILL

    def patches(self, people: People, canvas: tuple[int, int], rng: np.random.Generator) -> list[Patch]:
        """Squares around visible keypoints, clipped to the canvas (H, W)."""
        persons, points = np.nonzero(people.visibility == 2)
        wanted = whole_number(self.points, rng)
        found = []
        for which in rng.permutation(len(persons))[:wanted]:
            person, (x, y) = persons[which], people.keypoints[persons[which], points[which]]
            longer = (people.boxes[person, 2:] - people.boxes[person, :2]).max()
            # At least the keypoint's own pixel.
            side = max(1, round(rng.uniform(*self.size) * longer))
            corner = (np.floor(x) - (side - 1) // 2, np.floor(y) - (side - 1) // 2)
            found.append(within(corner, (side, side), canvas))
        return found


def within(corner: tuple[float, float], size: tuple[int, int], canvas: tuple[int, int]) -> Patch:
    """The patch of (H, W) whose upper left corner (x, y) is rounded to whole pixels, clipped to the canvas (H, W)."""
    x, y = round(corner[0]), round(corner[1])
    low = max(0, x), max(0, y)
    return *low, max(low[0], min(canvas[1], x + size[1])), max(low[1], min(canvas[0], y + size[0]))


def background(
    people: People, size: tuple[int, int], canvas: tuple[int, int], rng: np.random.Generator
) -> tuple[int, int]:
    """Column and row of a patch of (H, W) without a labelled keypoint in it; (-1, -1) where none was found."""
    labelled = people.keypoints[people.visibility > 0]
    for _ in range(TRIES):
        corner = np.floor(rng.random(2) * (canvas[1] - size[1] + 1, canvas[0] - size[0] + 1))
        if not ((labelled >= corner) & (labelled < corner + size[::-1])).all(-1).any():
            return int(corner[0]), int(corner[1])
    return -1, -1
