"""What evaluation reads: people annotated and people predicted, as flat arrays in COCO's own numbers.

Here, and only from here on, keypoints are pixel indices as in COCO's files (the middle of the first pixel is 0),
so that every figure can be checked with other tools. Boxes of truth are xywh, as in COCO's files.

Letters in shapes: I images, G people annotated, D people predicted, K keypoints.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from armature.errors import DataError, UserError
from armature.evaluation import coco_json

if TYPE_CHECKING:
    from armature.structures import Poses, Record, Skeleton

#: Where a pixel's middle lies in continuous coordinates; COCO's files call that place 0.
HALF_PIXEL = 0.5
#: Source of a person's area, as a factor of its box; "annotation" keeps the file's ``area``.
AREA_SOURCES = {"annotation": None, "box": 1.0, "box*0.53": 0.53}


@dataclass(frozen=True)
class Truth:
    """The annotated people of a data set, grouped by image.

    Attributes:
        image_ids: (I,) ascending, no id twice.
        files: I picture names, "" where unknown. sizes: (I, 2) H, W; 0 where unknown.
        image: (G,) index into ``image_ids``, ascending.
        keypoints: (G, K, 2) xy, pixel indices. visibility: (G, K) in {0, 1, 2}.
        labelled: (G,) what the file calls ``num_keypoints``; 0 makes a person ignored.
        boxes: (G, 4) xywh. areas: (G,) px^2, NaN where the file has none. crowd: (G,) bool. ids: (G,) annotation ids.
        names: K keypoint names. category: COCO's category id. category_name: its name.
        area_source: where ``areas`` come from, a key of ``AREA_SOURCES``.
        crowd_index: (I,) what the file calls ``crowdIndex`` (CrowdPose), NaN where an image has none; None without any.
        head_boxes: (G, 4) xyxy of the field ``head_box`` (x1, y1, x2, y2 as in MPII), NaN where a person has none; None
            without any.
    """

    image_ids: NDArray[np.int64]
    files: tuple[str, ...]
    sizes: NDArray[np.int64]
    image: NDArray[np.int64]
    keypoints: NDArray[np.float64]
    visibility: NDArray[np.int64]
    labelled: NDArray[np.int64]
    boxes: NDArray[np.float64]
    areas: NDArray[np.float64]
    crowd: NDArray[np.bool_]
    ids: NDArray[np.int64]
    names: tuple[str, ...]
    category: int = 1
    category_name: str = "object"
    area_source: str = "annotation"
    crowd_index: NDArray[np.float64] | None = None
    head_boxes: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        """G, the number of people annotated, ignored ones included."""
        return len(self.ids)

    @property
    def ignored(self) -> NDArray[np.bool_]:
        """(G,) True for crowds and for people without keypoints, which are neither hits nor misses."""
        return self.crowd | (self.labelled == 0)

    def with_areas(self, source: str) -> Truth:
        """The same people with areas from the annotation, from the box, or from 0.53 x the box.

        Raises:
            UserError: an unknown source.
        """
        if source not in AREA_SOURCES:
            raise UserError(f"area source '{source}' is unknown; known: {', '.join(AREA_SOURCES)}")
        factor = AREA_SOURCES[source]
        if factor is None:
            return self
        return replace(self, areas=self.boxes[:, 2] * self.boxes[:, 3] * factor, area_source=source)

    @classmethod
    def from_records(cls, records: Sequence[Record], skeleton: Skeleton) -> Truth:
        """Truth of a data set's records; their continuous keypoints become pixel indices (-0.5).

        Raises:
            DataError: an image id that comes twice, or a keypoint count that is not the skeleton's.
        """
        records = sorted(records, key=lambda record: record.image_id)
        image_ids = np.array([record.image_id for record in records], np.int64)
        coco_json.check_unique(image_ids, "records", "image_id")
        for record in records:
            if record.keypoints.shape[1:] != (skeleton.count, 2):
                raise DataError(
                    f"{record.file or f'image {record.image_id}'}: keypoints have shape {record.keypoints.shape}, "
                    f"skeleton '{skeleton.name}' has {skeleton.count} keypoints"
                )
        visibility = _join([r.visibility for r in records], np.int64, skeleton.count)
        corners = _join([r.boxes for r in records], np.float64, 4)
        return cls(
            image_ids=image_ids,
            files=tuple(record.file for record in records),
            sizes=np.array([record.size for record in records], np.int64).reshape(-1, 2),
            image=np.repeat(np.arange(len(records)), [len(r.areas) for r in records]),
            keypoints=_join([r.keypoints for r in records], np.float64, skeleton.count, 2) - HALF_PIXEL,
            visibility=visibility,
            labelled=(visibility > 0).sum(1),
            boxes=np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], 1),
            areas=_join([r.areas for r in records], np.float64),
            crowd=_join([r.crowd for r in records], np.bool_),
            ids=_join([r.annotation_ids for r in records], np.int64),
            names=skeleton.keypoints,
            category_name=skeleton.name,
        )

    @classmethod
    @coco_json.collector_paused()
    def from_coco(cls, source: str | Path | Mapping[str, Any], category: int | str | None = None) -> Truth:
        """Truth of a COCO annotation file (or of its contents), its numbers exactly as they are.

        Args:
            category: id or name; None takes the one category that names keypoints.

        Raises:
            DataError: names the file and the field: not JSON, NaN, ids twice, annotations without image, wrong lengths.
        """
        data, where = coco_json.read(source, dict)
        images = coco_json.rows(data, "images", where)
        kind = coco_json.choose_category(data, category, where)
        people = [a for a in coco_json.rows(data, "annotations", where) if a.get("category_id") == kind.id]
        people_at = f"{where}: annotations"
        count = len(kind.names) or coco_json.count_keypoints(people, people_at)
        unsorted = coco_json.integers(images, "id", f"{where}: images")
        coco_json.check_unique(unsorted, f"{where}: images", "id")
        order = np.argsort(unsorted)
        image_ids = unsorted[order]
        image = coco_json.find_images(image_ids, coco_json.integers(people, "image_id", people_at), people_at)
        by_image = np.argsort(image, kind="stable")
        people, ids = [people[i] for i in by_image], coco_json.integers(people, "id", people_at)[by_image]
        coco_json.check_unique(ids, people_at, "id")
        points = coco_json.table(people, "keypoints", people_at, 3 * count).reshape(-1, count, 3)
        visibility = points[:, :, 2].astype(np.int64)
        return cls(
            image_ids=image_ids,
            files=tuple(str(images[i].get("file_name", "")) for i in order),
            sizes=np.array([(images[i].get("height", 0), images[i].get("width", 0)) for i in order]).reshape(-1, 2),
            image=image[by_image],
            keypoints=np.ascontiguousarray(points[:, :, :2]),
            visibility=visibility,
            labelled=_labelled(people, visibility),
            boxes=coco_json.table(people, "bbox", people_at, 4),
            areas=_areas(people, people_at),
            crowd=np.array([bool(a.get("iscrowd", 0)) for a in people], bool),
            ids=ids,
            names=kind.names or tuple(f"keypoint_{i}" for i in range(count)),
            category=kind.id,
            category_name=kind.name,
            crowd_index=_optional([images[i] for i in order], "crowdIndex", f"{where}: images"),
            head_boxes=_optional(people, "head_box", people_at, 4),
        )

    def to_coco(self) -> dict[str, Any]:
        """The same people as the contents of a COCO annotation file, without polygons."""
        points = np.concatenate([self.keypoints, self.visibility[:, :, None]], 2)
        columns: dict[str, list[Any]] = {
            "id": self.ids.tolist(),
            "image_id": self.image_ids[self.image].tolist(),
            "bbox": self.boxes.tolist(),
            "iscrowd": self.crowd.astype(int).tolist(),
            "num_keypoints": self.labelled.tolist(),
            "keypoints": points.reshape(len(self), 3 * len(self.names)).tolist(),
        }
        people = [
            dict(zip(columns, row, strict=True), category_id=self.category)
            for row in zip(*columns.values(), strict=True)
        ]
        images = [
            {"id": i, "file_name": file, "height": h, "width": w}
            for i, file, (h, w) in zip(self.image_ids.tolist(), self.files, self.sizes.tolist(), strict=True)
        ]
        optional = ((people, "area", self.areas), (people, "head_box", self.head_boxes))
        for rows, field, values in (*optional, (images, "crowdIndex", self.crowd_index)):
            if values is not None:
                _write_known(rows, field, values)
        kind = {"id": self.category, "name": self.category_name, "keypoints": list(self.names)}
        return {"images": images, "annotations": people, "categories": [kind]}


@dataclass(frozen=True)
class Predictions:
    """The people predicted for a data set, in any order.

    Attributes:
        image_ids: (D,) COCO image ids.
        keypoints: (D, K, 2) xy, pixel indices. keypoint_scores: (D, K). scores: (D,).
        boxes: (D, 4) xyxy, continuous, as everywhere else in this project.
        areas: (D,) px^2, which decide whether an unmatched prediction counts as medium or large.
        area_source: "keypoints" (their extent) or "bbox", by COCO's rule; see ``from_coco``.
    """

    image_ids: NDArray[np.int64]
    keypoints: NDArray[np.float64]
    keypoint_scores: NDArray[np.float64]
    scores: NDArray[np.float64]
    boxes: NDArray[np.float64]
    areas: NDArray[np.float64]
    area_source: str = "keypoints"

    def __len__(self) -> int:
        """D, the number of people predicted."""
        return len(self.scores)

    @classmethod
    def from_arrays(cls, image_ids: Any, keypoints: Any, keypoint_scores: Any, scores: Any, boxes: Any) -> Predictions:
        """Predictions of flat arrays or tensors in continuous source pixels, as a network's decoder gives them.

        Positions are kept to 0.001 px, so that a saved file is small and gives the very numbers of the run.

        Raises:
            DataError: NaN or infinity; names the image.
        """
        ids = _array(image_ids).astype(np.int64)
        points, scores = np.round(_array(keypoints) - HALF_PIXEL, 3), _array(scores)
        bad = ~(np.isfinite(points).all((1, 2)) & np.isfinite(scores)) if len(ids) else np.zeros(0, bool)
        if bad.any():
            raise DataError(
                f"image {ids[bad][0]}: {int(bad.sum())} predictions with NaN or infinite keypoints or scores; "
                "has the training diverged?"
            )
        point_scores, corners = np.round(_array(keypoint_scores), 5), np.round(_array(boxes), 3)
        return cls(ids, points, point_scores, scores, corners, _area(_corners(points)))

    @classmethod
    def from_poses(cls, poses: Sequence[Poses], image_ids: Sequence[int] | NDArray[np.int64]) -> Predictions:
        """Predictions of one ``Poses`` per image, in source pixels.

        Raises:
            DataError: NaN or infinity; names the image.
        """
        ids = np.repeat(np.asarray(image_ids, np.int64), [len(p) for p in poses])
        fields = ("keypoints", "keypoint_scores", "scores", "boxes")
        if not poses:
            raise UserError("predictions of no image at all: at least one Poses is needed to know the keypoints")
        return cls.from_arrays(ids, *(np.concatenate([_array(getattr(p, f)) for p in poses]) for f in fields))

    @classmethod
    @coco_json.collector_paused()
    def from_coco(cls, source: str | Path | Sequence[Mapping[str, Any]], truth: Truth) -> Predictions:
        """Predictions of a COCO results file (or of its contents), its numbers exactly as they are.

        Areas follow pycocotools' ``loadRes``: from ``bbox`` if the first result has one, else the keypoints' extent.
        ``box`` (xyxy, written by ``to_coco``) is the predicted box, and plays no part in that.

        Raises:
            DataError: names the file and the field: not JSON, NaN, wrong keypoint count, unknown image, other category.
        """
        results, where = coco_json.read(source, list)
        count = len(truth.names)
        ids = coco_json.integers(results, "image_id", where)
        coco_json.find_images(truth.image_ids, ids, where)
        _check_category(results, truth, where)
        points = coco_json.table(results, "keypoints", where, 3 * count).reshape(-1, count, 3)
        keypoints = np.ascontiguousarray(points[:, :, :2])
        by_box = bool(results) and "bbox" in results[0] and results[0]["bbox"] != []
        boxes = coco_json.table(results, "bbox", where, 4) if by_box else np.zeros((len(results), 4))
        corners = _corners(keypoints)
        areas = boxes[:, 2] * boxes[:, 3] if by_box else _area(corners)
        return cls(
            image_ids=ids,
            keypoints=keypoints,
            keypoint_scores=points[:, :, 2],
            scores=coco_json.table(results, "score", where),
            boxes=_boxes(results, where, corners, boxes if by_box else None),
            areas=areas,
            area_source="bbox" if by_box else "keypoints",
        )

    def to_coco(self, category: int = 1) -> list[dict[str, Any]]:
        """The same people as the contents of a COCO results file.

        The predicted box is written as ``box`` (xyxy). It is written as ``bbox`` (xywh) only where areas come from it:
        pycocotools takes areas from ``bbox`` wherever there is one, and would give other figures for APm and APl.
        """
        points = np.concatenate([self.keypoints, self.keypoint_scores[:, :, None]], 2)
        columns: dict[str, list[Any]] = {
            "image_id": self.image_ids.tolist(),
            "keypoints": points.reshape(len(self), points.shape[1] * 3).tolist(),
            "score": self.scores.tolist(),
            "box": self.boxes.tolist(),
        }
        if self.area_source == "bbox":
            columns["bbox"] = np.concatenate([self.boxes[:, :2], self.boxes[:, 2:] - self.boxes[:, :2]], 1).tolist()
        rows = zip(*columns.values(), strict=True)
        return [{"category_id": category, **dict(zip(columns, row, strict=True))} for row in rows]

    def save(self, path: str | Path, category: int = 1) -> None:
        """Writes a COCO results file; a half-written file never takes the name."""
        coco_json.write(path, self.to_coco(category))


def _array(value: Any) -> NDArray[np.float64]:
    """float64 on the host, of an array or of a tensor on any device."""
    return np.asarray(value.detach().cpu() if hasattr(value, "detach") else value).astype(np.float64)


def _join(parts: list[Any], dtype: Any, *shape: int) -> NDArray[Any]:
    return np.concatenate([np.zeros((0, *shape), dtype), *parts]).astype(dtype, copy=False)


def _corners(keypoints: NDArray[np.float64]) -> NDArray[np.float64]:
    """(D, 4) xyxy of the smallest upright box around each prediction's keypoints."""
    points = np.ascontiguousarray(keypoints.transpose(1, 2, 0))  # numpy is slow along an axis of two
    low, high = points.min(0, initial=np.inf), points.max(0, initial=-np.inf)
    return np.ascontiguousarray(np.concatenate([low, high]).T)


