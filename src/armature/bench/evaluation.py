"""Speed of the evaluation beside pycocotools (and faster-coco-eval), on the same data, with the numbers compared.

    python -m armature.bench.evaluation [--images 5000] [--people 11000] [--detections 20] [--repeat 5]

Matching and accumulation are measured apart from reading: each tool first gets the data in its own form. A thousand
resamples of the images, and a permutation test against a second system, are timed beside the same by one exact
accumulation after the other.
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
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from armature.bench.cases import make_case
from armature.evaluation import bootstrap, oks, verify
from armature.evaluation.permutation import permutation_test
from armature.evaluation.resampled_oks import Judged, numbers_under
from armature.evaluation.results import Predictions, Truth
from armature.evaluation.systems import System

RESAMPLES = 1000
#: Resamples that are also accumulated one by one.
EXACT = 5
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
    #: Reading the results file alone, each time.
    results: list[float] = field(default_factory=list)

    @property
    def judging(self) -> float:
        """Matching and accumulation."""
        return self.matching + self.accumulating


@dataclass
class Uncertainty:
    """CPU seconds, on one thread, of what uncertainty costs for one system (and one pair).

    Attributes:
        resampling: the ten numbers under ``RESAMPLES`` resamples. exact: the same one by one, from ``EXACT`` of them.
        permuting: p of the AP difference to another system, by as many permutations.
        difference: largest between the two ways, of the ``EXACT`` resamples.
    """

    resampling: float
    exact: float
    permuting: float
    difference: float


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
        ours = _time_ours(*files, repeat)
        others[0].results, ours.results = _time_results(*files, repeat)
        return [*others, ours]


def main(arguments: list[str] | None = None) -> int:
    """Prints the comparison; the exit code is 1 where the numbers differ."""
    parser = argparse.ArgumentParser(prog="python -m armature.bench.evaluation", description=__doc__.split("\n")[0])
    for name, default in (("images", 5000), ("people", 11000), ("detections", 20), ("repeat", 5), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args(arguments)
    timings = compare(options.images, options.people, options.detections, options.repeat, options.seed)
    many = options.images * options.detections
    _show(timings, f"{options.images:,} images, {options.people:,} people, {many:,} detections")
    uncertainty = resample(options.images, options.people, options.detections, options.seed)
    _show_uncertainty(uncertainty)
    differences = [uncertainty.difference, *(_difference(timings[0], other) for other in timings[1:])]
    return 0 if all(difference <= verify.TOLERANCE for difference in differences) else 1


def resample(images: int = 5000, people: int = 11000, detections: int = 20, seed: int = 0) -> Uncertainty:
    """What a bootstrap and a permutation test take on a made-up data set."""
    annotated, results = make_case(images, people, detections, seed=seed)
    truth = Truth.from_coco(annotated)
    predictions = Predictions.from_coco(results, truth)
    shifted = replace(predictions, scores=predictions.scores**2, keypoints=predictions.keypoints + 1.0)
    one, other = (System.build(n, truth, p, SIGMAS) for n, p in (("one", predictions), ("other", shifted)))
    assert one.matches is not None
    start = time.process_time()
    counts = bootstrap.weights(images, RESAMPLES, seed)
    found = numbers_under(Judged.of(one.matches), counts)
    middle = time.process_time()
    exact = [list(oks.accumulate(one.matches, row.astype(float)).numbers().values()) for row in counts[:EXACT]]
    then = time.process_time()
    permutation_test(one, other, ["AP"], RESAMPLES, seed)
    apart = np.abs(found[:EXACT] - np.array(exact))
    apart[np.isnan(found[:EXACT]) & np.isnan(exact)] = 0
    one_by_one = (then - middle) * RESAMPLES / EXACT
    return Uncertainty(middle - start, one_by_one, time.process_time() - then, float(apart.max()))


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


def _time_results(truth_file: Path, results_file: Path, repeat: int) -> tuple[list[float], list[float]]:
    """CPU seconds of pycocotools' ``loadRes`` and of ours on one file, in turns so that other work disturbs both."""
    coco, _ = _pycocotools()
    with contextlib.redirect_stdout(io.StringIO()):
        annotated, truth = coco(str(truth_file)), Truth.from_coco(truth_file)
        rounds = []
        for _ in range(repeat):
            start = time.process_time()
            annotated.loadRes(str(results_file))
            middle = time.process_time()
            Predictions.from_coco(results_file, truth)
            rounds.append((middle - start, time.process_time() - middle))
    theirs, ours = zip(*rounds, strict=True)
    return list(theirs), list(ours)


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
    console.print(table, numbers, _reading_table(timings))


def _reading_table(timings: list[Timing]) -> Any:
    """What reading the results file alone takes: median, fastest and slowest of the repeats."""
    from rich.table import Table

    table = Table(title="reading the results file", caption="CPU seconds")
    for column in ("tool", "median", "fastest", "slowest", "speed-up"):
        table.add_column(column, justify="left" if column == "tool" else "right")
    measured = [timing for timing in timings if timing.results]
    for timing in measured:
        median = float(np.median(timing.results))
        speed_up = float(np.median(measured[0].results)) / median
        seconds = (median, min(timing.results), max(timing.results))
        table.add_row(timing.tool, *(f"{value:.3f}" for value in seconds), f"{speed_up:.1f}x")
    return table


def _show_uncertainty(cost: Uncertainty) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="uncertainty", caption="CPU seconds, one thread")
    for column in ("what", "seconds", "largest difference"):
        table.add_column(column, justify="left" if column == "what" else "right")
    table.add_row(f"ten numbers, {RESAMPLES:,} resamples one by one", f"{cost.exact:.1f}", "reference")
    table.add_row(f"ten numbers, {RESAMPLES:,} resamples at once", f"{cost.resampling:.2f}", f"{cost.difference:.1e}")
    table.add_row(f"permutation test of AP, {RESAMPLES:,} swaps", f"{cost.permuting:.2f}", "")
    Console(width=None if Console().is_terminal else 130).print(table)


if __name__ == "__main__":
    raise SystemExit(main())
