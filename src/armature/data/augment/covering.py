"""What becomes of labels where something lies over a picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Bool
from numpy.typing import NDArray

from armature.data.geometry import People

Mask = Bool[NDArray[np.bool_], "H W"]


def hide(people: People, covered: Mask) -> People:
    """The people with visibility 1 instead of 2 where a keypoint's pixel is covered.

    That is COCO's "labelled but not visible": the point stays where it is and stays a label. Boxes and areas stay those
    of the whole person, as they do where another person stands in front in a photograph.
    """
    height, width = covered.shape
    columns = np.clip(np.floor(people.keypoints[..., 0]), 0, width - 1).astype(np.int64)
    rows = np.clip(np.floor(people.keypoints[..., 1]), 0, height - 1).astype(np.int64)
    hidden = (people.visibility == 2) & covered[rows, columns]
    return people._replace(visibility=np.where(hidden, 1, people.visibility))


def either(
    first: NDArray[np.bool_] | None, second: NDArray[np.bool_] | None, how: Callable[..., Any] = np.logical_or
) -> NDArray[np.bool_] | None:
    """Both flags as one, None being that there is nothing to say."""
    if first is None or second is None:
        return second if first is None else first
    return np.asarray(how(first, second))
