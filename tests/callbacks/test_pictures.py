"""Which pictures are drawn, and that predictions are drawn where they are."""

import sys
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))

from tiny_run import Data, fit, fresh

from armature.callbacks import pictures
from armature.callbacks.pictures import Pictures, comparison, extremes, spread
from armature.evaluation.metric import KeypointMetric
from armature.evaluation.results import Predictions
from armature.skeletons import make
from armature.structures import Poses, Record

SKELETON = make("pair", ["left_end", "right_end"], [["left_end", "right_end"]], sigmas=[0.1, 0.1])


def record(number, people=1):
    points = np.tile(np.array([[20.0, 30.0], [44.0, 30.0]]), (people, 1, 1)) + 8.0 * np.arange(people)[:, None, None]
    low = points.min(1) - 4
    return Record(
        image_id=100 + number,
        file=f"{number}.jpg",
        size=(64, 64),
        keypoints=points,
        visibility=np.full((people, 2), 2),
        boxes=np.concatenate([low, points.max(1) + 4], 1),
        areas=np.full(people, 300.0),
        crowd=np.zeros(people, bool),
        annotation_ids=np.arange(people) + 10 * number + 1,
    )


class Few:
    """Six grey pictures with a person each."""

    skeleton = SKELETON

    def __init__(self):
        self.records = [record(i) for i in range(6)]

    def __len__(self):
        return len(self.records)

    def read(self, index, epoch=0):
        return np.full((64, 64, 3), 90, np.uint8), self.records[index]


def found(record, shift=0.0, scores=(0.9,)):
    """People where the labels are, moved by ``shift`` px."""
    count = len(scores)
    points = torch.tensor(record.keypoints[0], dtype=torch.float32).expand(count, 2, 2) + shift
    boxes = torch.tensor(record.boxes[0], dtype=torch.float32).expand(count, 4)
    return Poses(points, torch.full((count, 2), 0.9), boxes, torch.tensor(scores))


class Logger:
    def __init__(self):
        self.calls = []

    def log_pictures(self, *args):
        self.calls.append(args)


def run(tmp_path, fn="fit", count=3, share=1e9):
    """One ``on_validation_end`` in which image i was missed by 3 i px; what the logger got."""
    source, metric = Few(), KeypointMetric(SKELETON)
    metric.bind(source.records)
    metric.update([found(r, 3.0 * i) for i, r in enumerate(source.records)], torch.arange(6) + 100)
    metric.compute()
    progress = SimpleNamespace(epoch_progress=SimpleNamespace(current=SimpleNamespace(processed=4)))
    trainer = SimpleNamespace(
        datamodule=SimpleNamespace(val=source),
        state=SimpleNamespace(fn=fn),
        sanity_checking=False,
        loggers=[logger := Logger()],
        global_step=40,
        fit_loop=progress,
    )
    drawing = Pictures(tmp_path / "pictures", count, 2, share)
    for _ in range(2 if share < 1 else 1):
        drawing.on_validation_end(trainer, SimpleNamespace(metrics=metric))
    return logger.calls


def names(tmp_path):
    return sorted(path.name for path in (tmp_path / "pictures").iterdir())


def test_during_training_the_same_images_every_time(tmp_path):
    ((key, drawn, captions, epoch, step),) = run(tmp_path)
    assert (key, epoch, step, len(drawn)) == ("pictures/sample", 5, 39, 3)
    assert captions[0] == "image 100 0.jpg OKS 1.00" and captions[-1].startswith("image 105 5.jpg OKS 0.")
    first = names(tmp_path)
    assert [name[:19] for name in first] == ["sample_01_image_100", "sample_02_image_102", "sample_03_image_105"]
    run(tmp_path)
    assert names(tmp_path) == first, "the ones from before are replaced"
    saved = cv2.imread(str(tmp_path / "pictures" / first[0]))[..., ::-1]
    assert np.abs(saved.astype(int) - drawn[0]).mean() < 2, "the same picture, its colours in the same order"


