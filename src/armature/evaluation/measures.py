"""Measures of localisation: small objects built from a config (``metrics.measures.<name>``), one for each metric.

A measure is called with its name in the config and a ``Scene`` and gives ``Ratios``: the total, each keypoint
(``NAME/left_wrist``) and each group of keypoints (``NAME/group:wrists``). All are sums over people and keypoints
divided by sums over the same, so every labelled keypoint counts alike; who is compared with whom is ``pck.py``'s rule.
A person whose normaliser is not known is not judged: it counts neither above nor below the line, and the card says how
many there are.

Adding a metric needs a class with these four methods anywhere, and a config that names it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from armature.errors import ConfigError
from armature.evaluation.keypoint_groups import GROUP, keypoint_groups
from armature.evaluation.normalisers import Box, Normaliser, check_names
from armature.evaluation.pck import Localisation
from armature.evaluation.ratios import Ratios
from armature.evaluation.results import Predictions, Truth

if TYPE_CHECKING:
    from armature.structures import Skeleton


@dataclass(frozen=True)
class Scene:
    """What a measure looks at: people, predictions, and who is compared with whom. L people are measured."""

    truth: Truth
    predictions: Predictions
    localisation: Localisation
    skeleton: Skeleton

    def length(self, normaliser: Normaliser) -> NDArray[np.float64]:
        """(L,) px, NaN where it is not known."""
        return normaliser(self.truth, self.localisation.person, self.skeleton)

    def distances(self, offset: float = 0.0) -> NDArray[np.float64]:
        """(L, K) px, NaN where not labelled or without prediction.

        Args:
            offset: added to x and y of every prediction first.
        """
        if not offset:
            return self.localisation.distances
        found = self.localisation.prediction
        points = self.predictions.keypoints[found] if len(self.predictions) else np.nan
        moved = np.linalg.norm(points + offset - self.truth.keypoints[self.localisation.person], axis=2)
        return np.where(np.isnan(self.localisation.distances), np.nan, moved)

    def ratios(self, name: str, top: NDArray, bottom: NDArray, exclude: Sequence[str] = ()) -> Ratios:
        """(L, K) parts summed: in total, for each keypoint and for each group.

        Args:
            exclude: keypoints that the total leaves out.
        """
        groups, names = keypoint_groups(self.skeleton), self.truth.names
        total = [name not in exclude for name in self.skeleton.keypoints]
        members = [np.isin(np.arange(len(names)), indices) for indices in groups.values()]
        columns = np.stack([np.array(total), *np.eye(len(names), dtype=bool), *members]).astype(np.float64).T
        flat = (name, *(f"{name}/{keypoint}" for keypoint in names), *(f"{name}/{GROUP}{group}" for group in groups))
        image = self.truth.image[self.localisation.person]
        parts = (np.nan_to_num(np.asarray(part, np.float64)) @ columns for part in (top, bottom))
        return Ratios.by_image(flat, image, len(self.truth.image_ids), *parts)


class Measure(Protocol):
    """A metric of localisation."""

    def heads(self, name: str) -> tuple[str, ...]:
        """The metrics it gives, without keypoints and groups: ``("PCK@0.1", "PCK@0.2")``."""
        ...

    def check(self, skeleton: Skeleton) -> None:
        """Raises ConfigError where the skeleton lacks what is needed."""
        ...

    def __call__(self, name: str, scene: Scene) -> Ratios:
        """The metrics, by image. ``name``: of the measure in the config."""
        ...

    def card(self, scene: Scene) -> dict[str, Any]:
        """Lines of the protocol card: the rule, and how many people are not judged."""
        ...


class Pck:
    """PCK: the share of labelled keypoints nearer than ``threshold`` x a length of the person (``NAME@threshold``).

    PCKh@0.5 as MPII's own tools count it: ``normaliser`` a ``HeadBox``, ``exclude`` [pelvis, thorax], ``inclusive``
    true; and ``offset`` 1 where the annotations are 1-based as in MPII's Matlab files and the predictions 0-based (the
    usual tools add it to the predictions). MPII's mean weighs each joint's PCKh by how often it is labelled, which is
    the total here.

    Args:
        thresholds: shares of the length. normaliser: the length, the longer side of the box by default.
        exclude: names of keypoints that the total leaves out. inclusive: a distance of exactly the limit is right.
        offset: px added to x and y of every prediction.
    """

    def __init__(
        self,
        thresholds: Sequence[float] = (0.2,),
        normaliser: Normaliser | None = None,
        exclude: Sequence[str] = (),
        inclusive: bool = False,
        offset: float = 0.0,
    ) -> None:
        self.thresholds, self.normaliser = tuple(thresholds), normaliser or Box()
        self.exclude, self.inclusive, self.offset = tuple(exclude), inclusive, offset

    def heads(self, name: str) -> tuple[str, ...]:
        """One for each threshold."""
        return tuple(f"{name}@{threshold:g}" for threshold in self.thresholds)

    def check(self, skeleton: Skeleton) -> None:
        """Raises ConfigError where a name is no keypoint of the skeleton."""
        self.normaliser.check(skeleton)
        check_names(self.exclude, skeleton, "exclude")

    def __call__(self, name: str, scene: Scene) -> Ratios:
        """The share for each threshold."""
        length, distances = scene.length(self.normaliser)[:, None], scene.distances(self.offset)
        judged = scene.localisation.labelled & ~np.isnan(length)
        parts = []
        with np.errstate(invalid="ignore"):
            for head, threshold in zip(self.heads(name), self.thresholds, strict=True):
                limit = threshold * length
                right = distances <= limit if self.inclusive else distances < limit
                parts.append(scene.ratios(head, right, judged, self.exclude))
        return Ratios.join(parts)

    def card(self, scene: Scene) -> dict[str, Any]:
        """Rule and number of people not judged."""
        rule = f"share {'within' if self.inclusive else 'nearer than'} threshold x {self.normaliser}"
        rule += f", without {', '.join(self.exclude)} in the total" if self.exclude else ""
        rule += f", predictions moved by {self.offset:g} px" if self.offset else ""
        return {"rule": rule, "people_not_judged": int(np.isnan(scene.length(self.normaliser)).sum())}


class Auc:
    """AUC: the mean PCK over distances from 0 up to ``reach``, as mmpose's ``keypoint_auc`` defines it.

    The thresholds are ``i / steps * reach`` for i = 0 ... steps - 1: with mmpose's numbers 0, 1.5, ..., 28.5 px. mmpose
    takes the mean over keypoints of each keypoint's PCK; the total here weighs keypoints by how often they are
    labelled, which is the same where all are, as on hands.

    Args:
        reach: px, or a share of ``normaliser`` where one is given. steps: number of thresholds.
    """

    def __init__(self, reach: float = 30.0, steps: int = 20, normaliser: Normaliser | None = None) -> None:
        if steps < 1 or not reach > 0:
            raise ConfigError(f"AUC needs steps >= 1 and reach > 0; found steps={steps}, reach={reach}")
        self.reach, self.steps, self.normaliser = reach, steps, normaliser

    def heads(self, name: str) -> tuple[str, ...]:
        """The name itself."""
        return (name,)

    def check(self, skeleton: Skeleton) -> None:
        """Raises ConfigError where a name is no keypoint of the skeleton."""
        if self.normaliser is not None:
            self.normaliser.check(skeleton)

    def __call__(self, name: str, scene: Scene) -> Ratios:
        """The mean share over the thresholds."""
        length = self._length(scene)
        with np.errstate(invalid="ignore", divide="ignore"):
            share = scene.localisation.distances / length
            passed = np.sum([share < i / self.steps for i in range(self.steps)], 0)
        return scene.ratios(name, passed / self.steps, scene.localisation.labelled & ~np.isnan(length))

    def card(self, scene: Scene) -> dict[str, Any]:
        """Rule and number of people not judged."""
        unit = "px" if self.normaliser is None else f"x {self.normaliser}"
        rule = f"mean PCK at {self.steps} thresholds from 0 to {(self.steps - 1) / self.steps * self.reach:g} {unit}"
        return {"rule": rule, "people_not_judged": int(np.isnan(self._length(scene)).sum())}

    def _length(self, scene: Scene) -> NDArray[np.float64]:
        """(L, 1) px of the whole reach."""
        if self.normaliser is None:
            return np.full((len(scene.localisation.person), 1), self.reach)
        return self.reach * scene.length(self.normaliser)[:, None]


class Nme:
    """NME: the mean distance of labelled keypoints divided by a length of the person; no percentage.

    People without a prediction have no distance and do not count (``matched`` is the share that has one).

    Args:
        normaliser: the length. exclude: names of keypoints that the total leaves out.
    """

    def __init__(self, normaliser: Normaliser, exclude: Sequence[str] = ()) -> None:
        self.normaliser, self.exclude = normaliser, tuple(exclude)

    def heads(self, name: str) -> tuple[str, ...]:
        """The name itself."""
        return (name,)

    def check(self, skeleton: Skeleton) -> None:
        """Raises ConfigError where a name is no keypoint of the skeleton."""
        self.normaliser.check(skeleton)
        check_names(self.exclude, skeleton, "exclude")

    def __call__(self, name: str, scene: Scene) -> Ratios:
        """The mean share of the length."""
        share = scene.distances() / self._length(scene)[:, None]
        return scene.ratios(name, share, ~np.isnan(share), self.exclude)

    def card(self, scene: Scene) -> dict[str, Any]:
        """Rule and number of people not judged."""
        rule = f"mean distance / {self.normaliser}"
        rule += f", without {', '.join(self.exclude)} in the total" if self.exclude else ""
        return {"rule": rule, "people_not_judged": int(np.isnan(self._length(scene)).sum())}

    def _length(self, scene: Scene) -> NDArray[np.float64]:
        """(L,) px; a length of 0 is none."""
        length = scene.length(self.normaliser)
        return np.where(length > 0, length, np.nan)


class PixelError:
    """The mean distance of labelled keypoints in source px, which others call EPE, the end-point error.

    It is always there as ``error/mean``; as a measure of its own it takes another name, or leaves keypoints out.

    Args:
        exclude: names of keypoints that the total leaves out. offset: px added to x and y of every prediction.
    """

    def __init__(self, exclude: Sequence[str] = (), offset: float = 0.0) -> None:
        self.exclude, self.offset = tuple(exclude), offset

    def heads(self, name: str) -> tuple[str, ...]:
        """The name itself."""
        return (name,)

    def check(self, skeleton: Skeleton) -> None:
        """Raises ConfigError where a name is no keypoint of the skeleton."""
        check_names(self.exclude, skeleton, "exclude")

    def __call__(self, name: str, scene: Scene) -> Ratios:
        """The mean distance."""
        distances = scene.distances(self.offset)
        return scene.ratios(name, distances, ~np.isnan(distances), self.exclude)

    def card(self, scene: Scene) -> dict[str, Any]:
        """Rule."""
        return {"rule": "mean distance in px", "people_not_judged": 0}
