"""The data of one run: training and validation sources, checked before training starts."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from pytorch_lightning import LightningDataModule

from armature.data.augment.half_body import HalfBody
from armature.data.augment.occasion import Augmentation
from armature.data.augment.order import in_order
from armature.data.dataset import KeypointDataset, Order
from armature.data.decoded import Decoded, wanted
from armature.data.geometry import FILL, Geometry
from armature.data.keep_resolution import KeepResolution
from armature.data.loader import Loader, count_workers, make_loader
from armature.data.mosaic import Mosaic
from armature.data.source import Checkable, Problem, Source
from armature.data.split import Split, Subset, digest, divide, fold_of
from armature.data.tars import shards_of
from armature.errors import ConfigError, DataError
from armature.structures import Record, Skeleton

#: Problems shown in a message; all of them are in ``KeypointData.skipped`` or counted.
SHOWN = 20


class KeypointData(LightningDataModule):
    """Loaders of training and validation data.

    Give ``train`` and ``val``, or one ``source`` and a ``split`` of it (``Fraction``, ``Fold``).

    Args:
        train, val: sources; either may be None where it is not needed.
        source, split: one source and how it is divided; the split is drawn over all pictures, bad ones included.
        fold: cross-validation: this one of ``folds`` parts is judged by, the others are learned from. ``source`` is
            divided, with the seed and the groups of ``split``, or ``train``, and ``val`` is then left out.
        canvas: (H, W). geometry: of training; None is the letterbox, which validation always has.
        fill: RGB beside the picture. seed: of order and geometry.
        mosaic: of training pictures; None shows them one by one.
        augment: by name, what else is done to training pictures once they are on the canvas.
        segments: for the config's own references (``${data.segments}``): sources keep everybody's outline, along which
            people are pasted; not used here.
        batch_size, val_batch_size: None is twice the training batch.
        workers: loader processes, or "auto".
        limit: only the first this many training images with at least ``limit_people`` labelled people.
        limit_val: only the first this many validation images.
        keep_resolution: validate every picture at its own resolution, alone, on a canvas whose sides this divides (32
            for DLA-34); None letterboxes it onto ``canvas``.
        val_on_train: validate on the training images (after ``limit``), for overfitting on purpose.
        samples_per_epoch: length of a training epoch; None is once through the data. Small sets train faster in
            longer epochs.
        on_bad_image: "fail" lists every bad picture and stops before training; "skip" leaves them out and says so.
        pin_memory: page-locked batches; None where there is a GPU.
        primary: the metric that decides, for the config's own references (``monitor`` is ``${data.primary}``); not used
            here.
        root: where the data lies, for the config's own references (``${data.root}``); not used here.
        reduced: training pictures that are shrunk on their way to the canvas are decoded at a half, a quarter or an
            eighth of their size, where they are JPEGs; pictures to judge by are always decoded whole.
        cache: ``memmap`` keeps decoded training pictures in a file (``decoded.Decoded``), None keeps nothing.
        cache_folder: where that file is; None is the user's cache folder.
        needs: what to say where the data are missing (``absent``); not used here.

    Raises:
        ConfigError: neither or both ways of giving the data, unknown ``on_bad_image``.
        DataError: bad pictures, or nothing left to train on; raised by ``prepare``.
    """

    def __init__(
        self,
        train: Source | None = None,
        val: Source | None = None,
        source: Source | None = None,
        split: Split | None = None,
        fold: int | None = None,
        folds: int = 5,
        canvas: Sequence[int] = (256, 256),
        geometry: Geometry | None = None,
        fill: Sequence[int] = FILL,
        seed: int = 0,
        batch_size: int = 16,
        val_batch_size: int | None = None,
        workers: int | str = "auto",
        limit: int | None = None,
        limit_people: int = 1,
        limit_val: int | None = None,
        val_on_train: bool = False,
        samples_per_epoch: int | None = None,
        on_bad_image: str = "fail",
        pin_memory: bool | None = None,
        keep_resolution: int | None = None,
        root: str | None = None,
        mosaic: Mosaic | None = None,
        augment: Mapping[str, Augmentation | HalfBody] | None = None,
        segments: bool = False,
        primary: str = "val/AP",
        needs: Mapping[str, Any] | None = None,
        reduced: bool = True,
        cache: str | None = None,
        cache_folder: str | None = None,
    ) -> None:
        super().__init__()
        _check_given(train, val, source, split, fold)
        if on_bad_image not in ("fail", "skip"):
            raise ConfigError(f"data.on_bad_image={on_bad_image}: known values are fail and skip")
        if fold is not None:
            source, split = _needed(train if source is None else source, "train"), fold_of(split, fold, folds)
            train = None
        source, train = (wanted(s, cache, canvas, geometry, cache_folder) for s in (source, train))
        self.split, self._undivided = split, source
        self.train, self.val = (train, val) if source is None or split is None else divide(source, split)
        #: Training pictures that are kept decoded, None where none are.
        self.decoded = next((s for s in (source, train) if isinstance(s, Decoded)), None)
        self.canvas, self.geometry, self.seed = (int(canvas[0]), int(canvas[1])), geometry, seed
        self.mosaic, self.augment, self.reduced = mosaic, augment, reduced
        in_order(augment or {}, self.skeleton)  # what is wrong with them is told before a run begins
        self.fill = (int(fill[0]), int(fill[1]), int(fill[2]))
        self.batch_size, self.val_batch_size = batch_size, val_batch_size or 2 * batch_size
        self.keep_resolution = keep_resolution
        self.workers, self.samples_per_epoch = workers, samples_per_epoch
        self.limit, self.limit_people, self.limit_val, self.val_on_train = limit, limit_people, limit_val, val_on_train
        self.on_bad_image = on_bad_image
        self.pin_memory = torch.cuda.is_available() if pin_memory is None else pin_memory
        #: Pictures left out by ``on_bad_image=skip``.
        self.skipped: list[Problem] = []
        self._ready = False

    @property
    def skeleton(self) -> Skeleton:
        """The skeleton of the data."""
        source = self.train if self.train is not None else self.val
        assert source is not None
        return source.skeleton

    def prepare(self) -> None:
        """Checks every picture and applies the limits, once; every process of a distributed run comes to the same."""
        if self._ready:
            return
        sources = {name: s for name in ("train", "val") if (s := getattr(self, name)) is not None}
        problems = {name: s.check() if isinstance(s, Checkable) else [] for name, s in sources.items()}
        found = [p for listed in problems.values() for p in listed]
        if found and self.on_bad_image == "fail":
            raise DataError(_describe(found) + "\nmend them, or leave them out with data.on_bad_image=skip")
        if found:
            warnings.warn("left out: " + _describe(found), stacklevel=2)
        self.skipped = found
        for name, source in sources.items():
            bad = {p.index for p in problems[name]}
            setattr(self, name, Subset(source, [i for i in range(len(source)) if i not in bad]) if bad else source)
        self._limit()
        self._ready = True

    def setup(self, stage: str | None = None) -> None:
        """Lightning's hook: ``prepare``."""
        self.prepare()

    def val_records(self) -> list[Record]:
        """What validation is judged against, in the order of the loader (of a single process)."""
        self.prepare()
        return _needed(self.val, "val").records

    def fingerprint(self) -> str:
        """sha256 over both sources as they are used, limits and skips included."""
        self.prepare()
        parts = [s.fingerprint() if s is not None else "" for s in (self.train, self.val)]
        return hashlib.sha256("/".join(parts).encode()).hexdigest()

    def split_description(self) -> dict[str, Any]:
        """How training and validation were divided: numbers of images, a sha256 over the images of each part
        (``digests``), and where one source was divided, its fingerprint (``source``) and the image ids on both sides.
        """
        self.prepare()
        describe = getattr(self.split, "describe", None)
        kind = describe() if describe else {"kind": "given"}
        parts = {name: s for name in ("train", "val") if (s := getattr(self, name)) is not None}
        said = {**kind, **{name: len(s) for name, s in parts.items()}}
        said["digests"] = {name: digest(s) for name, s in parts.items()}
        if self.split is None:
            return said
        ids = {f"{name}_ids": [r.image_id for r in s.records] for name, s in parts.items()}
        assert self._undivided is not None
        return {**said, "source": self._undivided.fingerprint(), **ids}

    def train_dataloader(self) -> Loader:
        """Shuffled, augmented, equally many batches on every rank; a last part of a batch is left out."""
        self.prepare()
        source = _needed(self.train, "train")
        dataset = KeypointDataset(
            source, self.canvas, self.geometry, self.seed, self.fill, self.mosaic, self.augment, self.reduced
        )
        rank, world, local = self._processes()
        shards = shards_of([record.file for record in source.records])
        order = Order(len(source), True, self.seed, self.samples_per_epoch, rank, world, shards)
        order.set_epoch(self.trainer.current_epoch if self.trainer is not None else 0)
        workers = count_workers(self.workers, local)
        return make_loader(dataset, order, self.batch_size, workers, len(order) >= self.batch_size, self.pin_memory)

    def val_dataloader(self) -> Loader:
        """In order, every image once over all ranks: ranks may differ by one image."""
        self.prepare()
        source = _needed(self.val, "val")
        dataset, size = KeypointDataset(source, self.canvas, None, self.seed, self.fill), self.val_batch_size
        if self.keep_resolution is not None:
            dataset, size = KeepResolution(source, self.keep_resolution, self.fill), 1
        rank, world, local = self._processes()
        order = Order(len(source), False, rank=rank, world=world)
        return make_loader(dataset, order, size, count_workers(self.workers, local), False, self.pin_memory)

    def test_dataloader(self) -> Loader:
        """The validation loader."""
        return self.val_dataloader()

    def _processes(self) -> tuple[int, int, int]:
        trainer = self.trainer
        if trainer is None:
            return 0, 1, 1
        return trainer.global_rank, trainer.world_size, max(1, trainer.num_devices)

    def _limit(self) -> None:
        if self.limit is not None:
            self.train = _first(_needed(self.train, "train"), self.limit, self.limit_people)
        if self.val_on_train:
            self.val = self.train
        if self.limit_val is not None:
            self.val = _first(_needed(self.val, "val"), self.limit_val, 0)