def test_at_the_end_also_the_worst_and_the_best(tmp_path):
    calls = {key: (captions, epoch) for key, _, captions, epoch, _ in run(tmp_path, "validate")}
    assert list(calls) == ["pictures/sample", "pictures/worst", "pictures/best"]
    assert [c.split(" OKS")[0] for c in calls["pictures/worst"][0]] == ["image 105 5.jpg", "image 104 4.jpg"]
    assert [c.split(" OKS")[0] for c in calls["pictures/best"][0]] == ["image 100 0.jpg", "image 101 1.jpg"]
    assert calls["pictures/worst"][1] == 4
    assert sum(name.startswith("worst_") for name in names(tmp_path)) == 2


def test_none_are_drawn_where_none_are_wanted(tmp_path):
    assert run(tmp_path, count=0) == [] and not (tmp_path / "pictures").exists()


def test_drawing_takes_no_more_than_its_share(tmp_path):
    assert len(run(tmp_path, share=0.0)) == 1, "the second of two validations right after each other is not drawn"
    assert len(run(tmp_path, "validate", share=0.0)) == 6, "the judgement at the end is"


def test_a_full_disk_is_a_warning(tmp_path, caplog):
    (tmp_path / "pictures").write_text("a file where the folder should be")
    assert len(run(tmp_path)) == 1
    assert "pictures were not written" in caplog.text


def test_without_pictures_to_draw_a_run_still_runs(tmp_path):
    fit(tmp_path, fresh(), 1, data=Data(), callbacks=[Pictures(tmp_path / "pictures")])
    assert not (tmp_path / "pictures").exists()


def test_spread():
    assert spread(10, 4) == [0, 3, 6, 9] and spread(3, 8) == [0, 1, 2] and spread(1, 8) == [0] and spread(0, 8) == []


def test_extremes():
    oks = {7: 0.5, 3: 0.9, 5: 0.1, 9: 0.5}
    assert extremes(oks, 2) == ([5, 7], [3, 9])
    assert extremes({1: 0.2, 2: 0.4, 3: 0.6}, 4) == ([1, 2], [3]), "no image is both"
    assert extremes({1: 0.2}, 4) == ([1], [])


@pytest.mark.parametrize(
    "scores, people, drawn",
    [((0.9, 0.1, 0.8), 1, [0.8, 0.9]), ((0.2, 0.1), 1, [0.2]), ((0.2, 0.1, 0.05), 2, [0.1, 0.2]), ((), 1, [])],
)
def test_which_predictions_are_drawn(monkeypatch, scores, people, drawn):
    seen = []
    monkeypatch.setattr(pictures, "side_by_side", lambda image, truth, prediction, *rest: seen.append(prediction))
    truth = record(0, people)
    predictions = Predictions.from_poses([found(truth, scores=scores), found(truth)], [100, 101])
    comparison(np.zeros((64, 64, 3), np.uint8), truth, predictions, SKELETON)
    assert [float(label) for label in seen[0].labels] == pytest.approx(drawn), "the surest last, so on top"


def test_predictions_are_drawn_where_they_are():
    """The same people as truth and as prediction give the same drawing: no half pixel is lost on the way."""
    truth, image = record(0), np.full((64, 64, 3), 90, np.uint8)
    predictions = Predictions.from_poses([found(truth, scores=(1.0,))], [100])
    row = comparison(image, truth, predictions, SKELETON)
    gap = row.shape[1] - 2 * 512
    left, right = row[-512:, :512], row[-512:, 512 + gap :]
    limb = slice(200, 280), slice(159, 380)  # without the label at the box
    assert np.array_equal(left[limb], right[limb])
    moved = Predictions.from_poses([found(truth, 0.5, scores=(1.0,))], [100])
    assert not np.array_equal(comparison(image, truth, moved, SKELETON)[-512:, 512 + gap :][limb], left[limb])
