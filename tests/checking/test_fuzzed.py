"""Whatever a COCO file holds: the check says what is wrong with it and never dies of it."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from armature.checking import page, problems, reading, running
from armature.checking.mending import mend
from checking_people import FIGURE

STRANGE: tuple[Any, ...] = (
    None,
    "",
    "x",
    -1,
    0,
    1e300,
    -1e9,
    2**70,
    True,
    [],
    {},
    [[]],
    [1, "x"],
    {"id": 1},
    "../x.jpg",
)


def content(count: int = 30) -> dict[str, Any]:
    """People of COCO's seventeen points, one a picture."""
    names = [f"k{i}" for i in range(15)] + ["left_x", "right_x"]
    images, people = [], []
    for i in range(1, count + 1):
        images.append({"id": i, "file_name": f"{i}.jpg", "width": 64, "height": 48})
        points = np.concatenate([FIGURE * [20, 30] + 8, np.full((17, 1), 2)], 1)
        fields = {"id": i, "image_id": i, "category_id": 1, "bbox": [8, 8, 20, 30], "area": 300.5, "iscrowd": 0}
        people.append({**fields, "num_keypoints": 17, "keypoints": points.ravel().tolist()})
    return {"images": images, "annotations": people, "categories": [{"id": 1, "name": "p", "keypoints": names}]}


def strange(content: dict[str, Any], rng: np.random.Generator) -> None:
    """Puts something in a random place of the file."""
    node: Any = content
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        key = keys[rng.integers(len(keys))]
        deeper = isinstance(node[key], (dict, list)) and len(node[key])
        if not deeper or (node is not content and rng.random() < 0.3):
            node[key] = copy.deepcopy(STRANGE[rng.integers(len(STRANGE))])
            return
        node = node[key]


@pytest.mark.long
@pytest.mark.parametrize("seed", [*range(12), *(pytest.param(n, marks=pytest.mark.slow) for n in range(12, 200))])
def test_nothing_in_a_file_stops_the_check(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    made = content()
    for _ in range(1 + seed % 5):
        strange(made, rng)
    (tmp_path / "images").mkdir()
    for i in range(1, 4):
        cv2.imwrite(str(tmp_path / f"images/{i}.jpg"), rng.integers(0, 255, (48, 64, 3), dtype=np.uint8))
    file = tmp_path / "labels.json"
    file.write_text(json.dumps(made))
    source = {
        "_target_": "armature.data.coco.CocoKeypoints",
        "annotations": str(file),
        "images": str(file.parent / "images"),
    }
    data = {"_target_": "armature.data.datamodule.KeypointData", "train": source}
    subject = reading.read(data, None)
    outcome = running.run(subject)
    assert outcome.findings  # at least the pictures that are not there
    mend(subject)
    problems.write(outcome.findings, tmp_path / "problems.csv")
    assert "</html>" in page.render(subject, outcome.findings, {}, 1, 3)
