"""The same predictions judged on parts of the people: by size, labelled keypoints, occlusion, crowding, truncation.

A slice is judged as COCO judges a size: its people are to be found, all others are ignored, so that a prediction that
finds one of them is neither a hit nor a false alarm. What a prediction that finds nobody counts as depends on the
slice:

- size: by its own area, a false alarm in its own size only, in any image (COCO's rule);
- crowd index, a property of images: a false alarm in the slice's images only, which is what judging these images alone
  would give;
- all others, which a prediction cannot have: a false alarm in images that hold somebody of the slice, and ignored
  elsewhere. So the AP of rare people is not ruled by false alarms in images without any, but it is an AP on fewer
  images: compare a slice between systems, not with the AP of all.

Mean OKS and PCK are those of the people of a slice, by the pairing of ``pck.py``. Bounds of slices are half-open,
``low <= value < high``, so that nobody is in two slices of a kind.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from armature.errors import UserError
from armature.evaluation import oks
from armature.evaluation.crowd_index import crowd_index
from armature.evaluation.grouping import pairs_within
from armature.evaluation.oks import Lanes, Matches
from armature.evaluation.pck import Localisation
from armature.evaluation.ratios import Ratios
from armature.evaluation.results import Predictions, Truth

#: Sides in px whose squares bound the sizes (Ronchi & Perona 2017).
SIDES = (32, 64, 96, 128)
#: Upper ends of the numbers of labelled keypoints, of COCO's 17 (Ronchi & Perona 2017); scaled to other skeletons.
LABELLED = (5, 10, 15, 17)
#: People overlap from this IoU of their boxes on.
OVERLAP = 0.1
#: Bounds of CrowdPose's easy, medium and hard images, as in its paper. The evaluation code that came with it, and its
#: copies in other tools, take 0.2 for the first: published AP (easy) and AP (medium) are often made with (0.2, 0.8).
CROWDED = (0.1, 0.8)
#: px from the picture's border within which a box touches it.
BORDER = 1.0


@dataclass(frozen=True)
class Slice:
    """A part of the people.

    Attributes:
        kind: ``size``, ``crowding``, ...; name: which of the kind.
        people: (G,) bool, those to be found. alarms: (D,) bool, predictions that are false alarms if they find nobody.
    """

    kind: str
    name: str
    people: NDArray[np.bool_]
    alarms: NDArray[np.bool_]

    @property
    def label(self) -> str:
        """``kind:name``."""
        return f"{self.kind}:{self.name}"


@dataclass(frozen=True)
class SliceTable:
    """All slices judged.

    Attributes:
        matches: a lane for each slice; ``oks.accumulate(matches, image_weights)`` gives their AP under any weights.
        ratios: ``OKS/<label>`` and ``PCK@t/<label>`` of each slice. notes: what the card should say of the slices.
        threshold: of PCK.
    """

    slices: tuple[Slice, ...]
    matches: Matches
    ratios: Ratios
    notes: dict[str, Any]
    threshold: float

    def rows(self, image_weights: NDArray[np.float64] | None = None) -> list[dict[str, Any]]:
        """``kind``, ``name``, ``people``, ``AP``, ``AR``, ``OKS``, ``PCK@t`` of each slice; NaN where it holds nobody.

        Args:
            image_weights: (I,) how often each image counts; None means once.
        """
        curves = oks.accumulate(self.matches, image_weights)
        weights = np.ones(len(self.matches.image_ids)) if image_weights is None else np.asarray(image_weights)
        values = dict(zip(self.ratios.names, self.ratios.under(weights[None])[0].tolist(), strict=True))
        pck = f"PCK@{self.threshold:g}"
        return [
            {"kind": part.kind, "name": part.name, "people": int(part.people.sum())}
            | {kind: curves.number(kind, part.label) for kind in ("AP", "AR")}
            | {metric: values[f"{metric}/{part.label}"] for metric in ("OKS", pck)}
            for part in self.slices
        ]


def judge_slices(
    truth: Truth,
    predictions: Predictions,
    matches: Matches,
    localisation: Localisation,
    kinds: Sequence[str] | None = None,
    threshold: float = 0.2,
    crowded: tuple[float, float] = CROWDED,
) -> SliceTable:
    """Every slice of some kinds judged at once; similarities come from ``matches`` and are not worked out again.

    Args:
        matches, localisation: of this truth and these predictions, as a ``Verdict`` holds them.
        kinds: names in ``KINDS``; None for all. threshold: of PCK, a share of the box's longer side.
        crowded: bounds of CrowdPose's easy, medium and hard.

    Raises:
        UserError: an unknown kind.
    """
    unknown = [kind for kind in kinds or () if kind not in KINDS]
    if unknown:
        raise UserError(f"slices: no kind '{unknown[0]}'; known: {', '.join(KINDS)}")
    found: list[Slice] = []
    notes: dict[str, Any] = {}
    for kind in kinds or KINDS:
        parts, said = KINDS[kind](truth, predictions, crowded)
        found += parts
        notes |= {kind: said} if said else {}
    lanes = Lanes(
        tuple(part.label for part in found),
        np.array([part.people for part in found]),
        np.array([part.alarms for part in found]),
    )
    ratios = _ratios(truth, localisation, found, threshold)
    return SliceTable(tuple(found), oks.rematch(matches, truth, lanes), ratios, notes, threshold)


def by_size(truth: Truth, predictions: Predictions, crowded: tuple[float, float] = CROWDED) -> tuple[list[Slice], str]:
    """People and unmatched predictions by area: below 32^2 px, up to 64^2, 96^2, 128^2, and above."""
    bounds = [0.0, *(float(side**2) for side in SIDES), math.inf]
    names = [f"<{SIDES[0]}^2", *(f"{a}^2-{b}^2" for a, b in itertools.pairwise(SIDES)), f">={SIDES[-1]}^2"]
    parts = []
    for name, low, high in zip(names, bounds, bounds[1:], strict=False):
        people, alarms = ((areas >= low) & (areas < high) for areas in (truth.areas, predictions.areas))
        parts.append(Slice("size", name, people & ~truth.ignored, alarms))
    return parts, f"{truth.area_source} (truth), {predictions.area_source} (predictions)"


def by_labelled(
    truth: Truth, predictions: Predictions, crowded: tuple[float, float] = CROWDED
) -> tuple[list[Slice], str]:
    """People by the number of labelled keypoints: 1-5, 6-10, 11-15, 16-17 of 17, in proportion for other skeletons."""
    keypoints = len(truth.names)
    ends = sorted({max(1, round(end * keypoints / LABELLED[-1])) for end in LABELLED})
    bounds = [1, *(end + 1 for end in ends)]
    names = [str(low) if low == high else f"{low}-{high}" for low, high in zip(bounds, ends, strict=False)]
    return _binned(truth, predictions, "keypoints", (truth.visibility > 0).sum(1), bounds, names), ""


def by_occlusion(
    truth: Truth, predictions: Predictions, crowded: tuple[float, float] = CROWDED
) -> tuple[list[Slice], str]:
    """People by the share of their labelled keypoints that are hidden (visibility 1)."""
    labelled = (truth.visibility > 0).sum(1)
    share = (truth.visibility == 1).sum(1) / np.maximum(labelled, 1)
    bounds, names = [0.0, 1e-9, 0.25, 0.5, math.inf], ["none", "<1/4", "1/4-1/2", ">=1/2"]
    return _binned(truth, predictions, "occlusion", share, bounds, names), ""


def by_crowding(
    truth: Truth, predictions: Predictions, crowded: tuple[float, float] = CROWDED
) -> tuple[list[Slice], str]:
    """People by how many others overlap them: boxes with an IoU above 0.1; crowds overlap nobody."""
    bounds, names = [0, 1, 2, 3, math.inf], ["0", "1", "2", "3+"]
    return _binned(truth, predictions, "crowding", count_overlaps(truth), bounds, names), ""


def by_truncation(
    truth: Truth, predictions: Predictions, crowded: tuple[float, float] = CROWDED
) -> tuple[list[Slice], str]:
    """People whose box touches the picture's border (within 1 px), and people whose box does not.

    People in images of unknown size are in neither.
    """
    height, width = truth.sizes[truth.image].T
    x, y, w, h = truth.boxes.T
    edge = (x <= BORDER) | (y <= BORDER) | (x + w >= width - BORDER) | (y + h >= height - BORDER)
    known = (height > 0) & (width > 0)
    lost = int((~known & ~truth.ignored).sum())
    where = np.where(known, edge.astype(float), np.nan)
    parts = _binned(truth, predictions, "truncation", where, [0, 1, math.inf], ["no", "yes"])
    return parts, f"{lost} people in images of unknown size left out" if lost else ""


def by_crowd_index(
    truth: Truth, predictions: Predictions, crowded: tuple[float, float] = CROWDED
) -> tuple[list[Slice], str]:
    """People and unmatched predictions by CrowdPose's crowd index of the image: easy, medium, hard."""
    index, source = crowd_index(truth)
    place, known = _places(truth, predictions)
    bounds, parts = [-math.inf, *crowded, math.inf], []
    for name, low, high in zip(("easy", "medium", "hard"), bounds, bounds[1:], strict=False):
        images = (index >= low) & (index < high)
        alarms = known & images[place] if len(images) else known
        parts.append(Slice("crowd_index", name, images[truth.image] & ~truth.ignored, alarms))
    return parts, f"{source}; easy below {crowded[0]:g}, hard from {crowded[1]:g}"


