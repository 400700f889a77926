"""How crowded the images are, after CrowdPose (Li et al., CVPR 2019)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from armature.evaluation.grouping import pairs_within
from armature.evaluation.results import Truth


def crowd_index(truth: Truth) -> tuple[NDArray[np.float64], str]:
    """(I,) the crowd index of each image, and in words where it comes from.

    The file's own ``crowdIndex`` where an image has one, else ``computed_index``.
    """
    computed = computed_index(truth)
    if truth.crowd_index is None:
        return computed, "computed from the annotations"
    given = ~np.isnan(truth.crowd_index)
    source = (
        "crowdIndex of the file" if given.all() else f"crowdIndex of the file, computed for {(~given).sum()} images"
    )
    return np.where(given, truth.crowd_index, computed), source


def computed_index(truth: Truth) -> NDArray[np.float64]:
    """(I,) the mean over an image's n people of (labelled keypoints of others in the person's box) / (its own).

    Equation 1 of the paper. People are those with labelled keypoints who are no crowd; 0 where there are none. The
    box's edges belong to it.
    """
    people = np.flatnonzero(~truth.ignored & (truth.visibility > 0).any(1))
    image = truth.image[people]
    own, other = pairs_within(image)
    inside = _inside(truth, people[own], people[other])
    foreign = np.bincount(own, inside, minlength=len(people))
    share = foreign / (truth.visibility[people] > 0).sum(1)
    total, many = (np.bincount(image, w, minlength=len(truth.image_ids)) for w in (share, np.ones(len(people))))
    return total / np.maximum(many, 1)


def _inside(truth: Truth, holder: NDArray[np.int64], guest: NDArray[np.int64]) -> NDArray[np.int64]:
    """(P,) labelled keypoints of the second person in the box of the first."""
    corner, size = truth.boxes[holder, None, :2], truth.boxes[holder, None, 2:]
    points = truth.keypoints[guest]
    within = ((points >= corner) & (points <= corner + size)).all(2)
    return (within & (truth.visibility[guest] > 0)).sum(1)
