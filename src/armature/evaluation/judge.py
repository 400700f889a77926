"""One judgement of predictions: all numbers, and the card that says how they were made."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import numpy as np

from armature.errors import ConfigError, UserError
from armature.evaluation import oks, pck
from armature.evaluation.measures import Measure, Pck, PixelError, Scene
from armature.evaluation.ratios import Ratios
from armature.evaluation.results import AREA_SOURCES, Predictions, Truth
from armature.evaluation.slices import CROWDED, SliceTable, judge_slices
from armature.evaluation.verify import Differences, compare

if TYPE_CHECKING:
    from armature.structures import Skeleton

#: What the card must say and only the maker of the predictions knows.
ASKED = ("box_source", "score_rule", "nms", "flip_test")
#: What becomes of predictions that come more than once.
DUPLICATES = "kept and judged like any other prediction, as COCO does"


@dataclass(frozen=True)
class Verdict:
    """Numbers by flat name (NaN: nobody to judge), the protocol card, and what they were made from.

    ``ratios`` holds all of the numbers that are one sum over images divided by another, for weighing images anew: PCK,
    mean errors, ``matched`` and every measure, with keypoints and groups.
    """

    numbers: dict[str, float]
    card: dict[str, Any]
    matches: oks.Matches
    localisation: pck.Localisation
    image_oks: dict[int, float]
    ratios: Ratios


class Judge:
    """The rules of an evaluation: called on truth and predictions, it gives a ``Verdict``.

    Args:
        skeleton: whose keypoints are judged; its sigmas are used unless ``sigmas`` says otherwise.
        thresholds: of PCK, as shares of the box's longer side.
        max_detections: best-scored predictions of an image that are judged.
        sigmas: K OKS constants, or one for all keypoints; None for the skeleton's (or the default, with a warning).
        area: whose area OKS is relative to: "annotation", "box" or "box*0.53".
        protocol: further lines of the card: ``box_source``, ``score_rule``, ``nms``, ``flip_test`` and any others.
        measures: further metrics by name (``measures.py``).

    Raises:
        UserError: sigmas of another number than the keypoints, an unknown area, a measure that the skeleton cannot have
            or whose name is taken.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        thresholds: Sequence[float] = (0.05, 0.1, 0.2),
        max_detections: int = oks.MAX_DETECTIONS,
        sigmas: Sequence[float] | float | None = None,
        area: str = "annotation",
        protocol: Mapping[str, Any] | None = None,
        measures: Mapping[str, Measure] | None = None,
    ) -> None:
        if area not in AREA_SOURCES:
            raise UserError(f"area '{area}' is unknown; known: {', '.join(AREA_SOURCES)}")
        self.skeleton, self.thresholds = skeleton, tuple(thresholds)
        self.max_detections, self.area = max_detections, area
        self.sigmas, self.sigma_source = _choose_sigmas(skeleton, sigmas)
        self.protocol: dict[str, Any] = dict(protocol or {})
        #: What is there without asking; ``error/median`` is the one number of them that is no ratio.
        self.standard: dict[str, Measure] = {"PCK": Pck(self.thresholds), "error/mean": PixelError()}
        self.measures: dict[str, Measure] = {}
        self.add(measures or {})

    def add(self, measures: Mapping[str, Measure]) -> None:
        """Judges by these measures too.

        Raises:
            ConfigError: one that the skeleton cannot have, or whose name is taken; names it.
        """
        taken = {*oks.NUMBERS, "matched", "error/median"}
        taken |= {head for name, measure in (self.standard | self.measures).items() for head in measure.heads(name)}
        for name, measure in measures.items():
            twice = taken & set(measure.heads(name))
            if twice:
                raise ConfigError(
                    f"measure '{name}': there is a metric {sorted(twice)[0]} already; choose another name"
                )
            try:
                measure.check(self.skeleton)
            except ConfigError as error:
                raise ConfigError(f"measure '{name}': {error}") from error
            taken |= set(measure.heads(name))
            self.measures[name] = measure

    def __call__(self, truth: Truth, predictions: Predictions, images_predicted: int | None = None) -> Verdict:
        """The verdict on predictions in the truth's images; images without any count as having found nobody.

        Args:
            images_predicted: how many of the images a network has seen, for the card; None where unknown.
        """
        truth = truth.with_areas(self.area)
        matches = oks.match(truth, predictions, self.sigmas, self.max_detections)
        localisation = pck.localise(truth, predictions, matches)
        scene = Scene(truth, predictions, localisation, self.skeleton)
        ratios = self._ratios(scene)
        numbers = oks.accumulate(matches).numbers() | localisation.numbers(truth.names, self.thresholds)
        numbers |= {name: value for name, value in ratios.numbers().items() if name not in numbers}
        card = self._card(scene, images_predicted)
        return Verdict(numbers, card, matches, localisation, pck.image_oks(truth, localisation), ratios)

    def slices(
        self,
        truth: Truth,
        predictions: Predictions,
        verdict: Verdict,
        kinds: Sequence[str] | None = None,
        threshold: float = 0.2,
        crowded: tuple[float, float] = CROWDED,
    ) -> SliceTable:
        """The parts of the people judged by these rules, at once; see ``slices.judge_slices``.

        Args:
            verdict: this judge's on this truth and these predictions.
        """
        parts = (truth.with_areas(self.area), predictions, verdict.matches, verdict.localisation)
        return judge_slices(*parts, kinds=kinds, threshold=threshold, crowded=crowded)

    def verify(self, truth: Truth, predictions: Predictions) -> Differences:
        """The ten OKS numbers by these rules from this package and from pycocotools, side by side."""
        return compare(truth.with_areas(self.area), predictions, self.sigmas, self.max_detections)

    def _ratios(self, scene: Scene) -> Ratios:
        """Every metric that is a sum over images divided by another, standard ones first."""
        found, truth = scene.localisation, scene.truth
        have = (found.prediction >= 0)[:, None]
        matched = Ratios.by_image(
            ("matched",), truth.image[found.person], len(truth.image_ids), have, np.ones_like(have)
        )
        measured = [measure(name, scene) for name, measure in (self.standard | self.measures).items()]
        return Ratios.join([matched, *measured])

    def _card(self, scene: Scene, images_predicted: int | None) -> dict[str, Any]:
        """The protocol card: everything besides the network that moves the numbers."""
        truth, predictions = scene.truth, scene.predictions
        made_by = {name: self.protocol.get(name, "not stated") for name in ASKED} | self.protocol
        counts = {
            "images": len(truth.image_ids),
            "images_predicted": images_predicted,
            "people": int((~truth.ignored).sum()),
            "people_ignored": int(truth.ignored.sum()),
            "detections": len(predictions),
            "duplicate_detections": count_duplicates(predictions),
        }
        rules = {
            "max_detections": self.max_detections,
            "sigmas": self.sigma_source,
            "area": f"{truth.area_source} (truth), {predictions.area_source} (predictions)",
            "oks_thresholds": "0.50:0.05:0.95",
            "pck_normaliser": pck.NORMALISER,
            "pck_pairing": pck.RULE,
            "duplicates": DUPLICATES,
            "skeleton": self.skeleton.name,
            "evaluator": f"armature.evaluation {_version()}",
        }
        measured = {name: measure.card(scene) for name, measure in self.measures.items()}
        return made_by | counts | rules | ({"measures": measured} if measured else {})


