"""From peaks and fields to people: line integrals for all pairs at once, then one short loop over what they accept.

(Cao et al. 2017, sections 2.3 and 2.4; 2021, section 3.3; thresholds of the released decoders.)

In numpy, on the processor: a hundred steps on small arrays take half the time that torch's calls take. Maps on another
device are copied once for the whole batch.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from armature.errors import ConfigError
from armature.ops.part_maps import Pair
from armature.ops.part_peaks import Floats, Ints, Peaks, find_peaks

#: Where along a limb the first three samples are taken; most pairs fail there.
_PROBES = np.array([[0.5], [0.25], [0.75]], np.float32)


class Crowd(NamedTuple):
    """N people of a batch, ordered by image: peaks[n, p] is the number of a peak or -1; scores sum peaks and limbs."""

    image: Int[Ints, " N"]
    peaks: Int[Ints, "N P"]
    scores: Float[Floats, " N"]


class Pairs(NamedTuple):
    """Peaks that may be the ends of a limb: ``group`` is image * E + limb, ``a`` and ``b`` number peaks."""

    group: Ints
    a: Ints
    b: Ints

    def among(self, which: Ints) -> Pairs:
        """Some of them."""
        return Pairs(*(v.take(which) for v in self))


class Segments(NamedTuple):
    """N limbs to be: where they begin, how far they go in x and y, and how long they are; cells."""

    x: Floats
    y: Floats
    dx: Floats
    dy: Floats
    length: Floats

    def among(self, which: Ints) -> Segments:
        """Some of them."""
        return Segments(*(v.take(which) for v in self))


@dataclass(frozen=True)
class Decoder:
    """The thresholds of the decoder; the defaults are those of the network of 2017.

    Attributes:
        peak: heat that a peak must reach. max_peaks: of one part in one image, best first.
        field: a sample of the field along a limb passes above this.
        fraction: more than this share of a limb's samples must pass.
        samples: (fewest, most) samples on a limb of length L: sqrt(5 L), L the longer of its extents in canvas px.
        coincident: parts closer than this share of the square root of the canvas' area need no field: the limb scores
            ``field`` at least (BODY_25: 1 / 150; 0 turns it off).
        complete_only: so many of the last limbs complete people and join them, but never begin one.
        min_parts: people with fewer parts are dropped (or with fewer than all parts there are).
        min_score: so are people whose score divided by their parts is lower.

    A person's score is the sum of the heat of its peaks and of the scores of the limbs that brought it together. A
    limb's score is the mean of its samples, less what it is longer than half the canvas' height: min(0.5 H / L - 1, 0).
    A part that a person has is never replaced, and no peak belongs to two people; the released code lets a later limb
    do both, and counts the part twice. A limb begins from either end, so that limbs may come in any order.

    Raises:
        ConfigError: samples that make no sense.
    """

    peak: float = 0.1
    max_peaks: int = 100
    field: float = 0.05
    fraction: float = 0.8
    samples: Sequence[int] = (10, 10)
    coincident: float = 0.0
    complete_only: int = 0
    min_parts: int = 3
    min_score: float = 0.2

    def __post_init__(self) -> None:
        if len(self.samples) != 2 or not 3 <= self.samples[0] <= self.samples[1]:
            raise ConfigError(f"decoder.samples must be (fewest, most) with 3 <= fewest; found {tuple(self.samples)}")

    def __call__(
        self,
        heat: Float[Tensor, "B P h w"],
        fields: Float[Tensor, "B E 2 h w"],
        limbs: Sequence[Pair],
        sigma: float,
        stride: float,
        canvas: tuple[int, int],
        offset: float = 0.0,
    ) -> tuple[Peaks, Crowd]:
        """Peaks and the people made of them.

        Args:
            sigma: of the heatmaps' gaussians, in cells. stride: canvas px per cell. canvas: (H, W).
            offset: how far, in cells, the middle of a field's cell lies from that of a heatmap's.
        """
        maps, vectors = heat.float().cpu().numpy(), fields.float().cpu().numpy()
        peaks = find_peaks(maps, self.peak, self.max_peaks, sigma)
        pairs = pair_up(peaks, limbs, *maps.shape[:2])
        pairs, scores = self.integrate(pairs, peaks.xy - np.float32(offset), vectors, stride, canvas)
        return peaks, self.assemble(peaks, pairs, scores, limbs, maps.shape[1])

    def integrate(
        self,
        pairs: Pairs,
        xy: Float[Floats, "2 N"],
        fields: Float[Floats, "B E 2 h w"],
        stride: float,
        canvas: tuple[int, int],
    ) -> tuple[Pairs, Floats]:
        """The pairs that are accepted and their scores.

        Three samples of every limb come first: where they alone fail too often, the others cannot help.
        """
        segments = _segments(pairs, xy)
        reach = np.float32(self.coincident * math.sqrt(canvas[0] * canvas[1]) / stride)
        count, allowed = self._samples(segments, stride)
        steps = np.round(_PROBES * (count - 1)) / (count - 1)
        low = (_project(fields, pairs.group, segments, steps) <= self.field * segments.length).view(np.int8)
        alive = np.flatnonzero((low[0] + low[1] + low[2] <= allowed) | (segments.length < reach))
        pairs, segments = pairs.among(alive), segments.among(alive)
        count, allowed = self._samples(segments, stride)
        number = np.arange(self.samples[1], dtype=np.float32)[:, None]
        values = _project(fields, pairs.group, segments, number / (count - 1)) / segments.length
        values[np.broadcast_to(number >= count, values.shape)] = 0  # behind a limb's last sample
        half = np.float32(0.5 * canvas[0] / stride)
        mean = values.sum(0) / count + np.minimum(half / segments.length - 1, 0)
        good = (count - (values > self.field).sum(0) <= allowed) & (mean > 0)
        near = segments.length < reach
        scores = np.maximum(np.where(good, mean, 0), near * np.float32(self.field))
        chosen = np.flatnonzero(good | near)
        return pairs.among(chosen), scores.take(chosen)

    def _samples(self, segments: Segments, stride: float) -> tuple[Floats | np.float32, Floats | np.float32]:
        """How many samples each limb has and how many of them may fail."""
        low, high = self.samples
        extent = np.maximum(np.abs(segments.dx), np.abs(segments.dy)) * np.float32(stride) if low < high else 0
        count: Any = np.float32(low) if low == high else np.clip(np.round(np.sqrt(5 * extent)), low, high)
        return count, count - 1 - np.floor(np.float32(self.fraction) * count + np.float32(1e-5))

    def assemble(self, peaks: Peaks, pairs: Pairs, scores: Floats, limbs: Sequence[Pair], parts: int) -> Crowd:
        """People from accepted limbs: limb by limb, the best first, every peak once for each limb."""
        order = np.lexsort((-scores, pairs.group))
        heat = peaks.scores.tolist()
        rows = zip(*(v.take(order).tolist() for v in (*pairs, scores)), strict=True)
        people = _put_together(rows, heat, limbs, parts, len(limbs) - self.complete_only)
        if not limbs:
            people = [[[i], 1, s] for i, s in enumerate(heat)]
        fewest = min(self.min_parts, parts)
        kept = [p for p in people if p[1] >= fewest and p[2] >= self.min_score * p[1]]
        slots = np.array([p[0] for p in kept], np.int64).reshape(-1, parts)
        image = peaks.image.take(slots.max(1)) if kept else slots[:, 0]
        by_image = np.argsort(image, kind="stable")
        total = np.array([p[2] for p in kept], np.float32)
        return Crowd(image[by_image], slots[by_image], total[by_image])


def pair_up(peaks: Peaks, limbs: Sequence[Pair], images: int, parts: int) -> Pairs:
    """For every limb of every image each peak of its first part with each peak of its second."""
    counts = np.bincount(peaks.image * parts + peaks.part, minlength=images * parts)
    starts = (np.cumsum(counts) - counts).reshape(images, parts)
    counts = counts.reshape(images, parts)
    first, second = np.array(limbs, np.int64).reshape(-1, 2).T
    # A row is one peak of a first part; it repeats for every peak of the second. No division is needed.
    many = counts[:, first].ravel()
    limb = np.arange(len(many)).repeat(many)
    row = _places(many) + starts[:, first].ravel().take(limb)
    many = counts[:, second].ravel().take(limb)
    begin = starts[:, second].ravel().take(limb).repeat(many)
    return Pairs(limb.repeat(many), row.repeat(many), begin + _places(many))


def _places(counts: Ints) -> Ints:
    """0 1 2 ... counts[0] - 1, 0 1 2 ... counts[1] - 1, ..."""
    ends = np.cumsum(counts)
    return np.arange(ends[-1] if len(ends) else 0) - (ends - counts).repeat(counts)


def _segments(pairs: Pairs, xy: Float[Floats, "2 N"]) -> Segments:
    x, y = xy[0].take(pairs.a), xy[1].take(pairs.a)
    dx, dy = xy[0].take(pairs.b) - x, xy[1].take(pairs.b) - y
    return Segments(x, y, dx, dy, np.maximum(np.sqrt(dx * dx + dy * dy), np.float32(1e-6)))


def _project(
    fields: Float[Floats, "B E 2 h w"], group: Ints, segments: Segments, steps: Floats
) -> Float[Floats, "S N"]:
    """The product of the field and N vectors at S places along them (``steps``, 0 to 1: S 1 or S N)."""
    height, width = fields.shape[-2:]
    x = np.clip((segments.x + steps * segments.dx).astype(np.int32), 0, width - 1)
    y = np.clip((segments.y + steps * segments.dy).astype(np.int32), 0, height - 1)
    cell = group * (2 * height * width) + (y * np.int32(width) + x)
    return fields.take(cell) * segments.dx + fields.take(cell + height * width) * segments.dy


def _put_together(rows: Iterable[Any], heat: list[float], limbs: Sequence[Pair], parts: int, begin: int) -> list[Any]:
    """People as [peak of each part or -1, number of parts, score] from (image and limb, peak a, peak b, score), sorted.

    Args:
        heat: of each peak. begin: limbs from this one on begin no people.
    """
    owner: list[int] = [-1] * len(heat)
    taken_a, taken_b = [-1] * len(heat), [-1] * len(heat)
    people: list[list[Any]] = []
    nobody = [-1] * parts
    for group, a, b, score in rows:
        if taken_a[a] == group or taken_b[b] == group:
            continue
        taken_a[a] = taken_b[b] = group
        i, j = owner[a], owner[b]
        limb = group % len(limbs)
        if i < 0 and j < 0:
            if limb < begin:
                slots = nobody.copy()
                slots[limbs[limb][0]], slots[limbs[limb][1]] = a, b
                owner[a] = owner[b] = len(people)
                people.append([slots, 2, heat[a] + heat[b] + score])
        elif i < 0 or j < 0:
            person, peak, part = (i, b, limbs[limb][1]) if j < 0 else (j, a, limbs[limb][0])
            slots = people[person][0]
            if slots[part] < 0:
                slots[part], owner[peak] = peak, person
                people[person][1] += 1
                people[person][2] += heat[peak] + score
        elif i != j:
            _join(people, i, j, owner, score)
    return people


def _join(people: list[list[Any]], i: int, j: int, owner: list[int], score: float) -> None:
    """Two people become the first of them, unless both have the same part."""
    one, other = people[i], people[j]
    if any(a >= 0 and b >= 0 for a, b in zip(one[0], other[0], strict=True)):
        return
    for part, peak in enumerate(other[0]):
        if peak >= 0:
            one[0][part], owner[peak] = peak, i
    one[1], one[2] = one[1] + other[1], one[2] + other[2] + score
    other[1], other[2] = 0, 0.0
