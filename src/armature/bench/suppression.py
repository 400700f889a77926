"""Speed of suppression beside a loop over boxes as it is commonly written and beside torchvision's compiled one.

python -m armature.bench.suppression [--boxes 5400] [--repeat 21]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
import torchvision
from torch import Tensor

from armature.ops.suppression import suppress

#: IoU above which the better of two boxes stays.
_OVERLAP = 0.7


def make_boxes(count: int, people: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Boxes (n 4) in 640x640 px around ``people`` people, as of a detector at a very low threshold, and scores."""
    generator = torch.Generator().manual_seed(seed)
    middle = torch.rand(people, 2, generator=generator) * 640
    size = torch.rand(people, 2, generator=generator) * 200 + 30
    own = torch.randint(people, (count,), generator=generator)
    at = middle[own] + 8 * torch.randn(count, 2, generator=generator)
    half = size[own] * (0.5 + 0.05 * torch.randn(count, 2, generator=generator))
    return torch.cat([at - half, at + half], 1), torch.rand(count, generator=generator)


def one_by_one(boxes: Tensor, scores: Tensor, overlap: float) -> Tensor:
    """The common loop: take the best, drop what overlaps it, again."""
    order, kept = scores.argsort(descending=True), []
    while len(order):
        kept.append(int(order[0]))
        iou = torchvision.ops.box_iou(boxes[order[:1]], boxes[order[1:]])[0]
        order = order[1:][iou <= overlap]
    return torch.tensor(kept)


def measure(count: int = 5400, repeat: int = 21) -> dict[str, dict[str, float]]:
    """CPU milliseconds on one core (the median), by scene and by way; one thread, whatever the process uses."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        scenes = {"20 people": make_boxes(count, 20), "all apart": make_boxes(count, count)}
        return {name: {way: _median(run, repeat) for way, run in _ways(*scene)} for name, scene in scenes.items()}
    finally:
        torch.set_num_threads(threads)


def _ways(boxes: Tensor, scores: Tensor) -> list[tuple[str, Callable[[], Tensor]]]:
    return [
        ("loop over boxes", lambda: one_by_one(boxes, scores, _OVERLAP)),
        ("torchvision.ops.nms", lambda: torchvision.ops.nms(boxes, scores, _OVERLAP)),
        ("ops.suppression", lambda: suppress(boxes, scores, _OVERLAP, min_score=0.001)),
    ]


def _median(run: Callable[[], Tensor], repeat: int) -> float:
    times: list[float] = []
    while len(times) < repeat and (len(times) < 3 or sum(times) < 3.0):
        start = time.thread_time()
        run()
        times.append(time.thread_time() - start)
    return sorted(times)[len(times) // 2] * 1000


def main(arguments: list[str] | None = None) -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--boxes", type=int, default=5400)
    parser.add_argument("--repeat", type=int, default=21)
    given = parser.parse_args(arguments)
    print(f"suppression of {given.boxes} boxes, IoU {_OVERLAP}, CPU ms on one core")
    for scene, ways in measure(given.boxes, given.repeat).items():
        for way, milliseconds in ways.items():
            print(f"  {scene:<10} {way:<20} {milliseconds:8.2f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