def _area(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    return (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])


def _areas(people: Sequence[Mapping[str, Any]], where: str) -> NDArray[np.float64]:
    """(G,) the file's ``area``; NaN for those without, who can only be judged with areas from their boxes."""
    areas = _optional(people, "area", where)
    return np.full(len(people), np.nan) if areas is None else areas


def _optional(
    rows: Sequence[Mapping[str, Any]], field: str, where: str, width: int | None = None
) -> NDArray[np.float64] | None:
    """(N,) or (N, width) of a field that rows may lack, NaN for those that do; None where none has it."""
    having = [i for i, row in enumerate(rows) if field in row]
    if len(having) == len(rows):
        return coco_json.table(rows, field, where, width) if rows else None
    values = np.full((len(rows), width) if width else len(rows), np.nan)
    values[having] = coco_json.table([rows[i] for i in having], field, where, width)
    return values if having else None


def _write_known(rows: Sequence[dict[str, Any]], field: str, values: NDArray[np.float64]) -> None:
    """Puts each row's value into it, but for rows whose value is NaN."""
    known = ~np.isnan(values.reshape(len(rows), values.size // max(len(rows), 1))).any(1)
    listed = values.tolist()
    for i in np.flatnonzero(known).tolist():
        rows[i][field] = listed[i]


def _labelled(people: Sequence[Mapping[str, Any]], visibility: NDArray[np.int64]) -> NDArray[np.int64]:
    """(G,) the file's ``num_keypoints``, which decides who is ignored; counted where a person has none."""
    counts = (visibility > 0).sum(1).tolist()
    return np.array([row.get("num_keypoints", count) for row, count in zip(people, counts, strict=True)], np.int64)


def _boxes(
    results: Sequence[Mapping[str, Any]], where: str, corners: NDArray[np.float64], bbox: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    """(D, 4) xyxy from the first of ``box``, ``bbox`` and the keypoints' extent (``corners``) that there is."""
    if results and "box" in results[0]:
        return coco_json.table(results, "box", where, 4)
    if bbox is not None:
        return np.concatenate([bbox[:, :2], bbox[:, :2] + bbox[:, 2:]], 1)
    return corners + HALF_PIXEL


def _check_category(results: Sequence[Mapping[str, Any]], truth: Truth, where: str) -> None:
    given = coco_json.integers(results, "category_id", where)
    other = given != truth.category
    if other.any():
        raise DataError(
            f"{where}[{int(other.argmax())}].category_id is {given[other][0]}; {int(other.sum())} of {len(given)} "
            f"results are not of the category asked for, {truth.category} ('{truth.category_name}'); "
            "take them out or name the other category"
        )
