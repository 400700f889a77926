"""The same data judged by pycocotools, to show that this package's numbers are COCO's."""

from __future__ import annotations

import contextlib
import io
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from armature.errors import UserError
from armature.evaluation import oks
from armature.evaluation.results import Predictions, Truth

if TYPE_CHECKING:
    from armature.structures import Skeleton

#: How far two double-precision evaluations of the same definition may lie apart.
TOLERANCE = 1e-9


@dataclass(frozen=True)
class Differences:
    """COCO's ten numbers from two evaluators; NaN where there is nobody to find.

    Attributes:
        ours: by ``armature.evaluation.oks``. reference: by pycocotools.
    """

    ours: dict[str, float]
    reference: dict[str, float]

    @property
    def largest(self) -> float:
        """The largest absolute difference; infinite where only one of the two has a number."""
        return max(_apart(self.ours[name], self.reference[name]) for name in self.ours)

    @property
    def equal(self) -> bool:
        """Whether all ten agree to ``TOLERANCE``."""
        return self.largest <= TOLERANCE

    def summary(self) -> dict[str, Any]:
        """For metrics.json: whether they agree, the largest difference, and both in words."""
        return {"equal": self.equal, "largest_difference": self.largest, "summary": str(self)}

    def __str__(self) -> str:
        if self.equal:
            return f"verified: pycocotools gives the same ten numbers (largest difference {self.largest:.1e})"
        worst = max(self.ours, key=lambda name: _apart(self.ours[name], self.reference[name]))
        ours, reference = self.ours[worst], self.reference[worst]
        return f"NOT verified: {worst} is {ours:.9f} here and {reference:.9f} by pycocotools"


def verify(
    truth: Truth, predictions: Predictions, skeleton: Skeleton, max_detections: int = oks.MAX_DETECTIONS
) -> Differences:
    """Both evaluators on the same data, with the skeleton's sigmas (or the documented default).

    For other sigmas or areas use ``Judge.verify``. Annotation ids are counted anew from 1 for pycocotools, which
    takes a match with id 0 for no match.

    Raises:
        UserError: pycocotools is not installed.
    """
    from armature.skeletons import sigmas_or_default

    return compare(truth, predictions, np.array(sigmas_or_default(skeleton)), max_detections)


def compare(
    truth: Truth, predictions: Predictions, sigmas: NDArray[np.float64], max_detections: int = oks.MAX_DETECTIONS
) -> Differences:
    """Both evaluators on the same data with these sigmas, (K,).

    Raises:
        UserError: pycocotools is not installed.
    """
    return Differences(
        oks.evaluate(truth, predictions, sigmas, max_detections), reference(truth, predictions, sigmas, max_detections)
    )


def reference(
    truth: Truth, predictions: Predictions, sigmas: NDArray[np.float64], max_detections: int = oks.MAX_DETECTIONS
) -> dict[str, float]:
    """The ten numbers by pycocotools; NaN where it says -1."""
    data = truth.to_coco()
    for number, person in enumerate(data["annotations"], start=1):
        person["id"] = number
    judge = prepare(data, predictions.to_coco(truth.category), sigmas, max_detections)
    with contextlib.redirect_stdout(io.StringIO()):
        judge.evaluate()
        judge.accumulate()
    return numbers(judge)


def prepare(
    truth: dict[str, Any], results: list[dict[str, Any]], sigmas: NDArray[np.float64], max_detections: int
) -> Any:
    """pycocotools' COCOeval on the contents of two COCO files, ready to evaluate; it writes into both."""
    try:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    except ImportError as error:
        raise UserError(f"verifying needs pycocotools ({error}): pip install pycocotools") from error
    with contextlib.redirect_stdout(io.StringIO()):
        annotated, found = COCO(), COCO()
        annotated.dataset = truth
        annotated.createIndex()
        if results:
            found = annotated.loadRes(results)
        else:  # loadRes reads the first result to see what kind they are
            found.dataset = {**truth, "annotations": []}
            found.createIndex()
        judge = COCOeval(annotated, found, "keypoints")
    judge.params.kpt_oks_sigmas = np.asarray(sigmas, np.float64)
    judge.params.maxDets = [max_detections]
    return judge


def numbers(judge: Any) -> dict[str, float]:
    """The ten numbers of an accumulated COCOeval by their names; NaN where it says -1.

    Read from its arrays, as ``summarize`` would, which only answers for 20 detections.
    """
    params, found = judge.params, {}
    for name, (kind, size, threshold) in oks.NUMBERS.items():
        values = judge.eval["precision" if kind == "AP" else "recall"][..., params.areaRngLbl.index(size), 0]
        values = values if threshold is None else values[params.iouThrs == threshold]
        values = values[values > -1]
        found[name] = float(np.mean(values)) if values.size else math.nan
    return found


def _apart(a: float, b: float) -> float:
    if math.isnan(a) or math.isnan(b):
        return 0.0 if math.isnan(a) and math.isnan(b) else math.inf
    return abs(a - b)
