"""Made-up annotations and results of any size, as the contents of COCO files."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Of the figure in the unit box that all people are varied from.
_LAYOUT_SEED = 17


def make_case(
    images: int = 5000,
    people: int = 11000,
    detections: int = 20,
    keypoints: int = 17,
    unlabelled: float = 0.42,
    crowds: float = 0.02,
    seed: int = 0,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Annotations and results with the statistics of COCO's val2017: many empty pictures, a few full ones.

    Args:
        people: annotations in all; ``unlabelled`` of them have no keypoints, ``crowds`` are crowds.
        detections: results of each image, around its people with all degrees of error, or anywhere.
    """
    rng = np.random.default_rng(seed)
    peopled = rng.permutation(images)[: max(1, int(0.54 * images))]
    image = peopled[(len(peopled) * rng.random(people) ** 1.7).astype(int)]
    layout = np.random.default_rng(_LAYOUT_SEED).random((keypoints, 2))
    size = np.exp(rng.normal(4.3, 0.9, people))[:, None] * np.array([0.6, 1.4])
    corner = rng.random((people, 2)) * 400
    points = corner[:, None] + size[:, None] * np.clip(layout + rng.normal(0, 0.08, (people, keypoints, 2)), 0, 1)
    annotations = _annotations(rng, image, corner, size, np.round(points), unlabelled, crowds)
    where = np.repeat(np.arange(images), detections)
    results = _results(rng, where, image, size, points, layout)
    pictures = [{"id": i + 1, "file_name": f"{i + 1:012d}.jpg", "height": 480, "width": 640} for i in range(images)]
    kind = {"id": 1, "name": "person", "keypoints": [f"point_{i}" for i in range(keypoints)], "skeleton": []}
    return {"images": pictures, "annotations": annotations, "categories": [kind]}, results


def _annotations(
    rng: np.random.Generator,
    image: NDArray[np.int64],
    corner: NDArray[np.float64],
    size: NDArray[np.float64],
    points: NDArray[np.float64],
    unlabelled: float,
    crowds: float,
) -> list[dict[str, Any]]:
    count, keypoints = points.shape[:2]
    visible = rng.choice(3, (count, keypoints, 1), p=(0.3, 0.1, 0.6))
    visible[rng.random(count) < unlabelled] = 0
    triples = np.concatenate([points * (visible > 0), visible], 2).reshape(count, -1).astype(int)
    return [
        {
            "id": i + 1,
            "image_id": int(image[i]) + 1,
            "category_id": 1,
            "keypoints": triples[i].tolist(),
            "num_keypoints": int((visible[i] > 0).sum()),
            "bbox": [*corner[i].round(2).tolist(), *size[i].round(2).tolist()],
            "area": round(float(size[i].prod() * rng.uniform(0.4, 0.8)), 2),
            "iscrowd": int(rng.random() < crowds),
        }
        for i in range(count)
    ]


def _results(
    rng: np.random.Generator,
    where: NDArray[np.int64],
    image: NDArray[np.int64],
    size: NDArray[np.float64],
    points: NDArray[np.float64],
    layout: NDArray[np.float64],
) -> list[dict[str, Any]]:
    """Results of the images ``where``: most around one of the image's people, the rest anywhere."""
    order = np.argsort(image, kind="stable")
    first, end = (np.searchsorted(image[order], where, side=side) for side in ("left", "right"))
    around = (end > first) & (rng.random(len(where)) < 0.6)
    person = order[np.minimum(first + rng.integers(0, np.maximum(end - first, 1)), len(order) - 1)]
    error = np.where(around, rng.choice([0.02, 0.05, 0.1, 0.3], len(where)), 1.0)
    own = np.exp(rng.normal(4.3, 0.9, len(where)))[:, None] * np.array([0.6, 1.4])
    anywhere = rng.random((len(where), 1, 2)) * 400 + own[:, None] * layout
    base = np.where(around[:, None, None], points[person], anywhere)
    scale = np.where(around[:, None], size[person], own) * error[:, None] * np.where(around, 1.0, 0.05)[:, None]
    found = np.round(base + scale[:, None] * rng.normal(size=base.shape), 2)
    score = np.round(np.clip(rng.normal(0.8 - error * 0.6, 0.15), 0.01, 1), 3)
    triples = np.concatenate([found, np.broadcast_to(score[:, None, None], (*found.shape[:2], 1))], 2)
    flat = triples.reshape(len(where), -1).tolist()
    return [
        {"image_id": int(i) + 1, "category_id": 1, "keypoints": k, "score": s}
        for i, k, s in zip(where, flat, score.tolist(), strict=True)
    ]