def count_duplicates(predictions: Predictions) -> int:
    """How many predictions repeat another one: the same image, keypoints and score."""
    ids, scores = predictions.image_ids, predictions.scores
    order = np.lexsort((scores, ids))
    equal = (np.diff(ids[order]) == 0) & (np.diff(scores[order]) == 0)
    if not equal.any():
        return 0
    tied = order[np.append(equal, False) | np.append(False, equal)]  # few rows, most of the time
    rows = np.column_stack([ids[tied], scores[tied], predictions.keypoints[tied].reshape(len(tied), -1)])
    return len(rows) - len(np.unique(rows, axis=0))


def _choose_sigmas(skeleton: Skeleton, given: Sequence[float] | float | None) -> tuple[np.ndarray, str]:
    """(K,) sigmas, and in words where they come from."""
    from armature.skeletons import DEFAULT_SIGMA, sigmas_or_default

    if given is not None:
        sigmas = np.full(skeleton.count, given) if isinstance(given, int | float) else np.asarray(given, np.float64)
        if len(sigmas) != skeleton.count or not (sigmas > 0).all():
            raise UserError(f"sigmas must be {skeleton.count} numbers > 0 for '{skeleton.name}'; found {list(sigmas)}")
        return sigmas, f"given: {given if isinstance(given, int | float) else sigmas.tolist()}"
    if skeleton.sigmas is None:
        warnings.warn(
            f"skeleton '{skeleton.name}' has no sigmas: OKS takes {DEFAULT_SIGMA} for each of its {skeleton.count} "
            "keypoints, so AP and AR compare only with results that do the same; PCK and pixel errors do not need them",
            stacklevel=3,
        )
        return np.array(sigmas_or_default(skeleton)), f"default {DEFAULT_SIGMA} (skeleton '{skeleton.name}' has none)"
    return np.array(skeleton.sigmas), f"skeleton '{skeleton.name}'"


def _version() -> str:
    try:
        return version("armature")
    except PackageNotFoundError:
        return "unknown"
