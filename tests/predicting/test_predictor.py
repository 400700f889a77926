"""What a predictor says is what evaluation judges, whatever the pictures come as."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import armature
from armature import conclusion, restoring
from armature.errors import ConfigError, DataError
from armature.evaluation.results import Predictions
from armature.predicting.folding import fold
from armature.predicting.predictor import Predictor

MakeRun = Callable[..., Path]
#: Each restores a run, which takes a second or two.
pytestmark = pytest.mark.slow
TINY = ["centernet_tiny", "openpose_tiny", "keypoint_rcnn_tiny", "posted_tiny", "yolo_pose_tiny"]


def rows(predictions: Predictions) -> list[list[float]]:
    """Image, score, keypoints, their scores and box of everybody, in an order of their own."""
    parts = zip(
        predictions.image_ids,
        predictions.scores,
        predictions.keypoints,
        predictions.keypoint_scores,
        predictions.boxes,
        strict=True,
    )
    return sorted([float(i), float(s), *k.ravel(), *ks, *b] for i, s, k, ks, b in parts)


def judged_and_predicted(run: Path, **overrides: Any) -> tuple[Predictions, Predictions]:
    """The same pictures through ``evaluate``'s way and through a predictor."""
    restored = restoring.restore(run, overrides=overrides)
    data = restored.data()
    conclusion.judge(restored.module, data, restored.trainer())
    metric: Any = restored.module.metrics
    assert data.val is not None
    found = Predictor.of_run(restored, min_score=0).predict([data.val.read(i)[0] for i in range(len(data.val))])
    return metric.predictions(), Predictions.from_poses(found, [record.image_id for record in data.val.records])


@pytest.mark.long
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize("architecture", TINY)
def test_the_answers_are_those_that_are_judged(make_run: MakeRun, architecture: str, precision: str) -> None:
    judged, predicted = judged_and_predicted(make_run(architecture), **{"trainer.precision": precision})
    assert len(judged) == len(predicted)
    # Random weights of these join no limbs, and are sure of no region.
    assert len(judged) or architecture in ("openpose_tiny", "posted_tiny")
    np.testing.assert_allclose(rows(predicted), rows(judged), rtol=0, atol=1e-6)


@pytest.mark.parametrize("overrides", [{"flip_test": True}, {"data.keep_resolution": 32}])
def test_also_mirrored_and_at_their_own_size(make_run: MakeRun, overrides: dict[str, Any]) -> None:
    judged, predicted = judged_and_predicted(make_run("centernet_tiny", "+data.keep_resolution=null"), **overrides)
    assert len(judged) == len(predicted) > 0
    np.testing.assert_allclose(rows(predicted), rows(judged), rtol=0, atol=1e-6)


def test_a_picture_is_the_same_however_it_is_given(make_run: MakeRun, tmp_path: Path) -> None:
    predictor = armature.load(make_run(), min_score=0.0)
    picture = np.random.default_rng(0).integers(0, 255, (90, 120, 3), np.uint8)
    Image.fromarray(picture).save(tmp_path / "picture.png")
    tensor = torch.from_numpy(picture).permute(2, 0, 1)
    want = predictor.predict(picture)
    assert len(want) and want.size == (90, 120)
    for given in (tmp_path / "picture.png", str(tmp_path / "picture.png"), Image.fromarray(picture), tensor):
        torch.testing.assert_close(predictor.predict(given).keypoints, want.keypoints, rtol=0, atol=0)
    torch.testing.assert_close(predictor.predict(tensor / 255).keypoints, want.keypoints, rtol=0, atol=0)
    several = predictor.predict([picture, picture[:50]])
    assert [found.size for found in several] == [(90, 120), (50, 120)]
    assert [found.size for found in predictor.predict(picture[None])] == [(90, 120)]


def test_what_is_no_picture_is_refused(make_run: MakeRun, tmp_path: Path) -> None:
    predictor = armature.load(make_run())
    with pytest.raises(DataError, match="float64"):
        predictor.predict(np.zeros((4, 4, 3)))
    with pytest.raises(DataError, match="no such file"):
        predictor.predict(tmp_path / "absent.jpg")
    with pytest.raises(ConfigError, match="precision=half"):
        armature.load(make_run(), precision="half")


def test_numbers_are_views_and_coco_results_are_pixel_indices(make_run: MakeRun) -> None:
    found = armature.load(make_run(), min_score=0.0).predict(np.zeros((64, 64, 3), np.uint8))
    arrays = found.numpy()
    assert np.shares_memory(arrays.keypoints, found.keypoints.numpy())
    assert (np.diff(arrays.scores) <= 0).all()
    row = found.to_coco(image_id=7)[0]
    assert row["image_id"] == 7 and row["keypoints"][0] == pytest.approx(arrays.keypoints[0, 0, 0] - 0.5, abs=6e-4)
    assert found.point("nose").shape == (len(found), 3)


@pytest.mark.long
@pytest.mark.parametrize("architecture", TINY)
def test_folded_networks_say_the_same_but_for_the_last_digits(make_run: MakeRun, architecture: str) -> None:
    pictures = [np.random.default_rng(i).integers(0, 255, (100, 140, 3), np.uint8) for i in range(2)]
    plain, folded = (armature.load(make_run(architecture), min_score=0.0, folded=f) for f in (False, True))
    for one, other in zip(plain.predict(pictures), folded.predict(pictures), strict=True):
        assert len(one) == len(other)
        np.testing.assert_allclose(other.scores, one.scores, atol=1e-4)


def test_what_only_looks_like_a_sequence_is_not_folded_in_silence() -> None:
    class Backwards(torch.nn.Module):
        """Normalises first."""

        def __init__(self) -> None:
            super().__init__()
            self.convolution, self.norm = torch.nn.Conv2d(3, 3, 1), torch.nn.BatchNorm2d(3)
            self.norm.running_mean += 5

        def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"map": self.convolution(self.norm(x))}

    with pytest.raises(ConfigError, match="fold=true changes the output 'map'"):
        fold(Backwards())


def test_folding_leaves_no_normalisation_behind_a_convolution() -> None:
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.ReLU())
    network[1].running_mean += 1
    network[1].running_var *= 3

    class Named(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = network

        def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"map": self.inner(x)}

    named = Named().eval()
    x = torch.rand(1, 3, 8, 8)
    want = named(x)["map"]
    assert fold(named) == 1 and not any(isinstance(m, torch.nn.BatchNorm2d) for m in named.modules())
    torch.testing.assert_close(named(x)["map"], want)
