"""Speed of putting people together from part affinity fields, beside a straightforward loop, with the people compared.

    python -m armature.bench.paf_decoding [--people 20] [--height 46] [--width 82] [--repeat 50] [--batch 1]

Maps are those of made-up people with 18 parts and 19 limbs, with noise; one thread.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from armature.ops.part_assembly import Crowd, Decoder
from armature.ops.part_maps import Pair, limb_fields, part_maps
from armature.ops.part_peaks import Peaks

#: A body with 18 parts around the neck (1), and its 19 limbs, the last two redundant (Cao et al. 2017).
BODY = (
    *((0, -1.0), (0, 0), (-1, 0), (-1.5, 1.2), (-1.6, 2.4), (1, 0), (1.5, 1.2), (1.6, 2.4), (-0.6, 3)),
    *((-0.7, 5), (-0.7, 7), (0.6, 3), (0.7, 5), (0.7, 7), (-0.3, -1.3), (0.3, -1.3), (-0.7, -1.1), (0.7, -1.1)),
)
LIMBS: tuple[Pair, ...] = (
    *((1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11)),
    *((11, 12), (12, 13), (1, 0), (0, 14), (14, 16), (0, 15), (15, 17), (2, 16), (5, 17)),
)
SIGMA, STRIDE = 7 / 8, 8.0


def make_maps(
    people: int = 20, size: tuple[int, int] = (46, 82), batch: int = 1, noise: float = 0.02, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """Heatmaps (B 18 h w) and fields (B 19 2 h w) of people side by side in a crowd, with noise; half as dense as full.

    Args:
        people: in every image. size: (h, w).
    """
    rng = np.random.default_rng(seed)
    columns = math.ceil(math.sqrt(people * size[1] / size[0]))
    rows = math.ceil(people / columns)
    step = np.array([size[1] / columns, size[0] / rows])
    scale = min(step[0] / 3.4, step[1] / 8.6)
    points = np.empty((batch, people, len(BODY), 2))
    for b in range(batch):
        for m in range(people):
            middle = (np.array([m % columns, m // columns]) + 0.5) * step - [0, 2.8 * scale]
            points[b, m] = middle + scale * (np.array(BODY) + rng.normal(0, 0.1, (len(BODY), 2)))
    there = torch.from_numpy(rng.random(points.shape[:3]) < 0.95)
    places = torch.from_numpy(points).float()
    heat = part_maps(places, there, SIGMA, size)[:, :-1]
    fields = limb_fields(places, there, LIMBS, 1.0, size)
    generator = torch.Generator().manual_seed(seed)
    for maps in (heat, fields):
        maps += noise * torch.randn(maps.shape, generator=generator)
    return heat.contiguous(), fields.contiguous()


def decode(decoder: Decoder, heat: Tensor, fields: Tensor) -> tuple[Peaks, Crowd]:
    """What is measured: everything from maps to people."""
    canvas = (round(heat.shape[2] * STRIDE), round(heat.shape[3] * STRIDE))
    return decoder(heat, fields, LIMBS, SIGMA, STRIDE, canvas)


# ---------------------------------------------------------------------- the loop


def loop(decoder: Decoder, heat: Tensor, fields: Tensor, limbs: tuple[Pair, ...] = LIMBS) -> list[dict[str, Any]]:
    """People of ONE image (P h w), (E 2 h w), by loops over cells, pairs and samples as one would write them down.

    Each is a dict of ``parts`` (part -> (x, y) in cells) and ``score``.
    """
    peaks = [_loop_peaks(plane, decoder) for plane in heat.numpy().astype(np.float64)]
    people: list[dict[str, Any]] = []
    height = heat.shape[1] * STRIDE
    area = heat.shape[1] * heat.shape[2]
    for e, (first, second) in enumerate(limbs):
        found = []
        for i, a in enumerate(peaks[first]):
            for j, b in enumerate(peaks[second]):
                score = _loop_integral(decoder, fields[e].numpy().astype(np.float64), a, b, height, area)
                if score is not None:
                    found.append((score, i, j))
        used_a: set[int] = set()
        used_b: set[int] = set()
        for score, i, j in sorted(found, key=lambda f: -f[0]):
            if i not in used_a and j not in used_b:
                used_a.add(i)
                used_b.add(j)
                ends = ((first, i, peaks[first][i][2]), (second, j, peaks[second][j][2]))
                _loop_connect(people, ends, score, e < len(limbs) - decoder.complete_only)
    kept = [p for p in people if len(p["members"]) >= decoder.min_parts]
    kept = [p for p in kept if p["score"] / len(p["members"]) >= decoder.min_score]
    return [
        {"parts": {part: peaks[part][i][:2] for part, i in p["members"].items()}, "score": p["score"]} for p in kept
    ]


def _loop_peaks(plane: NDArray[np.float64], decoder: Decoder) -> list[tuple[float, float, float]]:
    """(x, y, heat) of peaks, best ``max_peaks`` first in reading order."""
    height, width = plane.shape
    found = []
    for y in range(height):
        for x in range(width):
            value = plane[y, x]
            if value < decoder.peak:
                continue
            window = plane[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2]
            if value < window.max():
                continue
            away_x, rise_x = _loop_parabola(plane[y], x)
            away_y, rise_y = _loop_parabola(plane[:, x], y)
            found.append((x + 0.5 + away_x, y + 0.5 + away_y, min(1.0, value * math.exp(rise_x + rise_y))))
    return found[: decoder.max_peaks]


def _loop_parabola(line: NDArray[np.float64], at: int) -> tuple[float, float]:
    """Where the parabola through the logarithms of three neighbours peaks, and how much higher that is."""
    middle = math.log(max(line[at], 1e-4))
    behind = math.log(max(line[at - 1], 1e-4)) if at > 0 else None
    ahead = math.log(max(line[at + 1], 1e-4)) if at + 1 < len(line) else None
    if behind is None:
        assert ahead is not None
        behind = 2 * middle - ahead - 1 / SIGMA**2
    elif ahead is None:
        ahead = 2 * middle - behind - 1 / SIGMA**2
    slope, curve = (ahead - behind) / 2, ahead - 2 * middle + behind
    away = min(0.5, max(-0.5, -slope / min(curve, -1e-6)))
    return away, slope * away / 2


def _loop_integral(
    decoder: Decoder, field: NDArray[np.float64], a: Any, b: Any, height: float, area: float
) -> float | None:
    """The score of a limb, None where it is not accepted."""
    dx, dy = b[0] - a[0], b[1] - a[1]
    length = math.hypot(dx, dy)
    low, high = decoder.samples
    count = min(high, max(low, round(math.sqrt(5 * max(abs(dx), abs(dy)) * STRIDE))))
    values = []
    for s in range(count):
        x = min(max(int(a[0] + dx * s / (count - 1)), 0), field.shape[2] - 1)
        y = min(max(int(a[1] + dy * s / (count - 1)), 0), field.shape[1] - 1)
        values.append((field[0, y, x] * dx + field[1, y, x] * dy) / max(length, 1e-6))
    passed = sum(v > decoder.field for v in values)
    score = sum(values) / count + min(0.5 * height / max(length * STRIDE, 1e-6) - 1, 0)
    good = passed / count > decoder.fraction + 1e-9 and score > 0
    if length < decoder.coincident * math.sqrt(area):
        return max(score, decoder.field) if good else decoder.field
    return score if good else None


def _loop_connect(people: list[dict[str, Any]], ends: Any, score: float, may_begin: bool) -> None:
    owners = [next((p for p in people if p["members"].get(part) == i), None) for part, i, _ in ends]
    one, other = owners
    if one is None and other is None:
        if may_begin:
            people.append({"members": {part: i for part, i, _ in ends}, "score": score + ends[0][2] + ends[1][2]})
    elif one is None or other is None:
        person, (part, i, heat) = (one, ends[1]) if other is None else (other, ends[0])
        assert person is not None
        if part not in person["members"]:
            person["members"][part] = i
            person["score"] += heat + score
    elif one is not other and not set(one["members"]) & set(other["members"]):
        one["members"].update(other["members"])
        one["score"] += other["score"] + score
        people[:] = [p for p in people if p is not other]


# ---------------------------------------------------------------------- the comparison


def same(peaks: Peaks, crowd: Crowd, image: int, looped: list[dict[str, Any]]) -> bool:
    """Whether both found the same people of an image, places to 1e-3 cells and scores to 1e-3."""

    def rows(people: list[tuple[float, dict[int, Any]]]) -> list[Any]:
        return sorted(people, key=lambda p: (round(p[0], 2), *next(iter(sorted(p[1].items())))[1]))

    ours = []
    for slots, score in zip(crowd.peaks[crowd.image == image].tolist(), crowd.scores[crowd.image == image].tolist()):
        ours.append((score, {part: peaks.xy[:, i].tolist() for part, i in enumerate(slots) if i >= 0}))
    theirs = [(p["score"], dict(p["parts"])) for p in looped]
    if len(ours) != len(theirs):
        return False
    for (a, mine), (b, yours) in zip(rows(ours), rows(theirs), strict=True):
        if abs(a - b) > 1e-3 or mine.keys() != yours.keys():
            return False
        if any(math.dist(mine[part], yours[part][:2]) > 1e-3 for part in mine):
            return False
    return True


def _median(work: Callable[[], Any], repeat: int) -> float:
    """CPU seconds of one call."""
    times = []
    for _ in range(repeat + 2):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return sorted(times[2:])[repeat // 2]


def main(arguments: list[str] | None = None) -> int:
    """Prints both times; the exit code is 1 where the people differ."""
    parser = argparse.ArgumentParser(prog="python -m armature.bench.paf_decoding", description=__doc__.split("\n")[0])
    for name, default in (("people", 20), ("height", 46), ("width", 82), ("repeat", 50), ("batch", 1), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args(arguments)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    heat, fields = make_maps(options.people, (options.height, options.width), options.batch, seed=options.seed)
    decoder = Decoder(complete_only=2)
    seconds = _median(lambda: decode(decoder, heat, fields), options.repeat) / options.batch
    slow = _median(lambda: loop(decoder, heat[0], fields[0]), 1)
    peaks, crowd = decode(decoder, heat, fields)
    equal = all(same(peaks, crowd, b, loop(decoder, heat[b], fields[b])) for b in range(options.batch))
    torch.set_num_threads(threads)
    _show(options, seconds, slow, len(crowd.image) / options.batch, equal)
    return 0 if equal else 1


def _show(options: argparse.Namespace, ours: float, loop: float, people: float, equal: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    what = f"{options.people} people, {len(BODY)} parts, {len(LIMBS)} limbs, {options.height}x{options.width} cells"
    table = Table(title=f"from part affinity fields to people: {what}", caption="CPU time, one thread, median")
    for column in ("decoder", "ms an image", "speed-up", "people found"):
        table.add_column(column, justify="left" if column == "decoder" else "right")
    table.add_row("loop", f"{loop * 1e3:.1f}", "1x", "reference")
    table.add_row(
        "armature", f"{ours * 1e3:.2f}", f"{loop / ours:.0f}x", f"{people:g}, {'the same' if equal else 'OTHERS'}"
    )
    Console(width=None if Console().is_terminal else 110).print(table)


if __name__ == "__main__":
    raise SystemExit(main())
