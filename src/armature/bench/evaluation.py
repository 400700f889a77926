"""Speed of the evaluation beside pycocotools (and faster-coco-eval), on the same data, with the numbers compared.

    python -m armature.bench.evaluation [--images 5000] [--people 11000] [--detections 20] [--repeat 5]

Matching and accumulation are measured apart from reading: each tool first gets the data in its own form.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import io
import json
import math
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from armature.bench.cases import make_case
from armature.evaluation import oks, verify
from armature.evaluation.results import Predictions, Truth

#: COCO's 17 sigmas.
SIGMAS = np.array([26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89]) / 1000


@dataclass
class Timing:
    """CPU seconds of one tool in one process (the median where repeated) and its ten numbers."""

    tool: str
    reading: float
    matching: float
    accumulating: float
    numbers: dict[str, float] = field(repr=False)

    @property
    def judging(self) -> float:
        """Matching and accumulation."""
        return self.matching + self.accumulating


def compare(
    images: int = 5000, people: int = 11000, detections: int = 20, repeat: int = 5, seed: int = 0
) -> list[Timing]:
    """Timings of pycocotools first, then faster-coco-eval where installed, then ours, all on one made-up data set."""
    truth, results = make_case(images, people, detections, seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder, "truth.json"), Path(folder, "results.json")
        for path, data in zip(files, (truth, results), strict=True):
            path.write_text(json.dumps(data))
        others = [_time_coco("pycocotools", *files, *_pycocotools())]
        with contextlib.suppress(ImportError):
            others.append(_time_coco("faster-coco-eval", *files, *_faster()))
        return [*others, _time_ours(*files, repeat)]


def main(arguments: list[str] | None = None) -> int:
    """Prints the comparison; the exit code is 1 where the numbers differ."""
    parser = argparse.ArgumentParser(prog="python -m armature.bench.evaluation", description=__doc__.split("\n")[0])
    for name, default in (("images", 5000), ("people", 11000), ("detections", 20), ("repeat", 5), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args(arguments)
    timings = compare(options.images, options.people, options.detections, options.repeat, options.seed)
    many = options.images * options.detections
    _show(timings, f"{options.images:,} images, {options.people:,} people, {many:,} detections")
    return 0 if all(_difference(timings[0], other) <= verify.TOLERANCE for other in timings[1:]) else 1


def _time_ours(truth_file: Path, results_file: Path, repeat: int) -> Timing:
    started = time.process_time()
    truth = Truth.from_coco(truth_file)
    predictions = Predictions.from_coco(results_file, truth)
    reading = time.process_time() - started
    rounds = []
    for _ in range(repeat):
        start = time.process_time()
        matches = oks.match(truth, predictions, SIGMAS)
        middle = time.process_time()
        numbers = oks.accumulate(matches).numbers()
        rounds.append((middle - start, time.process_time() - middle))
    middling = sorted(rounds, key=sum)[len(rounds) // 2]
    return Timing("armature", reading, *middling, numbers)


def _time_coco(tool: str, truth_file: Path, results_file: Path, coco: Any, coco_eval: Any) -> Timing:
    """One timing of a tool with pycocotools' interface; once, as it takes seconds."""
    with contextlib.redirect_stdout(io.StringIO()):
        started = time.process_time()
        annotated = coco(str(truth_file))
        judge = coco_eval(annotated, annotated.loadRes(str(results_file)), "keypoints")
        judge.params.kpt_oks_sigmas = SIGMAS
        start = time.process_time()
        judge.evaluate()
        middle = time.process_time()
        judge.accumulate()
        end = time.process_time()
    return Timing(tool, start - started, middle - start, end - middle, verify.numbers(judge))


def _pycocotools() -> tuple[Any, Any]:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    return COCO, COCOeval


def _faster() -> tuple[Any, Callable[..., Any]]:
    from faster_coco_eval import COCO, COCOeval_faster

    def quiet(*arguments: Any) -> Any:
        return COCOeval_faster(*arguments, print_function=lambda *_: None)

    return COCO, quiet


def _difference(reference: Timing, other: Timing) -> float:
    return verify.Differences(copy.copy(other.numbers), reference.numbers).largest


def _show(timings: list[Timing], title: str) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(
        title=f"COCO keypoint evaluation: {title}",
        caption="CPU seconds, one process, which other work on the machine disturbs least",
    )
    for column in ("tool", "read", "match", "accumulate", "match + accumulate", "speed-up", "largest difference"):
        table.add_column(column, justify="left" if column == "tool" else "right")
    for timing in timings:
        seconds = (timing.reading, timing.matching, timing.accumulating, timing.judging)
        difference = "reference" if timing is timings[0] else f"{_difference(timings[0], timing):.1e}"
        speed_up = f"{timings[0].judging / timing.judging:.1f}x"
        table.add_row(timing.tool, *(f"{value:.3f}" for value in seconds), speed_up, difference)
    numbers = Table(title="the ten numbers")
    for column in ("tool", *oks.NUMBERS):
        numbers.add_column(column)
    for timing in timings:
        values = (timing.numbers[name] for name in oks.NUMBERS)
        numbers.add_row(timing.tool, *("none" if math.isnan(value) else f"{value:.6f}" for value in values))
    console = Console(width=None if Console().is_terminal else 130)
    console.print(table, numbers)


if __name__ == "__main__":
    raise SystemExit(main())
