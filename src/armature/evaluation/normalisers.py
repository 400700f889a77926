"""Lengths that distances are divided by: of the box, of the head, or between two keypoints of the same person.

Each is a small object built from a config: called on the truth and on some of its people it gives a length for each,
NaN where it is not known. Such people are not judged by a measure that needs it, and are counted in the card.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from armature.errors import ConfigError
from armature.evaluation.results import Truth

if TYPE_CHECKING:
    from armature.structures import Skeleton

#: Lengths of a box.
BOX_SIZES = ("longer_side", "root_area", "diagonal")


class Normaliser(Protocol):
    """A length of each person."""

    def __call__(self, truth: Truth, person: NDArray[np.int64], skeleton: Skeleton) -> NDArray[np.float64]:
        """(L,) px, NaN where it is not known. ``person``: (L,) indices into the truth's people."""
        ...

    def check(self, skeleton: Skeleton) -> None:
        """Raises ConfigError where the skeleton lacks what is needed."""
        ...

    def __str__(self) -> str:
        """The length in words, for the protocol card."""
        ...


class Box:
    """A length of the annotated box.

    Args:
        size: ``longer_side`` (PCK of mmpose and Yang & Ramanan 2013), ``root_area`` (the square root of width x height,
            NME of AFLW) or ``diagonal``.

    Raises:
        ConfigError: another size.
    """

    def __init__(self, size: str = "longer_side") -> None:
        if size not in BOX_SIZES:
            raise ConfigError(f"normaliser: box size '{size}' is unknown; known: {', '.join(BOX_SIZES)}")
        self.size = size

    def __call__(self, truth: Truth, person: NDArray[np.int64], skeleton: Skeleton) -> NDArray[np.float64]:
        sides = truth.boxes[person, 2:]
        if self.size == "longer_side":
            return sides.max(1, initial=0)
        return np.sqrt(sides.prod(1)) if self.size == "root_area" else np.hypot(*sides.T)

    def check(self, skeleton: Skeleton) -> None:
        """Passes: every person has a box."""

    def __str__(self) -> str:
        said = {"longer_side": "longer side", "root_area": "square root of the area", "diagonal": "diagonal"}
        return f"{said[self.size]} of the annotated box"


class Pair:
    """The distance between two annotated keypoints of the person.

    Torso (left shoulder to right hip), inter-ocular distance (the outer corners of the eyes, Sagonas et al. 2013), the
    head's segment (head top to neck), or any other. Not known where one of the two is not labelled, or where both lie
    on one point.

    Args:
        first, second: names of keypoints. factor: the distance is multiplied by it.
    """

    def __init__(self, first: str, second: str, factor: float = 1.0) -> None:
        self.names, self.factor = (first, second), factor

    def __call__(self, truth: Truth, person: NDArray[np.int64], skeleton: Skeleton) -> NDArray[np.float64]:
        a, b = (skeleton.keypoints.index(name) for name in self.names)
        points = truth.keypoints[person]
        length = np.linalg.norm(points[:, a] - points[:, b], axis=1) * self.factor
        known = (truth.visibility[person][:, [a, b]] > 0).all(1) & (length > 0)
        return np.where(known, length, np.nan)

    def check(self, skeleton: Skeleton) -> None:
        """Raises ConfigError where a name is no keypoint of the skeleton."""
        check_names(self.names, skeleton, "normaliser")

    def __str__(self) -> str:
        times = "" if self.factor == 1 else f"{self.factor:g} x "
        return f"{times}distance of {self.names[0]} and {self.names[1]}"


class HeadBox:
    """The diagonal of the annotated head box times a factor.

    With 0.6 it is MPII's head size (Andriluka et al., CVPR 2014). The box is the field ``head_box`` (x1, y1, x2, y2, as
    in MPII's own annotations) of a person; not known for people without one.

    Args:
        factor: the diagonal is multiplied by it.
    """

    def __init__(self, factor: float = 0.6) -> None:
        self.factor = factor

    def __call__(self, truth: Truth, person: NDArray[np.int64], skeleton: Skeleton) -> NDArray[np.float64]:
        if truth.head_boxes is None:
            return np.full(len(person), np.nan)
        corners = truth.head_boxes[person]
        length = np.linalg.norm(corners[:, 2:] - corners[:, :2], axis=1) * self.factor
        return np.where(length > 0, length, np.nan)

    def check(self, skeleton: Skeleton) -> None:
        """Passes: head boxes belong to the annotations, not to the skeleton."""

    def __str__(self) -> str:
        return f"{self.factor:g} x diagonal of the annotated head box"


def check_names(names: tuple[str, ...], skeleton: Skeleton, what: str) -> None:
    """Passes in silence if all are keypoints of the skeleton.

    Raises:
        ConfigError: names the first that is not, and the nearest that is.
    """
    for name in names:
        if name not in skeleton.keypoints:
            close = difflib.get_close_matches(name, skeleton.keypoints, 1)
            hint = f"did you mean '{close[0]}'?" if close else f"keypoints: {', '.join(skeleton.keypoints[:20])}"
            raise ConfigError(f"{what} names '{name}', which is no keypoint of skeleton '{skeleton.name}'; {hint}")
