"""From peaks and fields to people: line integrals for all pairs at once, then one short loop over what they accept.

(Cao et al. 2017, section 2.3 and 2.4; 2021, section 3.3; thresholds of the released decoders.)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from armature.errors import ConfigError
from armature.ops.part_maps import Pair
from armature.ops.part_peaks import Peaks, find_peaks

#: Where along a limb the first three samples are taken; most pairs fail there.
_PROBES = (0.5, 0.25, 0.75)


class Crowd(NamedTuple):
    """N people of a batch, ordered by image: peaks[n, p] is the number of a peak or -1; scores sum peaks and limbs."""

    image: Int[Tensor, " N"]
    peaks: Int[Tensor, "N P"]
    scores: Float[Tensor, " N"]


class Pairs(NamedTuple):
    """Peaks that may be the ends of a limb: ``group`` is image * E + limb, ``a`` and ``b`` number peaks."""

    group: Tensor
    a: Tensor
    b: Tensor


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
        peaks = find_peaks(heat, self.peak, self.max_peaks, sigma)
        pairs = pair_up(peaks, limbs, len(heat), heat.shape[1])
        pairs, scores = self.integrate(pairs, peaks.xy - offset, fields, stride, canvas)
        return peaks, self.assemble(peaks, pairs, scores, limbs, heat.shape[1])

    def integrate(
        self, pairs: Pairs, xy: Tensor, fields: Tensor, stride: float, canvas: tuple[int, int]
    ) -> tuple[Pairs, Tensor]:
        """The pairs that are accepted and their scores."""
        if not len(pairs.group):
            return pairs, xy.new_zeros(0)
        flat = fields.reshape(-1)
        start, delta = xy[pairs.a], xy[pairs.b] - xy[pairs.a]
        count, allowed = self._samples(delta, stride)
        near = self._near(delta, stride, canvas)
        steps = torch.tensor(_PROBES, device=xy.device)[:, None]
        steps = (steps * (count - 1)).round() / (count - 1)
        failed = (_project(flat, fields.shape, pairs.group, start, delta, steps) <= self.field).sum(0)
        alive = ((failed <= allowed) | near).nonzero().flatten()
        pairs = Pairs(pairs.group[alive], pairs.a[alive], pairs.b[alive])
        start, delta, near = start[alive], delta[alive], near[alive]
        if isinstance(count, Tensor):
            count, allowed = count[alive], allowed[alive]  # type: ignore[index]
        values = self._along(flat, fields.shape, pairs.group, start, delta, count)
        passed = (values > self.field).sum(0)
        length = delta.norm(dim=1).clamp(min=1e-6) * stride
        mean = values.sum(0) / count + (0.5 * canvas[0] / length - 1).clamp(max=0)
        good = (count - passed <= allowed) & (mean > 0)
        scores = torch.where(good, mean, 0.0).maximum(near * self.field)
        chosen = (good | near).nonzero().flatten()
        return Pairs(pairs.group[chosen], pairs.a[chosen], pairs.b[chosen]), scores[chosen]

    def _samples(self, delta: Tensor, stride: float) -> tuple[Tensor | int, Tensor | int]:
        """How many samples each limb has and how many of them may fail."""
        low, high = self.samples
        if low == high:
            return low, low - 1 - math.floor(self.fraction * low + 1e-6)
        extent = delta.abs().amax(1) * stride
        count = (5 * extent).sqrt().round().clamp(low, high)
        return count, count - 1 - (self.fraction * count + 1e-6).floor()

    def _along(
        self, flat: Tensor, shape: torch.Size, group: Tensor, start: Tensor, delta: Tensor, count: Tensor | int
    ) -> Float[Tensor, "most N"]:
        """The field at all samples of each pair; -0.0 behind the last of them."""
        most = self.samples[1]
        number = torch.arange(most, device=flat.device)[:, None]
        values = _project(flat, shape, group, start, delta, number / (count - 1))
        return values if isinstance(count, int) else values.where(number < count, 0.0)

    def _near(self, delta: Tensor, stride: float, canvas: tuple[int, int]) -> Tensor:
        reach = self.coincident * math.sqrt(canvas[0] * canvas[1]) / stride
        return delta.square().sum(1) < reach**2

    def assemble(self, peaks: Peaks, pairs: Pairs, scores: Tensor, limbs: Sequence[Pair], parts: int) -> Crowd:
        """People from accepted limbs: limb by limb, the best first, every peak once for each limb."""
        group, a, b, score = (t.cpu().numpy() for t in (*pairs, scores))
        order = np.lexsort((-score, group))
        heat = peaks.scores.tolist()
        rows = zip(*(v[order].tolist() for v in (group, a, b, score)), strict=True)
        people = _put_together(rows, heat, limbs, parts, len(limbs) - self.complete_only)
        if not limbs:
            people = [[[i], 1, s] for i, s in enumerate(heat)]
        fewest = min(self.min_parts, parts)
        kept = [p for p in people if p[1] >= fewest and p[2] >= self.min_score * p[1]]
        device = peaks.xy.device
        slots = torch.tensor([p[0] for p in kept], dtype=torch.long, device=device).view(-1, parts)
        image = peaks.image[slots.amax(1)] if kept else slots.new_zeros(0)
        total = torch.tensor([p[2] for p in kept], dtype=torch.float32, device=device)
        by_image = image.argsort(stable=True)
        return Crowd(image[by_image], slots[by_image], total[by_image])


def pair_up(peaks: Peaks, limbs: Sequence[Pair], images: int, parts: int) -> Pairs:
    """For every limb of every image each peak of its first part with each peak of its second."""
    counts = (peaks.image * parts + peaks.part).bincount(minlength=images * parts)
    starts = (counts.cumsum(0) - counts).view(images, parts)
    counts = counts.view(images, parts)
    ends = torch.tensor(limbs, device=counts.device, dtype=torch.long).view(-1, 2)
    first, second = counts[:, ends[:, 0]], counts[:, ends[:, 1]]
    many = (first * second).flatten()
    group = torch.arange(len(many), device=many.device).repeat_interleave(many)
    place = torch.arange(len(group), device=many.device) - (many.cumsum(0) - many)[group]
    width = second.flatten()[group]
    row = place.div(width, rounding_mode="floor")
    a = starts[:, ends[:, 0]].flatten()[group] + row
    b = starts[:, ends[:, 1]].flatten()[group] + place - row * width
    return Pairs(group, a, b)


def _project(
    flat: Tensor, shape: torch.Size, group: Tensor, start: Tensor, delta: Tensor, steps: Tensor
) -> Float[Tensor, "S N"]:
    """The component of the field along each of N limbs at S places between its ends (``steps``: S 1 or S N)."""
    height, width = shape[-2:]
    x = torch.addcmul(start[:, 0], steps, delta[:, 0]).int().clamp_(0, width - 1)
    y = torch.addcmul(start[:, 1], steps, delta[:, 1]).int().clamp_(0, height - 1)
    cell = y.mul_(width).add_(x) + (group * (2 * height * width)).int()
    along = delta / delta.norm(dim=1, keepdim=True).clamp(min=1e-6)
    return flat[cell] * along[:, 0] + flat[cell + height * width] * along[:, 1]


def _put_together(rows, heat: list[float], limbs: Sequence[Pair], parts: int, begin: int) -> list:  # type: ignore[no-untyped-def, type-arg]
    """People as [peak of each part or -1, number of parts, score] from (image and limb, peak a, peak b, score), sorted.

    Args:
        heat: of each peak. begin: limbs from this one on begin no people.
    """
    owner: list[int] = [-1] * len(heat)
    taken_a, taken_b = [-1] * len(heat), [-1] * len(heat)
    people: list[list] = []  # type: ignore[type-arg]
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


def _join(people: list, i: int, j: int, owner: list[int], score: float) -> None:  # type: ignore[type-arg]
    """Two people become the first of them, unless both have the same part."""
    one, other = people[i], people[j]
    if any(a >= 0 and b >= 0 for a, b in zip(one[0], other[0], strict=True)):
        return
    for part, peak in enumerate(other[0]):
        if peak >= 0:
            one[0][part], owner[peak] = peak, i
    one[1], one[2] = one[1] + other[1], one[2] + other[2] + score
    other[1], other[2] = 0, 0.0
