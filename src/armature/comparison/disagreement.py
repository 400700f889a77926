"""Pictures on which two systems disagree most: the truth, and what each of the two found."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from armature.comparison.contenders import Contender
from armature.errors import UserError
from armature.evaluation.results import HALF_PIXEL, Predictions
from armature.reports.overlays import SURE, People, contact_sheet, draw_people, headed, people_of_record
from armature.structures import Record, Skeleton

Picture = NDArray[np.uint8]


def most_unlike(first: Mapping[int, float], second: Mapping[int, float], count: int) -> list[tuple[int, float]]:
    """Image ids with the largest differences of mean OKS (first minus second), in turn to the gain of either one.

    Half of them are the images on which the first is better, the largest difference first, half the other way round,
    as far as there are any.
    """
    gaps = {image: first[image] - second[image] for image in first.keys() & second.keys()}
    ahead = sorted((i for i in gaps if gaps[i] > 0), key=lambda i: (-gaps[i], i))
    behind = sorted((i for i in gaps if gaps[i] < 0), key=lambda i: (gaps[i], i))
    short = min(len(behind), count // 2)
    chosen = ahead[: count - short] + behind[: count - min(len(ahead), count - short)]
    return sorted(((i, gaps[i]) for i in chosen), key=lambda pair: (-abs(pair[1]), pair[0]))


def pictures(
    contenders: tuple[Contender, Contender], names: tuple[str, str], chosen: list[tuple[int, float]]
) -> tuple[list[tuple[str, Picture]], str]:
    """(caption, picture) of each chosen image, and a remark where there is no picture to draw on.

    Args:
        names: of the two, above their panels. chosen: image id and difference of mean OKS.
    """
    source = _source(contenders)
    if isinstance(source, str):
        return [], source
    skeleton = contenders[0].skeleton
    places = {record.image_id: index for index, record in enumerate(source.records)}
    drawn = []
    for image_id, gap in chosen:
        if image_id not in places:
            continue
        image, record = source.read(places[image_id])
        panels = [headed(draw_people(image, people_of_record(record), skeleton), "truth")]
        panels += [
            _panel(image, record, c.predictions, skeleton, name) for c, name in zip(contenders, names, strict=True)
        ]
        drawn.append((f"image {image_id} {record.file}: OKS {gap:+.2f}", contact_sheet(panels, columns=3)))
    return drawn, ""


def _source(contenders: tuple[Contender, ...]):  # type: ignore[no-untyped-def]
    """The validation pictures of the first run whose data can be read, else the reason why there is none."""
    reason = "No pictures: bare results files name no pictures."
    for contender in contenders:
        if not contender.config.get("data"):
            continue
        from omegaconf import OmegaConf

        from armature import assembly  # imports torch, for pictures only

        try:
            return assembly.data(OmegaConf.create(contender.config)).val
        except (UserError, OSError) as error:
            reason = f"No pictures: the data of {contender.name} cannot be read ({error})."
    return reason


def _panel(image: Picture, record: Record, predictions: Predictions, skeleton: Skeleton, name: str) -> Picture:
    """What one system found, as many people as are labelled and all that it is sure of."""
    rows = np.flatnonzero(predictions.image_ids == record.image_id)
    rows = rows[np.argsort(-predictions.scores[rows], kind="stable")]
    labelled = int((record.visibility > 0).any(1).sum())
    rows = rows[: max(int((predictions.scores[rows] >= SURE).sum()), labelled)][::-1]
    people = People(
        predictions.keypoints[rows] + HALF_PIXEL,
        predictions.keypoint_scores[rows],
        predictions.boxes[rows],
        tuple(f"{score:.2f}" for score in predictions.scores[rows]),
    )
    return headed(draw_people(image, people, skeleton), name)
