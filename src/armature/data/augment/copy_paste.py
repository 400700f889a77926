"""People of another picture, pasted over this one (Ghiasi et al. 2021, "Simple Copy-Paste")."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from armature.data.augment.covering import Mask, either, hide
from armature.data.augment.occasion import PASTE, Another, Occasional, bounded
from armature.data.geometry import People, fill_polygons, together
from armature.data.sample import Part, Sample


class CopyPaste(Occasional):
    """The sample with some of the people of another one in front of its own.

    Both pictures are placed by the training geometry, each by a draw of its own (the paper's scale jitter and mirror).
    A person is cut out along its segment where the record has one (``data.segments: true``), by its box otherwise.
    Whoever has a labelled keypoint in what is cut out comes along, so that nobody is seen without being labelled.
    What is pasted lies on top: keypoints beneath stay labelled, with visibility 1 (see ``covering.hide``), and so do
    those of the pasted ones that lie outside their outline, which is drawn carelessly at times. Ignored pixels are
    those of whatever is on top. The paper removes who is wholly covered: here nobody ever is, because who would cover
    too much of anybody's box is left out (the rule of YOLOv5 and YOLOv8).

    Args:
        share: probability of each person of the other picture to be pasted.
        covered: largest share of anybody's box that all who are pasted may cover together.
        probability, passes: see ``Occasional``.

    Raises:
        ConfigError: shares outside [0, 1], or see ``Occasional``.
    """

    stage = PASTE

    def __init__(
        self, probability: float = 0.5, share: float = 0.5, covered: float = 0.3, passes: int | None = None
    ) -> None:
        super().__init__(probability, passes)
        self.share = bounded(self, "share", (share, share), 0, 1)[0]
        self.covered = bounded(self, "covered", (covered, covered), 0, 1)[0]

    def __call__(self, sample: Sample, rng: np.random.Generator, another: Another) -> Sample:
        other = another(rng)
        wanted = np.flatnonzero(rng.random(len(other.people.areas)) < self.share)
        mask, pasted = self._chosen(sample.people, other, wanted.tolist())
        if not pasted:
            return sample
        image = sample.image.copy()
        image[mask] = other.image[mask]
        # Of those who are pasted only what lies within their outlines is to be seen.
        came = hide(other.people.among(np.array(sorted(pasted))), ~mask)
        people = together([hide(sample.people, mask), came])
        known = either(sample.known, other.known, np.logical_and)
        return sample._replace(
            image=image, people=people, ignore=on_top(sample.ignore, other.ignore, mask), known=known
        )

    def _chosen(self, below: People, other: Sample, wanted: list[int]) -> tuple[Mask, set[int]]:
        """The pixels that are taken of the other picture, and whose they are."""
        mask, pasted = np.zeros(other.image.shape[:2], bool), set[int]()
        for person in wanted:
            if person in pasted:
                continue
            group, more = cut_out(other, person)
            if more.any() and most_covered(below, mask | more) <= self.covered:
                mask, pasted = mask | more, pasted | group
        return mask, pasted


def cut_out(sample: Sample, person: int) -> tuple[set[int], Mask]:
    """Who is cut out with a person of a sample (indices of ``people``), and their pixels (H, W) together."""
    owners = [(part, row) for part in sample.parts for row in part.rows.tolist()]
    group: set[int] = set()
    more, mask = {person}, np.zeros(sample.image.shape[:2], bool)
    while more:
        for i in more:
            mask |= silhouette(sample.people.boxes[i], *owners[i], mask.shape)
        group |= more
        more = set(np.flatnonzero(_any_inside(sample.people, mask)).tolist()) - group
    return group, mask


def silhouette(box: NDArray[np.float64], part: Part, row: int, canvas: tuple[int, ...]) -> Mask:
    """(H, W) pixels of a record's person on the canvas: of its segment, or of ``box`` (xyxy, canvas px); never beside
    its source picture."""
    mask = np.zeros(canvas, np.uint8)
    polygons = part.record.regions[row] if part.record.regions else ()
    if polygons:
        fill_polygons(mask, polygons, part.matrix)
        return mask.astype(bool)
    (x1, y1), (x2, y2) = np.round(box[:2]).astype(int), np.round(box[2:]).astype(int)
    height, width = part.record.size
    fill_polygons(mask, [np.array([[0.0, 0], [width, 0], [width, height], [0, height]])], part.matrix)
    inside = np.zeros(canvas, bool)
    inside[y1:y2, x1:x2] = True
    return inside & mask.astype(bool)


def most_covered(people: People, mask: Mask) -> float:
    """The largest share of anybody's box that the mask covers, 0 without people."""
    shares = [0.0]
    for x1, y1, x2, y2 in people.boxes:
        part = mask[int(y1) : int(np.ceil(y2)), int(x1) : int(np.ceil(x2))]
        shares.append(float(part.sum() / max((x2 - x1) * (y2 - y1), 1.0)))
    return max(shares)


def on_top(below: Mask | None, above: Mask | None, mask: Mask) -> Mask | None:
    """The flags of one picture where the mask is not, of the other where it is; None: no pixel."""
    under = below & ~mask if below is not None else None
    return either(under, above & mask if above is not None else None)


def _any_inside(people: People, mask: Mask) -> NDArray[np.bool_]:
    height, width = mask.shape
    columns = np.clip(np.floor(people.keypoints[..., 0]), 0, width - 1).astype(np.int64)
    rows = np.clip(np.floor(people.keypoints[..., 1]), 0, height - 1).astype(np.int64)
    return np.asarray(((people.visibility > 0) & mask[rows, columns]).any(1))
