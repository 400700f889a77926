"""A trained run as the detector of a network with a second stage, from the command line."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch

from armature import cli, restoring
from armature.errors import ConfigError
from armature.run_detector import RunDetector

DATA = ["data.canvas=[64,64]", "data.batch_size=8", "data.train.length=16", "data.val.length=6", "data.workers=0"]
QUICK = [*DATA, "trainer.max_epochs=1", "trainer.threads=1", "trainer.precision=32-true", "pictures=0", "logger=csv"]
SMALL = ["backbone@model.backbone=resnet18", "model.backbone.name=test_resnet", "model.head_channels=8"]


def train(runs: Path, *overrides: str) -> Path:
    os.environ.pop("ARMATURE_RUN_ID", None)
    assert cli.main(["train", *QUICK, f"runs={runs}", *overrides]) == 0
    return next((runs / "default").iterdir())


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("detector"), *SMALL)


@pytest.mark.slow
def test_it_finds_whom_the_run_finds_best_first(run: Path) -> None:
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    module = restoring.restore(run).module
    with torch.no_grad():
        people = module.find(images)
    for kind in ("predicted", "keypoints"):
        for (boxes, scores), each in zip(RunDetector(str(run), box=kind, min_score=0.0)(images), people, strict=True):
            order = each.scores.argsort(descending=True)
            assert torch.equal(scores, each.scores[order])
            points = each.keypoints[order]
            around = torch.stack([*points.amin(1).unbind(1), *points.amax(1).unbind(1)], 1)
            torch.testing.assert_close(boxes, each.boxes[order] if kind == "predicted" else around)
    middle = float(people[0].scores.median())
    assert all(float(s.min()) >= middle for _, s in RunDetector(str(run), min_score=middle)(images) if len(s))
    with pytest.raises(ConfigError, match="known are 'predicted' and 'keypoints'"):
        RunDetector(str(run), box="middle")


@pytest.mark.slow
def test_a_second_stage_learns_where_a_run_has_found(run: Path, tmp_path: Path) -> None:
    trained = train(tmp_path, "architecture=posted_tiny", f"model.detector={run}", "model.open_detector.min_score=0.0")
    second = restoring.restore(trained).module
    assert not any("detector" in name for name in second.state_dict() if name.startswith("model."))
    images = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    boxes, scores = RunDetector(str(run), min_score=0.0)(images)[0]
    with torch.no_grad():
        outputs = second.network(images)
    most = min(len(scores), second.model.max_crops)
    torch.testing.assert_close(outputs["regions"], boxes[:most])
    torch.testing.assert_close(outputs["region_scores"], scores[:most])
    card = json.loads((trained / "metrics.json").read_text())["protocol"]
    assert "detector" in card["box_source"]
