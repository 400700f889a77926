"""From a source to batches: read, draw one matrix a picture, warp once, collate.

Everything random depends on (seed, epoch, index) alone, never on the number of workers or on what was drawn before:
a resumed run sees the samples that the interrupted one would have seen.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset, DistributedSampler

from armature.data.augment.half_body import HalfBody
from armature.data.augment.occasion import Augmentation
from armature.data.augment.order import in_order
from armature.data.geometry import (
    FILL,
    Geometry,
    Letterbox,
    Matrix,
    People,
    Size,
    ignored,
    map_rows,
    together,
    translation,
    warp,
)
from armature.data.mosaic import Mosaic
from armature.data.opened import opened
from armature.data.sample import Part, Sample
from armature.data.source import Picture, Source
from armature.data.tars import mixed
from armature.structures import Batch, Instances, Record, Skeleton

#: What a sampler yields and a data set takes: the pass over the data, and the index within it.
Draw = tuple[int, int]


class KeypointDataset(Dataset[Sample]):
    """Samples of one source on one canvas.

    Args:
        canvas: (H, W). geometry: draws the matrix of a sample; None is the letterbox. fill: RGB beside the picture.
        seed: with the epoch and the index, everything random follows from it.
        mosaic: shows several pictures as one; for training only: ``to_source`` and the id are those of the first.
        augment: by name, what else is done to training samples. Each has random numbers of its own, which follow from
            its name too: none changes what another one, or the geometry, draws.
        reduced: read no more pixels of a picture than the canvas shows, where its source can (``opened``).

    Raises:
        ConfigError: what is no augmentation, or one that does not fit the skeleton.
    """

    def __init__(
        self,
        source: Source,
        canvas: tuple[int, int],
        geometry: Geometry | None = None,
        seed: int = 0,
        fill: tuple[int, int, int] = FILL,
        mosaic: Mosaic | None = None,
        augment: Mapping[str, Augmentation | HalfBody] | None = None,
        reduced: bool = False,
    ) -> None:
        # OpenCV's own threads compete with the loader's processes, and do not survive a fork.
        cv2.setNumThreads(0)
        self.source, self.canvas, self.geometry = source, canvas, geometry or Letterbox()
        self.seed, self.fill, self.mosaic, self.reduced = seed, fill, mosaic, reduced
        # Copied for every mosaic: numpy takes thirty times as long to fill one with a colour.
        self._blank = np.full((*canvas, 3), fill, np.uint8)
        self.augment, self.half_body = in_order(augment or {}, source.skeleton)

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, draw: Draw | int) -> Sample:
        """The sample of (epoch, index); a bare index means epoch 0."""
        epoch, index = (0, draw) if isinstance(draw, int) else draw
        sample = self._placed(epoch, index, np.random.default_rng((self.seed, epoch, index)))
        for name, augmentation in self.augment.items():
            rng = np.random.default_rng((self.seed, epoch, index, zlib.crc32(name.encode()) | 1))
            if augmentation.happens(epoch, rng):
                sample = augmentation(sample, rng, partial(self._another, epoch))
        return sample

    def _another(self, epoch: int, rng: np.random.Generator) -> Sample:
        return self._placed(epoch, int(rng.integers(len(self.source))), rng)

    def _placed(self, epoch: int, index: int, rng: np.random.Generator) -> Sample:
        """One picture, or the mosaic that begins with it, on the canvas."""
        others = self.mosaic.companions(len(self.source), epoch, rng) if self.mosaic is not None else []
        if self.mosaic is not None and others:
            return self._mosaic(self.mosaic, [index, *others], epoch, rng)
        found = opened(self.source, index, epoch)
        matrix = self._matrix(found.record, epoch, rng)
        picture = warp(*found.onto(matrix, self.reduced), self.canvas, self.fill)
        return self._sample(picture, [found.record], [matrix])

    def _matrix(self, record: Record, epoch: int, rng: np.random.Generator) -> Matrix:
        region = None
        if self.half_body is not None and self.half_body.happens(epoch, own := rng.spawn(1)[0]):
            region = self.half_body.region(record, self.canvas, self.source.skeleton, own)
        if region is None:
            return self.geometry(record.size, self.canvas, rng, record)
        # For the geometry the part is the picture, with nobody in it: what it is about is chosen.
        part = (region[3] - region[1], region[2] - region[0])
        return self._whole(part, rng) @ translation(-region[0], -region[1])

    def _whole(self, size: Size, rng: np.random.Generator) -> Matrix:
        return self.geometry(size, self.canvas, rng, nobody(size, self.source.skeleton.count))

    def _mosaic(self, mosaic: Mosaic, indices: list[int], epoch: int, rng: np.random.Generator) -> Sample:
        found = [opened(self.source, i, epoch) for i in indices]
        records = [each.record for each in found]
        # The geometry turns the canvas as a whole: for it there is one picture, as large as the canvas, with nobody.
        whole = self._whole(self.canvas, rng)
        matrices = [whole @ place for place in mosaic.places([r.size for r in records], self.canvas, rng)]
        shown = self._blank.copy()
        for each, matrix in zip(found, matrices, strict=True):
            shown = warp(*each.onto(matrix, self.reduced), self.canvas, onto=shown)
        return self._sample(shown, records, matrices)

    def _sample(self, picture: Picture, records: list[Record], matrices: list[Matrix]) -> Sample:
        pairs = list(zip(records, matrices, strict=True))
        people, rows = zip(*(map_rows(*pair, self.canvas, self.source.skeleton) for pair in pairs))
        masks = [mask for pair in pairs if (mask := ignored(*pair, self.canvas)) is not None]
        to_source = np.asarray(np.linalg.inv(matrices[0]), np.float64)
        ignore = np.logical_or.reduce(masks) if masks else None
        known = _known(pairs, self.source.skeleton)
        parts = tuple(Part(*pair, seen) for pair, seen in zip(pairs, rows, strict=True))
        return Sample(picture, together(people), ignore, to_source, records[0].image_id, known, parts)


def _known(parts: Sequence[tuple[Record, Matrix]], skeleton: Skeleton) -> NDArray[np.bool_] | None:
    """(K,) what all pictures on a canvas know, left and right as they are there; None: everything."""
    flip = list(skeleton.flip)
    flags = [(np.array(r.known), np.linalg.det(m) < 0) for r, m in parts if r.known is not None]
    return np.logical_and.reduce([known[flip] if mirrored else known for known, mirrored in flags]) if flags else None


def nobody(size: tuple[int, int], keypoints: int) -> Record:
    """The record of a picture without people."""
    none = np.zeros((0, keypoints, 2)), np.zeros((0, keypoints), np.int64), np.zeros((0, 4)), np.zeros(0)
    return Record(0, "", size, *none, np.zeros(0, bool), np.zeros(0, np.int64))


def collate(samples: Sequence[Sample]) -> Batch:
    """A batch of samples.

    Images are uint8 (B, 3, H, W) in channels-last memory, as the warp leaves them. People are padded to the largest
    number in the batch, at least 1. ``to_source`` is float32: an error under 0.001 px for pictures of 10,000 px.
    """
    images = torch.from_numpy(np.stack([s.image for s in samples])).permute(0, 3, 1, 2)
    ignore = torch.zeros(len(samples), *images.shape[2:], dtype=torch.bool)
    for i, sample in enumerate(samples):
        if sample.ignore is not None:
            ignore[i] = torch.from_numpy(sample.ignore)
    to_source = torch.from_numpy(np.stack([s.to_source for s in samples]).astype(np.float32))
    ids = torch.tensor([s.image_id for s in samples])
    return Batch(images, _pad([s.people for s in samples]), ignore, to_source, ids, known=_all_known(samples))


def _all_known(samples: Sequence[Sample]) -> torch.Tensor | None:
    if all(s.known is None for s in samples):
        return None
    everything = np.ones(samples[0].people.visibility.shape[1], bool)
    return torch.from_numpy(np.stack([everything if s.known is None else s.known for s in samples]))


def _pad(people: Sequence[People]) -> Instances:
    count, slots = len(people), max(1, *(len(p.areas) for p in people))
    points = people[0].keypoints.shape[1]
    boxes = np.zeros((count, slots, 4), np.float32)
    keypoints = np.zeros((count, slots, points, 2), np.float32)
    visibility = np.zeros((count, slots, points), np.int64)
    areas, valid = np.zeros((count, slots), np.float32), np.zeros((count, slots), bool)
    for i, p in enumerate(people):
        m = len(p.areas)
        boxes[i, :m], keypoints[i, :m], visibility[i, :m], areas[i, :m], valid[i, :m] = *p, True
    return Instances(*map(torch.from_numpy, (boxes, keypoints, visibility, areas, valid)))


class Order(DistributedSampler):
    """The order of samples, as (pass, index) pairs, from (seed, epoch) alone; one rank's share of it.

    Training walks through an endless row of passes, each a new permutation of the data; an epoch is the next
    ``length`` of them. Without shuffling every epoch is the data in order, pass 0. Ranks take every world-th sample.
    In training the ranks get equally many (the remainder is left out); in evaluation every sample once, so that
    ranks may differ by one.

    A ``DistributedSampler`` only in name, because Lightning replaces every other sampler under DDP.

    Args:
        size: number of samples in the data. length: samples an epoch over all ranks; None is ``size``.
        shards: of each sample, its tar; a permutation then goes through few tars at a time (``tars.mixed``).
    """

    def __init__(
        self,
        size: int,
        shuffle: bool,
        seed: int = 0,
        length: int | None = None,
        rank: int = 0,
        world: int = 1,
        shards: NDArray[np.int64] | None = None,
    ) -> None:
        self.size, self.shuffle, self.seed, self.length = size, shuffle, seed, length or size
        self.rank, self.num_replicas, self.epoch, self.shards = rank, world, 0, shards
        #: Samples of this rank that the coming epoch leaves out, because an interrupted run has seen them.
        self.skip = 0

    def __len__(self) -> int:
        return (
            self.length // self.num_replicas if self.shuffle else len(range(self.rank, self.length, self.num_replicas))
        )

    def __iter__(self) -> Iterator[Draw]:  # type: ignore[override]
        draws = self._passes() if self.shuffle else [(0, i % self.size) for i in range(self.length)]
        return iter(draws[self.rank :: self.num_replicas][self.skip : len(self)])

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning before every epoch, also after a resume."""
        self.epoch = epoch

    def _passes(self) -> list[Draw]:
        start = self.epoch * self.length
        first, last = start // self.size, (start + self.length - 1) // self.size
        rows: list[Draw] = []
        for number in range(first, last + 1):
            rng = np.random.default_rng((self.seed, number, 2**32 - 1))  # an index no sample has: a stream of its own
            order = rng.permutation(self.size) if self.shards is None else mixed(self.shards, rng)
            rows += [(number, i) for i in order.tolist()]
        return rows[start - first * self.size :][: self.length]