#: Kinds of slices by name.
KINDS: dict[str, Callable[[Truth, Predictions, tuple[float, float]], tuple[list[Slice], str]]] = {
    "size": by_size,
    "keypoints": by_labelled,
    "occlusion": by_occlusion,
    "crowding": by_crowding,
    "truncation": by_truncation,
    "crowd_index": by_crowd_index,
}


def count_overlaps(truth: Truth) -> NDArray[np.int64]:
    """(G,) how many other people of the image, crowds left out, have a box with an IoU above 0.1 with the person's."""
    first, second = pairs_within(truth.image)
    ends = truth.boxes[:, :2] + truth.boxes[:, 2:]
    low = np.maximum(truth.boxes[first, :2], truth.boxes[second, :2])
    shared = np.clip(np.minimum(ends[first], ends[second]) - low, 0, None).prod(1)
    area = truth.boxes[:, 2:].prod(1)
    union = area[first] + area[second] - shared
    overlap = (shared > OVERLAP * union) & ~truth.crowd[first] & ~truth.crowd[second]
    return np.bincount(first[overlap], minlength=len(truth))


def _binned(
    truth: Truth,
    predictions: Predictions,
    kind: str,
    values: NDArray[Any],
    bounds: Sequence[float],
    names: Sequence[str],
) -> list[Slice]:
    """Slices of a property of people, with false alarms in the images that hold one of them."""
    place, known = _places(truth, predictions)
    parts = []
    for name, low, high in zip(names, bounds, bounds[1:], strict=False):
        people = (values >= low) & (values < high) & ~truth.ignored
        holding = np.bincount(truth.image[people], minlength=len(truth.image_ids)) > 0
        parts.append(Slice(kind, name, people, known & holding[place] if len(holding) else known))
    return parts


