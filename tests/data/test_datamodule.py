"""The data of a run: checked before it starts, limited, split, and the same after a restart."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch

from armature.data.coco import CocoKeypoints
from armature.data.datamodule import KeypointData
from armature.data.geometry import RandomAffine
from armature.data.source import Problem
from armature.data.split import Fold, Fraction
from armature.errors import ConfigError, DataError
from armature.structures import Batch


def data(source: object, **options: Any) -> KeypointData:
    defaults: dict[str, Any] = {"canvas": (32, 32), "batch_size": 4, "workers": 0, "split": Fraction(0.25)}
    return KeypointData(source=source, geometry=RandomAffine(), **defaults | options)  # type: ignore[arg-type]


class Witness(pl.LightningModule):
    """Learns nothing and remembers what it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.seen: list[tuple[int, float]] = []
        self.judged: list[int] = []

    def training_step(self, batch: Batch, index: int) -> torch.Tensor:
        self.seen.append((self.trainer.current_epoch, batch.instances.keypoints.sum().item()))
        return self.weight.sum()

    def validation_step(self, batch: Batch, index: int) -> None:
        self.judged += batch.image_ids.tolist()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


class Stop(pl.Callback):
    """Saves and stops, at a step or at the end of an epoch."""

    def __init__(self, file: Path, step: int, hook: str) -> None:
        self.file, self.step, self.hook = file, step, hook

    def _maybe(self, trainer: pl.Trainer, hook: str) -> None:
        if hook == self.hook and trainer.global_step == self.step and not trainer.sanity_checking:
            trainer.save_checkpoint(self.file)
            trainer.should_stop = True

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        self._maybe(trainer, "batch")

    def on_validation_end(self, trainer: pl.Trainer, *_: Any) -> None:
        self._maybe(trainer, "validation")

    def on_train_epoch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        self._maybe(trainer, "epoch")


def fit(module: KeypointData, *callbacks: pl.Callback, resume: Path | None = None, limit: int | None = None) -> Witness:
    witness = Witness()
    options: dict[str, Any] = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False}
    trainer = pl.Trainer(
        default_root_dir=tempfile.mkdtemp(),  # Lightning leaves a checkpoint of its own there
        max_epochs=3,
        accelerator="cpu",
        limit_train_batches=limit,
        callbacks=list(callbacks),
        enable_checkpointing=bool(callbacks),
        **options,
    )
    trainer.fit(witness, datamodule=module, ckpt_path=resume, weights_only=False if resume else None)
    return witness


@pytest.mark.parametrize(("hook", "step"), [("epoch", 3), ("validation", 3), ("batch", 4), ("batch", 5), ("batch", 6)])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_resumed_run_sees_what_the_whole_one_sees(hook: str, step: int, dots: Callable, tmp_path: Path) -> None:
    expected = fit(data(dots(16)))
    assert len(set(expected.seen)) == 9
    first = fit(data(dots(16)), Stop(tmp_path / "stop.ckpt", step, hook)).seen[:step]
    second = fit(data(dots(16)), resume=tmp_path / "stop.ckpt").seen
    assert first + second == expected.seen


@pytest.mark.parametrize(("hook", "step"), [("epoch", 2), ("validation", 2), ("batch", 3)])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_resumed_run_of_shortened_epochs_does_too(hook: str, step: int, dots: Callable, tmp_path: Path) -> None:
    expected = fit(data(dots(16)), limit=2)
    first = fit(data(dots(16)), Stop(tmp_path / "stop.ckpt", step, hook), limit=2).seen[:step]
    second = fit(data(dots(16)), resume=tmp_path / "stop.ckpt", limit=2).seen
    assert first + second == expected.seen
    assert len(expected.seen) == 6


def test_validation_sees_every_image_once(dots: Callable) -> None:
    module = data(dots(16), split=Fold(1, 4))
    ids = [i for batch in module.val_dataloader() for i in batch.image_ids.tolist()]
    assert ids == [r.image_id for r in module.val_records()]
    assert len(ids) == 4
    assert module.split_description()["val_ids"] == ids
    assert module.split_description()["fold"] == 1
    assert not set(module.split_description()["train_ids"]) & set(ids)


