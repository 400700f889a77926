"""The error taxonomy while training: the same numbers as at the end, at every k-th validation."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))

from test_pictures import SKELETON, found, record

from armature.callbacks.diagnosing import Diagnosing
from armature.errors import ConfigError
from armature.evaluation.metric import KeypointMetric
from armature.structures import Poses

KINDS = ("good", "jitter", "inversion", "swap", "miss", "false_negative", "score", "background", "duplicate")
FIXES = ("miss", "swap", "inversion", "jitter", "background", "score", "false_negative", "imprecision")


class Logger:
    def __init__(self):
        self.calls = []

    def log_metrics(self, row, step):
        self.calls.append((step, row))


def mirrored(poses):
    return Poses(poses.keypoints.flip(1), poses.keypoint_scores, poses.boxes, poses.scores)


def judged():
    """Six people: three found well, one mirrored, one far off (a miss and nobody's), one without any prediction."""
    records = [record(i) for i in range(6)]
    metric = KeypointMetric(SKELETON)
    metric.bind(records)
    poses = [found(r) for r in records[:3]] + [mirrored(found(records[3])), found(records[4], shift=40.0)]
    poses.append(found(records[5], scores=()))
    metric.update(poses, torch.tensor([r.image_id for r in records]))
    metric.compute()
    return metric


def validate(callback, metric, logger, times=1, fn="fit"):
    progress = SimpleNamespace(current=SimpleNamespace(processed=4))
    trainer = SimpleNamespace(
        state=SimpleNamespace(fn=fn),
        sanity_checking=False,
        loggers=[logger],
        global_step=50,
        fit_loop=SimpleNamespace(epoch_progress=progress),
    )
    for _ in range(times):
        callback.on_validation_end(trainer, SimpleNamespace(metrics=metric))


def test_known_answers():
    logger = Logger()
    validate(Diagnosing(), judged(), logger)
    ((step, row),) = logger.calls
    assert step == 49 and row.pop("epoch") == 4, "Lightning's, from 0; loggers count from 1"
    assert set(row) == {f"val/errors/{kind}" for kind in KINDS} | {f"val/errors/AP_gain/{fix}" for fix in FIXES}
    # of the people found: three good ones with two keypoints each, and the mirrored one if it was found at all
    shares = {name: row[f"val/errors/{name}"] for name in KINDS}
    assert shares["good"] == 1.0 and shares["inversion"] == 0.0, "a mirrored pair 24 px apart is no 0.1 OKS"
    assert shares["false_negative"] == pytest.approx(3 / 6)
    assert shares["background"] == pytest.approx(2 / 5)
    # the six AP numbers are 0.5 (three of six people, best scores equal): finding the others gives the other half
    assert row["val/errors/AP_gain/false_negative"] > 0.2


def test_equal_to_the_diagnosis_at_the_end():
    from armature.evaluation.diagnosis import diagnosis

    metric, logger = judged(), Logger()
    validate(Diagnosing(keypoints=True), metric, logger)
    row = logger.calls[0][1]
    at_the_end = diagnosis(metric.judge, metric.truth, metric.predictions(), metric.verdict()).written()["errors"]
    assert "val/errors/good/left_end" in row
    for name, value in row.items():
        if name != "epoch":
            np.testing.assert_equal(value, at_the_end[name.removeprefix("val/")])
    assert not any("in_turn" in name or "AP50" in name for name in row)


def test_every_third_validation_also_over_a_resume():
    metric, logger = judged(), Logger()
    first, second = Diagnosing(every=3), Diagnosing(every=3)
    validate(first, metric, logger, times=4)
    assert len(logger.calls) == 1
    second.load_state_dict(first.state_dict())
    validate(second, metric, logger)
    assert len(logger.calls) == 1
    validate(second, metric, logger)
    assert len(logger.calls) == 2


def test_not_at_the_judgement_at_the_end():
    logger = Logger()
    validate(Diagnosing(), judged(), logger, fn="validate")
    assert logger.calls == []


def test_a_number_that_is_none():
    with pytest.raises(ConfigError, match="errors_every=0"):
        Diagnosing(every=0)


def test_the_config_key(tmp_path):
    from armature.callbacks.checkpoints import Checkpoints
    from armature.configuration import compose
    from armature.recording import recording
    from armature.run_folder import RunFolder

    def callbacks(*overrides):
        return recording(compose("train", ["logger=none", *overrides]), {}, RunFolder(tmp_path)).callbacks

    assert not any(isinstance(one, Diagnosing) for one in callbacks())
    asked = callbacks("errors_every=4")
    (own,) = [one for one in asked if isinstance(one, Diagnosing)]
    assert own.every == 4 and isinstance(asked[-1], Checkpoints), "its count goes into the checkpoint"


@pytest.mark.slow
def test_a_trained_run_logs_what_its_end_finds(tmp_path, monkeypatch):
    """One epoch, so that the best weights are those that were diagnosed; read back from W&B's offline file."""
    import json
    import os

    sys.path.insert(0, str(Path(__file__).parents[1] / "tracking"))
    from reading import only_run

    from armature import cli

    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    tiny = ["trainer=debug", "trainer.max_epochs=1", "trainer.limit_val_batches=null", "data.train.length=16"]
    tiny += ["data.val.length=8", "data.batch_size=4", "data.workers=0", "data.canvas=[64,64]", "pictures=0"]
    tiny += ["logger=wandb", "logger.wandb.mode=offline", "errors_every=1", f"runs={tmp_path}", "trainer.precision=32"]
    assert cli.main(["train", *tiny]) == 0
    (run,) = (tmp_path / "default").iterdir()
    at_the_end = json.loads((run / "metrics.json").read_text())["errors"]
    (row,) = [row for row in only_run(run).rows if "val/errors/good" in row]
    assert row["epoch"] == 1
    for name in [f"val/errors/{kind}" for kind in KINDS] + [f"val/errors/AP_gain/{fix}" for fix in FIXES]:
        logged, final = row[name], at_the_end[name.removeprefix("val/")]
        assert logged == final or (final is None and logged == "NaN"), name
