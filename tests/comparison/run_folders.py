"""Run folders made from files alone, without training: what `compare` reads."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from armature.evaluation.results import Predictions, Truth
from armature.run_folder import RunFolder

SKELETON = {
    "_target_": "armature.skeletons.make",
    "name": "mouse",
    "keypoints": ["snout", "left_ear", "right_ear", "tail"],
    "sigmas": [0.05, 0.05, 0.05, 0.1],
}
CARD = {
    "box_source": "the network's own centres",
    "flip_test": True,
    "images": 40,
    "skeleton": "mouse",
    "sigmas": "skeleton 'mouse'",
    "area": "annotation (truth), keypoints (predictions)",
    "max_detections": 20,
}


def annotations(images: int = 40, people: int = 2, seed: int = 0) -> dict[str, Any]:
    """COCO annotations of mice, ``people`` in each image."""
    rng = np.random.default_rng(seed)
    rows = []
    for index in range(images * people):
        corner = rng.uniform(10, 200, 2)
        points = np.concatenate([corner + rng.uniform(0, 60, (4, 2)), np.full((4, 1), 2.0)], 1)
        box = [*corner.tolist(), 60.0, 60.0]
        row = {"id": index + 1, "image_id": index % images + 1, "category_id": 1, "iscrowd": 0}
        rows.append(row | {"keypoints": points.ravel().tolist(), "num_keypoints": 4, "bbox": box, "area": 2000.0})
    kinds = [{"id": 1, "name": "mouse", "keypoints": SKELETON["keypoints"]}]
    sizes = [{"id": i + 1, "file_name": f"{i}.jpg", "height": 300, "width": 300} for i in range(images)]
    return {"images": sizes, "annotations": rows, "categories": kinds}


def results(truth: dict[str, Any], noise: float, seed: int) -> list[dict[str, Any]]:
    """COCO results: everybody found, each point wrong by ``noise`` px."""
    rng = np.random.default_rng(seed)
    rows = []
    for person in truth["annotations"]:
        points = np.array(person["keypoints"]).reshape(4, 3)
        points[:, :2] += rng.normal(0, noise, (4, 2))
        points[:, 2] = 0.9
        row = {"image_id": person["image_id"], "category_id": 1, "score": float(rng.uniform(0.3, 1))}
        rows.append(row | {"keypoints": points.ravel().tolist()})
    return rows


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """``make_run("a/1", noise=2.0, seed=1)`` writes a finished run folder and returns it."""

    def make(
        name: str,
        noise: float = 2.0,
        seed: int = 1,
        truth: dict[str, Any] | None = None,
        card: dict[str, Any] | None = None,
        config: dict[str, Any] | None = None,
        overrides: list[str] | None = None,
    ) -> Path:
        truth = truth or annotations()
        folder = RunFolder(tmp_path / "runs" / name)
        folder.path.mkdir(parents=True)
        resolved = {"skeleton": SKELETON, "name": name.split("/")[0], "seed": seed, "monitor": "val/AP"}
        folder.config.write_text(yaml.safe_dump(resolved | (config or {}), sort_keys=False))
        known = Truth.from_coco(truth)
        predictions = Predictions.from_coco(results(truth, noise, seed), known)
        predictions.save(folder.predictions)
        folder.truth.write_text(json.dumps(truth))
        folder.metrics.write_text(json.dumps({"metrics": {}, "protocol": CARD | (card or {})}))
        said = {"overrides": overrides or [], "command": f"armature train {name}", "code": {"commit": "0" * 40}}
        folder.provenance.write_text(json.dumps(said))
        rows = "".join(f"{epoch},{60 * epoch},{0.1 * epoch}\n" for epoch in (1, 2, 3))
        folder.history.write_text("epoch,seconds,val/AP\n" + rows)
        return folder.path

    return make
