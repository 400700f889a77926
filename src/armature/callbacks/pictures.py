"""Truth beside prediction, on validation images."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytorch_lightning as pl
from numpy.typing import NDArray
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from armature.callbacks import position
from armature.evaluation.results import HALF_PIXEL, Predictions
from armature.reports.overlays import SURE, People, people_of_record, side_by_side
from armature.structures import Record, Skeleton

log = logging.getLogger(__name__)

Picture = NDArray[np.uint8]


class Pictures(pl.Callback):
    """Draws the same validation images after every validation, and the worst and the best at the end.

    The same images go to ``sample_*.jpg`` (replaced every time) and to the loggers; a judgement outside training
    (``trainer.validate``, which ends a run) also writes ``worst_*.jpg`` and ``best_*.jpg`` by the images' mean OKS.
    Predictions come from ``module.metrics``, images from ``datamodule.val``. Where validations follow each other so
    quickly that drawing would take more than its share of the time, some are not drawn; the first and the last are.

    Args:
        folder: the run's ``pictures`` folder.
        count: how many of the same images, spread evenly over the validation data. extremes: how many worst and best.
        share: of the time of training that drawing may take.
    """

    def __init__(self, folder: Path | str, count: int = 8, extremes: int = 4, share: float = 0.02) -> None:
        self.folder, self.count, self.extremes, self.share = Path(folder), count, extremes, share
        self._begun = time.monotonic()
        self._spent = 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._begun, self._spent = time.monotonic(), 0.0

    @rank_zero_only
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        source = getattr(getattr(trainer, "datamodule", None), "val", None)
        metric: Any = getattr(pl_module, "metrics", None)
        if source is None or metric is None or trainer.sanity_checking or self.count <= 0:
            return
        start, training = time.monotonic(), trainer.state.fn == "fit"
        if training and self._spent > self.share * (start - self._begun):
            return
        predictions, oks = metric.predictions(), metric.image_oks()
        chosen = {"sample": spread(len(source), self.count)}
        if not training and oks:
            places = {record.image_id: index for index, record in enumerate(source.records)}
            worst, best = extremes(oks, self.extremes)
            chosen |= {"worst": [places[i] for i in worst], "best": [places[i] for i in best]}
        for kind, indices in chosen.items():
            drawn = [self._draw(source, index, predictions, oks) for index in indices]
            self._save(kind, [picture for picture, _, _ in drawn], [name for _, name, _ in drawn])
            self._log(trainer, kind, [picture for picture, _, _ in drawn], [text for _, _, text in drawn], training)
        self._spent += time.monotonic() - start

    def _draw(
        self, source: Any, index: int, predictions: Predictions, oks: Mapping[int, float]
    ) -> tuple[Picture, str, str]:
        """The picture, a part of its file name, and its caption."""
        image, record = source.read(index)
        score = oks.get(record.image_id)
        measured = "" if score is None else f"OKS {score:.2f}"
        return (
            comparison(image, record, predictions, source.skeleton, measured),
            f"image_{record.image_id}" + ("" if score is None else f"_OKS_{score:.2f}"),
            f"image {record.image_id} {record.file} {measured}".replace("  ", " ").strip(),
        )

    def _save(self, kind: str, pictures: Sequence[Picture], names: Sequence[str]) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for old in self.folder.glob(f"{kind}_*.jpg"):
                old.unlink()
            for number, (picture, name) in enumerate(zip(pictures, names, strict=True), 1):
                encoded = cv2.imencode(".jpg", picture[..., ::-1], (cv2.IMWRITE_JPEG_QUALITY, 92))[1]
                (self.folder / f"{kind}_{number:02d}_{name}.jpg").write_bytes(encoded.tobytes())
        except OSError as error:
            log.warning("pictures were not written to %s: %s", self.folder, error.strerror or error)

    @staticmethod
    def _log(trainer: pl.Trainer, kind: str, pictures: list[Picture], captions: list[str], training: bool) -> None:
        epoch = position.finished(trainer) + training
        for logger in trainer.loggers:
            if hasattr(logger, "log_pictures"):
                logger.log_pictures(f"pictures/{kind}", pictures, captions, epoch, max(trainer.global_step - 1, 0))


def spread(length: int, count: int) -> list[int]:
    """At most ``count`` of the indices below ``length``, evenly spread from the first to the last."""
    return sorted({round(i) for i in np.linspace(0, length - 1, min(count, length))}) if length else []


def extremes(oks: Mapping[int, float], count: int) -> tuple[list[int], list[int]]:
    """Image ids with the lowest OKS, worst first, and with the highest, best first; no image is in both."""
    ordered = sorted(oks, key=lambda image: (oks[image], image))
    worst = ordered[: min(count, (len(ordered) + 1) // 2)]
    return worst, ordered[::-1][: min(count, len(ordered) - len(worst))]


def comparison(
    image: Picture, record: Record, predictions: Predictions, skeleton: Skeleton, caption: str = ""
) -> Picture:
    """Truth beside prediction on one picture (uint8 RGB), in source pixels.

    Predictions with a score of at least ``SURE`` are drawn; where these are fewer than the people labelled, the
    best-scored ones up to that number.
    """
    truth = people_of_record(record)
    rows = np.flatnonzero(predictions.image_ids == record.image_id)
    rows = rows[np.argsort(-predictions.scores[rows], kind="stable")]
    labelled = int((truth.visibility > 0).any(1).sum())
    rows = rows[: max(int((predictions.scores[rows] >= SURE).sum()), labelled)][::-1]  # the surest on top
    found = People(
        predictions.keypoints[rows] + HALF_PIXEL,
        predictions.keypoint_scores[rows],
        predictions.boxes[rows],
        tuple(f"{score:.2f}" for score in predictions.scores[rows]),
    )
    return side_by_side(image, truth, found, skeleton, caption)