def test_validation_may_keep_every_picture_as_large_as_it_is(
    write_coco: Callable, make_coco: Callable, trio: Any
) -> None:
    annotations, images = write_coco(make_coco(3))
    module = data(CocoKeypoints(annotations, images, trio), keep_resolution=8, split=Fold(0, 3))
    batches = list(module.val_dataloader())
    assert [len(b.image_ids) for b in batches] == [1] * len(module.val_records())
    for batch, record in zip(batches, module.val_records(), strict=True):
        assert tuple(batch.images.shape[-2:]) == tuple((side | 7) + 1 for side in record.size)
    assert next(iter(module.train_dataloader())).images.shape[-2:] == (32, 32)


def test_small_data_makes_one_small_batch(dots: Callable) -> None:
    assert [len(b.image_ids) for b in data(dots(4), batch_size=8).train_dataloader()] == [3]
    longer = data(dots(4), batch_size=8, samples_per_epoch=20).train_dataloader()
    assert [len(b.image_ids) for b in longer] == [8, 8]


def test_limits_take_the_first_images_with_people(dots: Callable, make_person: Callable) -> None:
    source = dots(12)
    for i in (0, 3):
        source.records[i].visibility[:] = 0
    module = KeypointData(train=source, limit=4, limit_people=1, val_on_train=True, canvas=(32, 32), workers=0)
    assert [r.image_id for r in module.val_records()] == [101, 102, 104, 105]
    assert module.fingerprint() != KeypointData(train=source, val=source, workers=0).fingerprint()
    assert len(KeypointData(val=source, limit_val=5, workers=0).val_records()) == 5
    with pytest.raises(DataError, match=r"data.limit: no picture has 9 labelled people"):
        KeypointData(train=source, limit=4, limit_people=9).prepare()


def break_pictures(folder: Path) -> None:
    (folder / "12.jpg").write_bytes((folder / "12.jpg").read_bytes()[:-100])
    (folder / "14.jpg").unlink()


def test_bad_pictures_stop_the_run_before_it_starts(write_coco: Callable, make_coco: Callable, trio: Any) -> None:
    annotations, images = write_coco(make_coco(6))
    break_pictures(images)
    with pytest.raises(DataError) as error:
        data(CocoKeypoints(annotations, images, trio)).train_dataloader()
    assert "2 pictures cannot be used" in str(error.value)
    assert f"{images / '12.jpg'}: image file is truncated" in str(error.value)
    assert f"{images / '14.jpg'}: no such file" in str(error.value)
    assert "data.on_bad_image=skip" in str(error.value)


def test_bad_pictures_can_be_left_out(write_coco: Callable, make_coco: Callable, trio: Any) -> None:
    annotations, images = write_coco(make_coco(6))
    whole = data(CocoKeypoints(annotations, images, trio)).split_description()
    break_pictures(images)
    module = data(CocoKeypoints(annotations, images, trio), on_bad_image="skip")
    with pytest.warns(UserWarning, match="2 pictures cannot be used"):
        part = module.split_description()
    assert {Path(p.file).name for p in module.skipped} == {"12.jpg", "14.jpg"}
    assert sorted(part["train_ids"] + part["val_ids"]) == [11, 13, 15, 16]
    assert set(part["val_ids"]) <= set(whole["val_ids"])
    assert sum(len(b.image_ids) for b in module.val_dataloader()) == part["val"]


def test_nothing_left_is_an_error(dots: Callable) -> None:
    source = dots(2)
    source.check = lambda: [Problem(i, "x.jpg", "gone") for i in range(2)]
    with pytest.warns(UserWarning), pytest.raises(DataError, match=r"data\.train: no picture is left"):
        KeypointData(train=source, on_bad_image="skip").train_dataloader()
    with pytest.raises(DataError, match=r"data\.val: none given"):
        KeypointData(train=dots(2)).val_dataloader()


def test_many_problems_are_counted(dots: Callable) -> None:
    source = dots(50)
    source.check = lambda: [Problem(i, f"{i}.jpg", "gone") for i in range(50)]
    with pytest.raises(DataError, match=r"50 pictures cannot(.|\n)*19.jpg: gone\n  \.\.\. and 30 more"):
        KeypointData(train=source).prepare()


def test_the_data_are_given_one_way(dots: Callable) -> None:
    for wrong in ({}, {"source": dots(2)}, {"train": dots(2), "source": dots(2), "split": Fraction()}):
        with pytest.raises(ConfigError, match="not both and not neither"):
            KeypointData(**wrong)
    with pytest.raises(ConfigError, match="on_bad_image=ignore"):
        KeypointData(train=dots(2), on_bad_image="ignore")
