"""Official annotations with made-up predictions, at the size of COCO's validation set."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from armature.evaluation import oks, verify
from armature.evaluation.results import Predictions, Truth

ROOT = Path(os.environ.get("ARMATURE_DATA") or Path(__file__).parents[3] / "shared" / "data")
FILES = {
    "val2017": "coco_val2017/person_keypoints_val2017_rebuilt.json",
    "coco_mini": "coco_mini/annotations/person_keypoints_val.json",
    "lsp": "lspe/val.json",
    "faces": "helen/test.json",
}


def disturbed(truth: Truth, seed: int) -> list[dict[str, Any]]:
    """Three results for each labelled person, with errors in proportion to its size, and scores with ties."""
    rng = np.random.default_rng(seed)
    people = np.repeat(np.flatnonzero(truth.labelled > 0), 3)
    spread = np.sqrt(truth.areas[people]) * rng.choice([0.02, 0.06, 0.2], len(people))
    points = truth.keypoints[people] + spread[:, None, None] * rng.normal(size=(len(people), len(truth.names), 2))
    triples = np.concatenate([points, np.ones_like(points[:, :, :1])], 2).reshape(len(people), -1).tolist()
    scores = rng.random(len(people)).round(2).tolist()
    ids = truth.image_ids[truth.image[people]].tolist()
    return [
        {"image_id": i, "category_id": truth.category, "keypoints": k, "score": s}
        for i, k, s in zip(ids, triples, scores, strict=True)
    ]


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize("name", FILES)
def test_real_annotations_are_judged_as_by_pycocotools(name: str) -> None:
    file = ROOT / FILES[name]
    if not file.exists():
        pytest.skip(f"{file} is not there; set ARMATURE_DATA to the folder of the data sets")
    truth = Truth.from_coco(file)
    predictions = Predictions.from_coco(disturbed(truth, 0), truth)
    sigmas = np.random.default_rng(1).uniform(0.025, 0.107, len(truth.names))
    ours = oks.evaluate(truth, predictions, sigmas)
    reference = verify.reference(truth, predictions, sigmas)
    assert verify.Differences(ours, reference).largest < 1e-12
    assert 0.05 < ours["AP"] < 0.95
