"""The evaluation as a torchmetrics metric: collects predictions over batches and processes, judges them once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics import Metric

from armature.errors import UserError
from armature.evaluation.judge import Judge, Verdict
from armature.evaluation.measures import Measure
from armature.evaluation.oks import MAX_DETECTIONS
from armature.evaluation.results import Predictions, Truth
from armature.structures import Poses, Record, Skeleton


class KeypointMetric(Metric):
    """COCO's ten OKS numbers, PCK and pixel errors of a data set, the same for any number of processes.

    Images that come twice (samplers pad the last round) count once; images of the data set that never come count as
    having found nobody; images that are not of the data set are left out.

    Args:
        skeleton, thresholds, max_detections, sigmas, area, protocol, measures: as ``Judge`` takes them.
    """

    full_state_update = False
    higher_is_better = True
    images: list[Tensor]
    counts: list[Tensor]
    keypoints: list[Tensor]
    keypoint_scores: list[Tensor]
    boxes: list[Tensor]
    scores: list[Tensor]

    def __init__(
        self,
        skeleton: Skeleton,
        thresholds: Sequence[float] = (0.05, 0.1, 0.2),
        max_detections: int = MAX_DETECTIONS,
        sigmas: Sequence[float] | float | None = None,
        area: str = "annotation",
        protocol: Mapping[str, Any] | None = None,
        measures: Mapping[str, Measure] | None = None,
    ) -> None:
        super().__init__()
        self.judge = Judge(skeleton, thresholds, max_detections, sigmas, area, protocol, measures)
        self._truth: Truth | None = None
        self._collected: tuple[Predictions, int] | None = None
        self._verdict: Verdict | None = None
        for name in self._empty():
            self.add_state(name, [], dist_reduce_fx="cat")

    @property
    def truth(self) -> Truth:
        """What is judged against.

        Raises:
            UserError: ``bind`` has not been called.
        """
        if self._truth is None:
            raise UserError("the metric knows no annotations yet: call bind(records) before compute()")
        return self._truth

    @property
    def protocol(self) -> dict[str, Any]:
        """The card's lines that the evaluator cannot know; may be written to until ``compute``."""
        return self.judge.protocol

    def bind(self, records: Sequence[Record]) -> None:
        """Judges from now on against these records, and forgets what was collected."""
        self._truth = Truth.from_records(records, self.judge.skeleton)
        self.reset()
        self._collected = self._verdict = None

    def update(self, poses: Sequence[Poses], image_ids: Tensor) -> None:
        """Adds one batch.

        Args:
            poses: one for each image, source px (continuous). image_ids: (B,).
        """
        if len(poses) != len(image_ids):
            raise UserError(f"{len(poses)} poses for {len(image_ids)} image ids; there must be one for each image")
        self._collected = self._verdict = None
        device = self.device
        self.images.append(torch.as_tensor(image_ids, dtype=torch.long, device=device))
        self.counts.append(torch.tensor([len(found) for found in poses], dtype=torch.long, device=device))
        for name in ("keypoints", "keypoint_scores", "boxes", "scores"):
            values = [getattr(found, name).detach().to(device, torch.float32) for found in poses]
            getattr(self, name).append(torch.cat([self._empty()[name].to(device), *values]))

    def compute(self) -> dict[str, float]:
        """The numbers by flat name (``AP``, ``PCK@0.2/left_wrist``, ``error/mean``, ...); NaN: nobody to judge.

        Raises:
            UserError: ``bind`` was not called, or no predicted image is of the data set it was called with.
        """
        truth = self.truth
        predictions, seen = self._collected = self._collect()
        self._verdict = self.judge(truth, predictions, seen)
        return self._verdict.numbers

    def verdict(self) -> Verdict:
        """The last computed judgement with its matches, for tables and pictures; computes if there is none."""
        if self._verdict is None:
            self.compute()
        assert self._verdict is not None
        return self._verdict

    def card(self) -> dict[str, Any]:
        """The protocol card of the last computed numbers."""
        return self.verdict().card

    def image_oks(self) -> dict[int, float]:
        """Mean OKS of each image's people (missed ones 0) by image id; images without labelled people are left out."""
        return self.verdict().image_oks

    def predictions(self) -> Predictions:
        """What was judged last, of all processes; before that, what this process has collected."""
        return (self._collected or self._collect())[0]

    def _empty(self) -> dict[str, Tensor]:
        """Every state with nothing in it."""
        k = self.judge.skeleton.count
        shapes = {"keypoints": (0, k, 2), "keypoint_scores": (0, k), "boxes": (0, 4), "scores": (0,)}
        states = {name: torch.zeros(shape) for name, shape in shapes.items()}
        return states | {name: torch.zeros(0, dtype=torch.long) for name in ("images", "counts")}

    def _sync_dist(self, *args: Any, **kwargs: Any) -> None:
        """Gathers as usual; a process that saw no batch takes part with empty tensors (torchmetrics would abort)."""
        for name, empty in self._empty().items():
            if isinstance(getattr(self, name), list) and not getattr(self, name):
                setattr(self, name, [empty.to(self.device)])
        super()._sync_dist(*args, **kwargs)

    def _state(self, name: str) -> NDArray[Any]:
        """One state as an array, whether a list (before gathering) or a tensor (after)."""
        value = getattr(self, name)
        parts = value if isinstance(value, list) else [value]
        return np.concatenate([self._empty()[name].numpy(), *(part.cpu().numpy() for part in parts)])

    def _collect(self) -> tuple[Predictions, int]:
        """The predictions of each known image where it came first, and how many images came."""
        images, counts = self._state("images"), self._state("counts")
        kept = np.zeros(len(images), bool)
        kept[np.unique(images, return_index=True)[1]] = True
        known = np.isin(images, self._truth.image_ids) if self._truth is not None else np.ones(len(images), bool)
        if len(images) and not known.any():
            raise UserError(
                f"none of the {len(images)} predicted images (first id {images[0]}) is in the annotations bound to the "
                "metric; bind the records of the data that is being predicted"
            )
        kept &= known
        rows = np.repeat(kept, counts)
        ids = np.repeat(images, counts)[rows]
        columns = (self._state(name)[rows] for name in ("keypoints", "keypoint_scores", "scores", "boxes"))
        return Predictions.from_arrays(ids, *columns), int(kept.sum())