def _places(truth: Truth, predictions: Predictions) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """(D,) index of each prediction's image among the truth's, and (D,) whether it is one of them."""
    if not len(truth.image_ids):
        return np.zeros(len(predictions), np.int64), np.zeros(len(predictions), bool)
    place = np.minimum(np.searchsorted(truth.image_ids, predictions.image_ids), len(truth.image_ids) - 1)
    return place, truth.image_ids[place] == predictions.image_ids


def _ratios(truth: Truth, localisation: Localisation, parts: Sequence[Slice], threshold: float) -> Ratios:
    """Mean OKS and PCK of each slice."""
    members = np.array([part.people[localisation.person] for part in parts], float).T.reshape(-1, len(parts))
    with np.errstate(invalid="ignore"):
        right = localisation.distances < threshold * localisation.scale[:, None]
    tops = {"OKS": localisation.oks, f"PCK@{threshold:g}": right.sum(1)}
    bottoms = {"OKS": np.ones(len(members)), f"PCK@{threshold:g}": localisation.labelled.sum(1)}
    image = truth.image[localisation.person]
    return Ratios.join(
        [
            Ratios.by_image(
                [f"{name}/{part.label}" for part in parts],
                image,
                len(truth.image_ids),
                members * tops[name][:, None],
                members * bottoms[name][:, None],
            )
            for name in tops
        ]
    )