def _check_given(
    train: Source | None, val: Source | None, source: Source | None, split: Split | None, fold: int | None
) -> None:
    parts = train is not None or val is not None
    divided = split is not None or fold is not None
    if parts == (source is not None) or (source is not None and not divided) or (parts and split is not None):
        raise ConfigError("data: give train and/or val, or one source and its split; not both and not neither")


def _needed(source: Source | None, name: str) -> Source:
    if source is None or not len(source):
        raise DataError(f"data.{name}: {'none given' if source is None else 'no picture is left'}")
    return source


def _first(source: Source, count: int, people: int) -> Subset:
    if not people:
        return Subset(source, range(min(count, len(source))))
    chosen = [i for i, record in enumerate(source.records) if _labelled(record) >= people][:count]
    if not chosen:
        raise DataError(f"data.limit: no picture has {people} labelled people (data.limit_people)")
    return Subset(source, chosen)


def _labelled(record: Record) -> int:
    return int(np.sum((record.visibility > 0).any(1) & ~record.crowd))


def _describe(problems: list[Problem]) -> str:
    lines = [f"  {p.file}: {p.reason}" for p in problems[:SHOWN]]
    more = [f"  ... and {len(problems) - SHOWN} more"] if len(problems) > SHOWN else []
    noun = "picture" if len(problems) == 1 else "pictures"
    return "\n".join([f"{len(problems)} {noun} cannot be used:", *lines, *more])
